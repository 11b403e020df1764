"""Functions that stay accurate and smooth where the textbook form is 0/0; twin of kernels/numbers/smooth.h.

All are polynomials with argument halving, so that one code serves arrays, traced arrays and truncated
power series, on either side of zero, and array and kernel results agree to rounding. The number of
halvings is fixed per map by the largest argument expected.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from gputrack.base.arrays import sqrt
from gputrack.base.errors import InputError

# sum_k (-u)^k / (2k)!, and / (2k+1)!: twelve terms reach 1e-17 for |u| <= 1.5.
COSINE = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(11))
SINE = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(11))
# sum_k (-u)^k / (2k+1) reaches 1e-17 for |u| <= 0.04 in twelve terms.
ARCTANGENT = tuple((-1.0) ** k / (2 * k + 1) for k in range(12))

TRIG_LIMIT = 1.0
ARCTANGENT_LIMIT = 0.04


def horner(coefficients: tuple[float, ...], u: Any) -> Any:
    """Polynomial with the given coefficients, lowest first."""
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = total * u + coefficient
    return total


#: square of 1/(2 epsilon), the angle whose spacing of floating-point numbers is 1 rad
_MOST = (0.5 / sys.float_info.epsilon) ** 2


def trig_halvings(largest: float) -> int:
    """Halvings of the angle that bring |u| = angle^2 below `TRIG_LIMIT`.

    Raises
    ------
    InputError
        The angle is so large that double precision holds no digit of its phase.
    """
    if not largest < _MOST:
        raise InputError(
            f"phase advance of {math.sqrt(largest):.3g} rad in one element must be < {math.sqrt(_MOST):g} rad; "
            "reduce its length or its strength (k1, ks)"
        )
    return max(0, math.ceil(0.5 * math.log2(max(largest, TRIG_LIMIT) / TRIG_LIMIT)))


def cos_sinc(u: Any, halvings: int = 0) -> tuple[Any, Any]:
    """cos(sqrt u) and sin(sqrt u)/sqrt u; for u < 0 the hyperbolic functions.

    cos 2a = 2 cos^2 a - 1 and sin 2a / 2a = cos a (sin a / a) undo each halving.
    """
    v = u * 0.25**halvings
    c, s = horner(COSINE, v), horner(SINE, v)
    for _ in range(halvings):
        s, c = c * s, 2.0 * c * c - 1.0
    return c, s


def arctan_ratio(v: Any, halvings: int = 0) -> Any:
    """atan(t)/t as a function of v = t^2.

    Each halving uses atan t = 2 atan(t / (1 + sqrt(1 + t^2))).
    """
    scale = 1.0
    for _ in range(halvings):
        r = 1.0 / (1.0 + sqrt(1.0 + v))
        scale = scale * 2.0 * r
        v = v * r * r
    return scale * horner(ARCTANGENT, v)


def arctan_halvings(largest_angle: float) -> int:
    """Halvings that bring tan(angle)^2 below `ARCTANGENT_LIMIT`."""
    return max(0, math.ceil(math.log2(max(largest_angle, 1e-300) / 0.19)))


def slope_excess(u: Any) -> Any:
    """(1 - u)^(-1/2) - 1, without cancellation; u is the squared sine of an angle."""
    q = sqrt(1.0 - u)
    return u / (q * (1.0 + q))


def slope_excess_remainder(u: Any) -> Any:
    """(1 - u)^(-1/2) - 1 - u/2, without cancellation."""
    q = sqrt(1.0 - u)
    both = 1.0 + q
    return 0.5 * u * u * (1.0 + both) / (q * both * both)
