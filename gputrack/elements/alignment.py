"""Offset and roll of an element: its own frame is entered at the entrance and left at the exit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gputrack.base.arrays import cos, sin
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State


def align(s: State, op: Any, ref: ReferenceValues) -> State:
    """Enter the frame of an element at (dx, dy) rolled by an angle with cosine c and sine s.

    x' = c (x - dx) + s (y - dy), y' = -s (x - dx) + c (y - dy), momenta likewise.
    """
    x, y = s.x - op.dx, s.y - op.dy
    return s._replace(
        x=op.cosine * x + op.sine * y,
        px=op.cosine * s.px + op.sine * s.py,
        y=op.cosine * y - op.sine * x,
        py=op.cosine * s.py - op.sine * s.px,
    )


def unalign(s: State, op: Any, ref: ReferenceValues) -> State:
    """Leave that frame: the inverse of `align`."""
    return s._replace(
        x=op.cosine * s.x - op.sine * s.y + op.dx,
        px=op.cosine * s.px - op.sine * s.py,
        y=op.cosine * s.y + op.sine * s.x + op.dy,
        py=op.cosine * s.py + op.sine * s.px,
    )


_CONSTANTS = ("dx", "dy", "cosine", "sine")
ALIGN = MapKind("align", "alignment", align, unalign, constants=_CONSTANTS)
UNALIGN = MapKind("unalign", "alignment", unalign, align, constants=_CONSTANTS)


def align_calls(p: Mapping[str, Any]) -> tuple[list[MapCall], list[MapCall]]:
    """Map calls at the entrance and at the exit."""
    constants = dict(dx=p["dx"], dy=p["dy"], cosine=cos(p["tilt"]), sine=sin(p["tilt"]))
    return [MapCall(ALIGN, constants=constants)], [MapCall(UNALIGN, constants=constants)]
