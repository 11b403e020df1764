"""Complex numbers as pairs (re, im) of real ones; twin of kernels/numbers/pair.h.

One code serves arrays, traced arrays and complex steps; power series have functions of their own. Roots and logarithms
are principal values, continued onto their branch cuts from above: an imaginary part of 0 counts as positive, whatever
its sign. At branch points values are exact and derivatives infinite or NaN.
"""

from __future__ import annotations

from typing import Any

from gputrack.base.arrays import arcsinh, arctan2, log, log1p, namespace, plain_values, sqrt

Pair = tuple[Any, Any]


def times(a: Pair, b: Pair) -> Pair:
    """Product of two pairs."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def reciprocal(a: Pair) -> Pair:
    """One over a pair."""
    inverse = 1.0 / (a[0] * a[0] + a[1] * a[1])
    return a[0] * inverse, -(a[1] * inverse)


def over(a: Pair, b: Pair) -> Pair:
    """Quotient of two pairs."""
    return times(a, reciprocal(b))


def square_root(z: Pair) -> Pair:
    """sqrt(z), of real part >= 0, to 3 units in the last place of each part."""
    if _are_series(z):
        return _of_series("sqrt", z)
    x, y = z
    right, above = plain_values(x) >= 0.0, plain_values(y) >= 0.0
    major = sqrt(0.5 * (sqrt(x * x + y * y) + _where(right, x, -x)))
    minor = 0.5 * y / _where(plain_values(major) == 0.0, 1.0 + 0.0 * major, major)
    return _where(right, major, _where(above, minor, -minor)), _where(right, minor, _where(above, major, -major))


def logarithm(z: Pair) -> Pair:
    """log(z), of imaginary part between -pi and pi, to a few units in the last place of its modulus."""
    if _are_series(z):
        return _of_series("log", z)
    x, y = z
    across, up = (_where(plain_values(a) >= 0.0, a, -a) for a in z)
    flat = plain_values(across) >= plain_values(up)
    major, minor = _where(flat, across, up), _where(flat, up, across)
    ratio = minor / _where(plain_values(major) == 0.0, 1.0 + 0.0 * major, major)
    square = plain_values(major) ** 2 + plain_values(minor) ** 2
    near = (square <= 2.0) & (square >= 0.5)
    excess = _where(near, (major - 1.0) * (major + 1.0) + minor * minor, ratio * ratio)
    return log(_where(near, 1.0 + 0.0 * major, major)) + 0.5 * log1p(excess), arctan2(y + 0.0, x)


def unit_root(z: Pair) -> Pair:
    """sqrt(1 - z^2) as sqrt(1 - z) sqrt(1 + z), of real part >= 0: cos(arcsin z)."""
    less, more = _unit_roots(z)
    return less[0] * more[0] + less[1] * more[1], less[0] * more[1] - less[1] * more[0]


def arcsine(z: Pair) -> Pair:
    """arcsin(z), of real part between -pi/2 and pi/2.

    Notes
    -----
    W. Kahan, Branch cuts for complex elementary functions, in The State of the Art in Numerical Analysis, 1987.
    """
    if _are_series(z):
        return _of_series("arcsin", z)
    less, more = _unit_roots(z)
    real = less[0] * more[0] + less[1] * more[1]
    return arctan2(z[0], real), arcsinh(less[0] * more[1] + less[1] * more[0])


def _unit_roots(z: Pair) -> tuple[Pair, Pair]:
    """conj sqrt(1 - z) and sqrt(1 + z): conjugated so that both are on the same side of their cuts."""
    return square_root((1.0 - z[0], z[1])), square_root((1.0 + z[0], z[1]))


def _are_series(z: Pair) -> bool:
    return any(hasattr(part, "arcsin") for part in z)


def _of_series(name: str, z: Pair) -> Pair:
    """A method of complex power series."""
    w = getattr(z[0] + 1j * (z[1] + 0.0), name)()
    return w.real, w.imag


def _where(condition: Any, a: Any, b: Any) -> Any:
    return namespace(a, b).where(condition, a, b)
