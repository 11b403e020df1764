"""The ways out of elements' own frames: from before each map of an element to the lattice's frame.

Maps of displaced and rolled elements, and of collisions at an angle, act in frames of their own. Who is lost there has
last coordinates in such a frame, and the maps that lead out of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gputrack.elements.aperture import aperture_calls
from gputrack.elements.element import Element

#: maps by their number in the element, in the order of use; True forwards, False inverted
Way = list[tuple[int, bool]]


def ways_out(kind: type[Element], p: Mapping[str, Any], statics: Any) -> list[Way]:
    """For each map of `Element.lower`, and for the place behind them: the way out from before it.

    Between the maps of a bend's face particles are in the frame of the face, which these ways do not turn back; between
    those of a body they lead out as from where the body begins.
    """
    aligned, aperture, body_statics, *_ = statics
    enter, leave = kind._align(p) if aligned else ([], [])
    first, last = kind._lower_faces(p, body_statics)
    checks = len(aperture_calls(aperture))
    ways: list[Way] = [_undoing(0, i) for i in range(len(enter))]
    inside = _undoing(0, len(enter))
    ways += [inside] * (checks + len(first))
    charged = {part for part, _ in kind._space_charge_kicks(p, statics)}
    radiating = {part: len(calls) for part, calls in kind._radiation_kicks(p, statics)}
    cuts = sorted({*charged, *radiating})
    for number, (begin, end) in enumerate(pairwise((0.0, *cuts, 1.0))):
        for call in kind._lower_body(p, body_statics, begin, end) if begin < end else []:
            ways.append(inside)
            if call.kind.name == "boost":
                inside = [(len(ways) - 1, False), *inside]
            elif call.kind.name == "unboost":
                inside = inside[1:]
        if number == len(cuts):
            break
        if end in charged:  # a kick of space charge, in the lattice's frame
            out, back = kind._align_inside(p, end) if aligned else ([], [])
            ways += [_doing(len(ways) + i, len(ways) + len(out)) for i in range(len(out))]
            ways.append([])
            inside = _undoing(len(ways), len(ways) + len(back))
            ways += [_undoing(len(ways), len(ways) + i) for i in range(len(back))]
        ways += [inside] * radiating.get(end, 0)
    exit_ = len(ways) + len(last) + checks
    ways += [_doing(exit_, exit_ + len(leave))] * (len(last) + checks)
    ways += [_doing(exit_ + i, exit_ + len(leave)) for i in range(len(leave))]
    return [*ways, []]


def _doing(first: int, end: int) -> Way:
    return [(i, True) for i in range(first, end)]


def _undoing(first: int, end: int) -> Way:
    return [(i, False) for i in reversed(range(first, end))]
