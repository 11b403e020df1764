"""Space charge inside elements: how many kicks of the beam's own field, and how the field is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from gputrack.checks import require_integer, short
from gputrack.elements.map import MapCall
from gputrack.errors import InputError


class Field(Protocol):
    """A way to compute the beam's field; a hashable value, and what its map acts by."""

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m] and a current [A]."""
        ...


@dataclass(frozen=True)
class SpaceChargeKicks:
    """So many kicks, evenly spread over an element: half a step, kick, step, ..., kick, half a step.

    Parameters
    ----------
    field : PipeModes, ...
        How the field is computed.
    number : int
        Kicks in each element, >= 1. The error of the splitting falls as its square.
    """

    field: Field
    number: int = 1

    def __post_init__(self) -> None:
        if not hasattr(self.field, "kick"):
            raise InputError(f"space charge: field must be one such as gputrack.PipeModes, got {short(self.field)}")
        require_integer("space charge", "number of kicks", self.number, at_least=1)

    def call(self, length: Any, current: Any) -> MapCall:
        """One kick."""
        return self.field.kick(length, current)


