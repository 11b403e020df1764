"""Coefficients of symmetric splittings; twin of kernels/elements/splitting.h.

A splitting of m stages is outer steps of fractions a[0] ... a[m] of a slice with inner steps b[0] ... b[m-1] between
them, both the same read backwards. Orders 2, 4 and 6 are products of leap-frog steps: leap-frog itself, Forest & Ruth,
Physica D 43 (1990) 105, and solution A of Yoshida, Phys. Lett. A 150 (1990) 262; the others are listed with the
classes of `gputrack.elements.schemes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from gputrack.elements.models import Integrator, Steps
from gputrack.elements.schemes import BlanesMoan, LaskarRobutel, Scheme

S = TypeVar("S")


class Coefficients(NamedTuple):
    """Fractions of a slice: outer (m + 1,) and inner (m,)."""

    outer: tuple[float, ...]
    inner: tuple[float, ...]


def _leap_frogs(*weights: float) -> Coefficients:
    """Product of leap-frog steps: neighbouring half steps are merged."""
    means = [0.5 * (before + after) for before, after in zip((0.0, *weights), (*weights, 0.0), strict=True)]
    return Coefficients(tuple(means), weights)


def _palindrome(outer: Sequence[float], inner: Sequence[float]) -> Coefficients:
    """From the first halves, without the last number of each: the sums are 1.

    Of an even number of stages the middle is an outer step, of an odd one an inner step.
    """
    odd = len(inner) == len(outer)
    outer = [*outer, (0.5 if odd else 1.0) - (1.0 if odd else 2.0) * math.fsum(outer)]
    inner = [*inner, (1.0 if odd else 0.5) - (2.0 if odd else 1.0) * math.fsum(inner)]
    return Coefficients(
        (*outer, *reversed(outer if odd else outer[:-1])), (*inner, *reversed(inner[:-1] if odd else inner))
    )


_W4 = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
_W6 = (0.784513610477560, 0.235573213359357, -1.17767998417887)

#: coefficients of each scheme, numbered in this order, also in the kernels
SPLITTINGS: dict[Scheme, Coefficients] = {
    2: _leap_frogs(1.0),
    4: _leap_frogs(_W4, -(2.0 ** (1.0 / 3.0)) * _W4, _W4),
    6: _leap_frogs(*_W6, 1.0 - 2.0 * sum(_W6), *reversed(_W6)),
    LaskarRobutel(2): _palindrome((0.5 - math.sqrt(3.0) / 6.0,), ()),
    LaskarRobutel(3): _palindrome((0.5 - math.sqrt(15.0) / 10.0,), (5.0 / 18.0,)),
    BlanesMoan(4): _palindrome(
        (0.0792036964311957, 0.353172906049774, -0.0420650803577195), (0.209515106613362, -0.143851773179818)
    ),
    BlanesMoan(6): _palindrome(
        (
            0.0378593198406116, 0.102635633102435, -0.0258678882665587, 0.314241403071447, -0.130144459517415,
            0.106417700369543, -0.00879424312851058,
        ),
        (
            0.09171915262446165, 0.183983170005006, -0.05653436583288827, 0.004914688774712854, 0.143761127168358,
            0.328567693746804,
        ),
    ),
}  # fmt: skip
_NUMBERS = {scheme: number for number, scheme in enumerate(SPLITTINGS)}
_BY_NUMBER = tuple(SPLITTINGS.values())


def steps_of(integrator: Integrator, needed: Steps) -> tuple[int, int]:
    """Number of the scheme in maps and kernels, and slices; the defaults where the integrator leaves them open."""
    scheme, slices = integrator.steps(needed)
    return _NUMBERS[scheme], slices


def outer_fractions(scheme: int, slices: int) -> list[float]:
    """Fractions of the whole length of the distinct outer steps.

    First those from the end of a slice to its middle, the other half being the same; last the one between two slices.
    """
    outer = _BY_NUMBER[scheme].outer
    half = outer[: (len(outer) + 1) // 2]
    return [a / slices for a in (*half, 2.0 * outer[0])]


def longest_outer(scheme: int, slices: int) -> float:
    """Fraction of the whole length of the longest outer step, forwards or backwards."""
    *inside, between = map(abs, outer_fractions(scheme, slices))
    return max(*inside, between) if slices > 1 else max(inside)


def stages(scheme: int, slices: int) -> Iterator[tuple[float, float]]:
    """Pairs (outer, inner) of fractions of the whole length, in the order they act.

    Each pair is one outer step followed by one inner step; after the last pair comes one more outer step, equal to
    the first (`closing`). Between slices the outer steps of both are merged.
    """
    outer, inner = _BY_NUMBER[scheme]
    for slice in range(slices):
        for j, b in enumerate(inner):
            a = 2.0 * outer[0] if slice and not j else outer[j]
            yield a / slices, b / slices


def closing(scheme: int, slices: int) -> float:
    """Fraction of the last outer step."""
    return _BY_NUMBER[scheme].outer[-1] / slices


def steps_along(scheme: int, slices: int, begin: Any, end: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Steps through the piece of an element from `begin` to `end`, for fields that change along it.

    Yields
    ------
    place, outer, inner
        Fractions of the whole length: where the outer step ends, its length, and that of the inner step there; None
        for the latter at the end.
    """
    place, part = begin, end - begin
    for outer, inner in stages(scheme, slices):
        place = place + part * outer
        yield place, part * outer, part * inner
    yield end, part * closing(scheme, slices), None


def compose(s: S, scheme: int, slices: int, outer: Callable[[S, float], S], inner: Callable[[S, float], S]) -> S:
    """Apply the splitting: `outer` and `inner` take the state and a fraction of the length."""
    for before, weight in stages(scheme, slices):
        s = inner(outer(s, before), weight)
    return outer(s, closing(scheme, slices))
