"""Coefficients of symmetric splittings; twin of kernels/splitting.h.

Order 2 is leap-frog; 4 is Forest & Ruth, Physica D 43 (1990) 105; 6 is solution A of Yoshida,
Phys. Lett. A 150 (1990) 262. Each is a product of leap-frog steps of lengths w[0], w[1], ..., so that
drift lengths are the means of neighbouring weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

S = TypeVar("S")

_CUBE_ROOT_2 = 2.0 ** (1.0 / 3.0)
_W4 = 1.0 / (2.0 - _CUBE_ROOT_2)
_W6 = (0.784513610477560, 0.235573213359357, -1.17767998417887)

WEIGHTS: dict[int, tuple[float, ...]] = {
    2: (1.0,),
    4: (_W4, -_CUBE_ROOT_2 * _W4, _W4),
    6: (*_W6, 1.0 - 2.0 * sum(_W6), *reversed(_W6)),
}


def stages(order: int, slices: int) -> Iterator[tuple[float, float]]:
    """Pairs (outer, inner) of fractions of the whole length, in the order they act.

    Each pair is one outer step followed by one inner step; after the last pair comes one more outer
    step equal to the first (`closing`). Neighbouring outer half steps are merged.
    """
    weights = WEIGHTS[order]
    before = 0.0
    for _ in range(slices):
        for weight in weights:
            yield 0.5 * (before + weight) / slices, weight / slices
            before = weight


def closing(order: int, slices: int) -> float:
    """Fraction of the last outer step."""
    return 0.5 * WEIGHTS[order][-1] / slices


def compose(s: S, order: int, slices: int, outer: Callable[[S, float], S], inner: Callable[[S, float], S]) -> S:
    """Apply the splitting: `outer` and `inner` take the state and a fraction of the length."""
    for before, weight in stages(order, slices):
        s = inner(outer(s, before), weight)
    return outer(s, closing(order, slices))
