"""The Faddeeva function w(z) = exp(-z^2) erfc(-i z) on the upper half plane; twin of kernels/numbers/faddeeva.h.

Complex numbers are pairs of real ones, so that one code serves arrays, traced arrays and complex steps. Derivatives
follow from w' = -2 z w + 2i/sqrt(pi).
"""

from __future__ import annotations

from typing import Any

from gputrack.base.arrays import namespace, plain_values

Pair = tuple[Any, Any]

#: (2k - 1)!!/2^k: the asymptotic series i/(sqrt(pi) z) sum (2k - 1)!!/(2 z^2)^k reaches 3e-14 where |z| >= 8.
ASYMPTOTIC = (
    1.0, 0.5, 0.75, 1.875, 6.5625, 29.53125, 162.421875, 1055.7421875, 7918.06640625, 67303.564453125,
    639383.8623046875, 6713530.554199219, 77205601.37329102, 965070017.1661377,
)  # fmt: skip
FAR = 64.0  # |z|^2
ROOT_PI = 1.7724538509055159
#: Weideman's L and coefficients a_1, a_2, ... for N = 36, which reach 3e-14 where |z| <= 8.
SCALE = 5.045378491522287
WEIDEMAN = (
    2.74074502740986, 2.445378492851921, 2.0193976436113505, 1.5401625788153652, 1.0813580371765887,
    0.6956621918971001, 0.4073424189503342, 0.215016363201074, 0.10084293371847962, 0.04105104301657706,
    0.013898253763251461, 0.003548444708699557, 0.00046290316939981625, -0.00011396630644463288,
    -8.817797141863538e-05, -2.1741186565527042e-05, 1.418705847874255e-06, 2.7654086657435465e-06,
    6.741655663822072e-07, -1.2894842920245908e-07, -1.130315719425847e-07, -1.0962277865590425e-08,
    1.1883887267366126e-08, 3.773443123698575e-09, -9.09223835036384e-10, -6.634847173398878e-10,
    3.1971919451129795e-11, 9.939318013576685e-11, 6.346271847688187e-12, -1.4312519349833842e-11,
    -2.1170683482392894e-12, 2.0980449880972998e-12, 4.4316182852004185e-13, -3.2388620880973164e-13,
    -8.046291993603674e-14, 5.356399489824168e-14,
)


def times(a: Pair, b: Pair) -> Pair:
    """Product of two pairs."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def faddeeva(x: Any, y: Any) -> Pair:
    """Real and imaginary part of w(x + i y).

    Parameters
    ----------
    x, y : numbers or arrays
        y >= 0. Derivatives by autograd and by the complex step are those of w.

    Returns
    -------
    pair of arrays
        To 5e-14 of abs(w).

    Notes
    -----
    J. A. C. Weideman, SIAM J. Numer. Anal. 31 (1994) 1497, near the origin; Abramowitz and Stegun 7.1.23 far from it.
    """
    far = plain_values(x) ** 2 + plain_values(y) ** 2 >= FAR
    xp = namespace(far)
    if xp.all(far):
        return _asymptotic(x, y)
    near = _weideman(x, y)
    if not xp.any(far):
        return near
    xp = namespace(x, y)
    zero = 0.0 * (x + y)
    away = _asymptotic(xp.where(far, x + zero, 8.0 + zero), xp.where(far, y + zero, zero))
    return xp.where(far, away[0], near[0]), xp.where(far, away[1], near[1])


def _weideman(x: Any, y: Any) -> Pair:
    """With r = 1/(L - i z) and Z = (L + i z) r: r/sqrt(pi) + 2 r^2 (a_1 + a_2 Z + ...)."""
    down, up = SCALE + y, SCALE - y
    inverse = 1.0 / (down * down + x * x)
    r = down * inverse, x * inverse
    z = times((up, x), r)
    total = WEIDEMAN[-1] + 0.0 * z[0], 0.0 * z[1]
    for coefficient in WEIDEMAN[-2::-1]:
        product = times(total, z)
        total = product[0] + coefficient, product[1]
    tail = times(times(r, r), total)
    return r[0] / ROOT_PI + 2.0 * tail[0], r[1] / ROOT_PI + 2.0 * tail[1]


def _asymptotic(x: Any, y: Any) -> Pair:
    """i/(sqrt(pi) z) P(1/z^2)."""
    inverse = 1.0 / (x * x + y * y)
    r = x * inverse, -y * inverse
    u = times(r, r)
    total = ASYMPTOTIC[-1] + 0.0 * u[0], 0.0 * u[1]
    for coefficient in ASYMPTOTIC[-2::-1]:
        product = times(total, u)
        total = product[0] + coefficient, product[1]
    w = times(r, total)
    return -w[1] / ROOT_PI, w[0] / ROOT_PI
