"""Names of driving terms, and Poisson brackets of pairs of terms.

Terms are monomials h_x+^j h_x-^k h_y+^l h_y-^m delta^p, h+- = sqrt(2 J) exp(+-i phi), so that [h+, h-] = 2i in each
mode and 0 otherwise: the Poisson bracket of two monomials is a sum of two monomials.
"""

from __future__ import annotations

import itertools
from functools import cache

from gputrack.base.errors import InputError

Powers = tuple[int, ...]

#: terms of quadrupoles with delta, skew quadrupoles, sextupoles and octupoles
TERMS = (
    "h21000", "h30000", "h10110", "h10020", "h10200",
    "h11001", "h00111", "h20001", "h00201", "h10002",
    "h10010", "h10100",
    "h22000", "h11110", "h00220", "h31000", "h40000", "h20110", "h11200", "h20020", "h20200", "h00310", "h00400",
)  # fmt: skip


def exponents_of(name: str) -> Powers:
    """Exponents (j, k, l, m, p) of a name such as "h21000"."""
    digits = name[1:] if isinstance(name, str) and name.startswith("h") else ""
    if len(digits) != 5 or not digits.isdigit() or sum(map(int, digits[:4])) < 1:
        raise InputError(f"driving_terms: terms must be named as 'h21000', with digits j k l m p, got {name!r}")
    return tuple(map(int, digits))


def turns(powers: Powers) -> tuple[int, int]:
    """(j - k, l - m): multiples of the phases of the modes; (0, 0) for terms that shift tunes."""
    j, k, u, v, _ = powers
    return j - k, u - v


@cache
def brackets(powers: Powers) -> tuple[tuple[Powers, Powers, complex], ...]:
    """All (a, b, c) such that [a, b] contains c times the monomial `powers`, for terms a and b of first order."""
    pairs = []
    for plane in (0, 2):
        whole = list(powers)
        whole[plane] += 1
        whole[plane + 1] += 1
        for a in itertools.product(*(range(n + 1) for n in whole)):
            b = tuple(n - m for n, m in zip(whole, a, strict=True))
            factor = a[plane] * b[plane + 1] - a[plane + 1] * b[plane]
            if factor and _perturbs(a) and _perturbs(b):
                pairs.append((a, b, 2j * factor))
    return tuple(pairs)


def _perturbs(powers: Powers) -> bool:
    """Whether a term is not part of the closed orbit, the linear optics or the linear dispersion."""
    degree, p = sum(powers[:4]), powers[4]
    return degree >= 1 and degree + p >= 3
