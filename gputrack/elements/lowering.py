"""Lowering: elements as lists of map calls, each with its role.

Maps follow one another in the order

    ENTER, CHECK, FACE, BODY, ..., BODY, FACE, CHECK, LEAVE

with kicks between pieces of the body. Those of radiation act in the frame of the element; those of space charge in the
frame of the lattice, LEAVE, KICK, ENTER: the beam's field is centred on the reference orbit, not on the element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gputrack.elements.aperture import aperture_calls
from gputrack.elements.map import MapCall
from gputrack.elements.roles import Role, with_role
from gputrack.elements.statics import NoBody, Statics

if TYPE_CHECKING:
    from gputrack.elements.element import Element


def lower(kind: type[Element], p: Mapping[str, Any], statics: Statics) -> list[MapCall]:
    """Map calls of elements of one class with parameters `p` (arrays over elements) and equal statics."""
    kicks: dict[float, list[MapCall]] = {}
    for part, inside in (*_space_charge_kicks(kind, p, statics), *_radiation_kicks(kind, p, statics)):
        kicks.setdefault(part, []).extend(inside)
    cuts = sorted(kicks)
    calls, *others = lower_pieces(kind, p, statics, cuts)
    for part, piece in zip(cuts, others, strict=True):
        calls += [*kicks[part], *piece]
    return calls


def lower_pieces(
    kind: type[Element], p: Mapping[str, Any], statics: Statics, cuts: Sequence[float] = ()
) -> list[list[MapCall]]:
    """Map calls of elements that are cut, piece by piece; together they are the whole element.

    Parameters
    ----------
    kind, p, statics
        As of `lower`.
    cuts : sequence of float
        In fractions of the length, rising from 0 to 1. The first piece enters the frame of the element, the last one
        leaves it; pieces between are in that frame.
    """
    enter, leave = _frame(kind, p, statics)
    check = aperture_calls(statics.aperture)
    first, last = (with_role(Role.FACE, calls) for calls in kind.lower_faces(p, statics.body))
    pieces = [lower_body(kind, p, statics, begin, end) for begin, end in pairwise((0.0, *cuts, 1.0))]
    pieces[0] = [*enter, *check, *first, *pieces[0]]
    pieces[-1] = [*pieces[-1], *last, *check, *leave]
    return pieces


def lower_body(
    kind: type[Element], p: Mapping[str, Any], statics: Statics, begin: float, end: float
) -> list[MapCall]:
    """Map calls of the body from `begin` to `end`, in fractions of the length."""
    return [] if isinstance(statics.body, NoBody) or begin == end else kind.lower_body(p, statics.body, begin, end)


def lower_until(
    kind: type[Element], p: Mapping[str, Any], statics: Statics, part: Any
) -> tuple[list[MapCall], list[MapCall]]:
    """Map calls from the entrance face to a part of the length, an array over elements, and those that undo them."""
    return ([], []) if isinstance(statics.body, NoBody) else kind.lower_until(p, statics.body, part)


def through_lattice_frame(
    kind: type[Element], p: Mapping[str, Any], statics: Statics, part: Any, call: MapCall
) -> list[MapCall]:
    """A map that acts in the frame of the lattice, at a part of the length."""
    if not statics.aligned:
        return [call]
    leave, enter = kind.frame_calls_inside(p, part)
    return [*with_role(Role.LEAVE, leave), call, *with_role(Role.ENTER, enter)]


def _frame(kind: type[Element], p: Mapping[str, Any], statics: Statics) -> tuple[list[MapCall], list[MapCall]]:
    if not statics.aligned:
        return [], []
    enter, leave = kind.frame_calls(p)
    return with_role(Role.ENTER, enter), with_role(Role.LEAVE, leave)


def _space_charge_kicks(
    kind: type[Element], p: Mapping[str, Any], statics: Statics
) -> Iterator[tuple[float, list[MapCall]]]:
    """Parts of the length, and kicks of the beam's own field there."""
    kicks = statics.space_charge
    if kicks is None:
        return
    (kick,) = with_role(Role.KICK, [kicks.call(kind.arc_length_of(p) / kicks.number, p["current"])])
    for part in ((i + 0.5) / kicks.number for i in range(kicks.number)):
        yield part, through_lattice_frame(kind, p, statics, part, kick)


def _radiation_kicks(
    kind: type[Element], p: Mapping[str, Any], statics: Statics
) -> Iterator[tuple[float, list[MapCall]]]:
    """Parts of the length, and kicks by radiation there."""
    if statics.radiation is None or isinstance(statics.body, NoBody):
        return
    shares = dict(zip(*statics.radiation.nodes(), strict=True))
    sides = {0.0: -1, 1.0: 1} if kind.turned_faces(statics.body) else {}
    for part in sorted({*shares, *sides}):
        inside = kind.lower_radiation(p, statics.body, shares.get(part, 0.0), sides.get(part, 0))
        calls = with_role(Role.KICK, inside)
        if calls:
            yield part, calls
