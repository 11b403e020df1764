"""Field of multipoles along a curved axis, as polynomials for kicks.

In a frame of curvature h the longitudinal vector potential times (1 + h x), over the reference rigidity, is
F(x, y) with By = -F_x/(1 + h x) and Bx = F_y/(1 + h x). A field without curl obeys

    (1 + h x)(F_xx + F_yy) = h F_x,

so that F follows from the multipoles on the midplane, By(x, 0) and Bx(x, 0): see H. Wiedemann,
Particle Accelerator Physics, ch. 3, or S. Mane, Nucl. Instrum. Methods A 321 (1992) 365. The kick is
px += L F_x, py += L F_y. It is symplectic for a truncated F as well.
"""

from __future__ import annotations

import math
from typing import Any

#: orders beyond that of the highest multipole: the first term omitted is of relative size (h x)^4
EXTRA_ORDERS = 4


def monomials(degree: int) -> list[tuple[int, int]]:
    """Exponents (i, j) of x^i y^j up to a total degree, x fastest: for j, for i <= degree - j."""
    return [(i, j) for j in range(degree + 1) for i in range(degree + 1 - j)]


def potential(h: Any, kn: list[Any], ks: list[Any], degree: int) -> dict[tuple[int, int], Any]:
    """Coefficients of F up to a total degree, from multipoles kn, ks [m^-(n+1)] (no factorials folded in)."""
    zero = 0.0 * h
    f = {(i, j): zero for i in range(degree + 2) for j in range(degree + 2)}
    for n, (k, skew) in enumerate(zip(kn, ks, strict=True)):
        scale = 1.0 / math.factorial(n)
        for i, value in ((n, k * scale), (n + 1, h * k * scale)):
            if i + 1 <= degree:
                f[i + 1, 0] = f[i + 1, 0] - value / (i + 1)
        for i, value in ((n, skew * scale), (n + 1, h * skew * scale)):
            if i + 1 <= degree:
                f[i, 1] = f[i, 1] + value
    for j in range(degree - 1):
        for i in range(degree - 1 - j):
            rise = h * (i + 1) * (1 - i) * f[i + 1, j] - (i + 2) * (i + 1) * f[i + 2, j]
            below = h * f[i - 1, j + 2] if i else zero
            f[i, j + 2] = rise / ((j + 2) * (j + 1)) - below
    return {key: value for key, value in f.items() if sum(key) <= degree}


def kick_polynomials(h: Any, kn: list[Any], ks: list[Any], degree: int) -> tuple[list[Any], list[Any]]:
    """F_x and F_y as coefficients in the order of `monomials(degree)`."""
    f = potential(h, kn, ks, degree + 1)
    powers = monomials(degree)
    return [(i + 1) * f[i + 1, j] for i, j in powers], [(j + 1) * f[i, j + 1] for i, j in powers]


def evaluate(coefficients: list[Any], degree: int, x: Any, y: Any) -> Any:
    """Polynomial of `monomials(degree)` by Horner's rule in x, then in y."""
    total: Any = 0.0
    end = len(coefficients)
    for j in range(degree, -1, -1):
        start = end - (degree + 1 - j)
        row = coefficients[end - 1]
        for coefficient in coefficients[end - 2 : start - 1 if start else None : -1]:
            row = row * x + coefficient
        total = total * y + row
        end = start
    return total
