"""Roles of maps among those of their element."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gputrack.elements.map import MapCall


class Role(Enum):
    """Role of a map. Element classes set the first three, lowering sets all others."""

    #: tracks through (a piece of) the body
    BODY = auto()
    #: enters a frame of the body's own, such as the moving frame of a crossing; leaves it, the inverse of the former
    ENTER_INNER = auto()
    LEAVE_INNER = auto()
    #: enters or leaves the frame of a displaced or rolled element
    ENTER = auto()
    LEAVE = auto()
    #: acts at the entrance or at the exit, between frame and body
    FACE = auto()
    #: a kick of space charge (in the frame of the lattice) or of radiation (in that of the element)
    KICK = auto()
    #: compares coordinates with an aperture
    CHECK = auto()
    #: records coordinates
    RECORD = auto()


def with_role(role: Role, calls: Iterable[MapCall]) -> list[MapCall]:
    """The same map calls in another role."""
    return [replace(call, role=role) for call in calls]
