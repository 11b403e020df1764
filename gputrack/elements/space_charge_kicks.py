"""Space-charge kicks inside elements: their number, and how the field is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from gputrack.base.checks import MOST_STEPS, require_integer, short
from gputrack.base.errors import InputError
from gputrack.elements.map import MapCall


class Field(Protocol):
    """A method to compute the beam's field; a hashable value.

    Attributes
    ----------
    needs_current : bool
        Whether the field is that of a long beam with a current; otherwise the charge is that of the particles.
    """

    needs_current: ClassVar[bool]

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m] and a current [A]."""
        ...


@dataclass(frozen=True)
class SpaceChargeKicks:
    """Kicks evenly spaced over an element: half a step, kick, step, ..., kick, half a step.

    Parameters
    ----------
    field : PipeModes, PipeBunch, OpenField2D, OpenField3D
        How the field is computed.
    number : int
        Kicks in each element, >= 1. The error of the splitting falls as its square.
    """

    field: Field
    number: int = 1

    def __post_init__(self) -> None:
        if not hasattr(self.field, "kick"):
            raise InputError(f"space charge: field must be one such as gputrack.PipeModes, got {short(self.field)}")
        require_integer("space charge", "number of kicks", self.number, at_least=1, at_most=MOST_STEPS)

    def require_current(self, current: float | None) -> float:
        """The current of elements [A]; `InputError` where the field needs one, or where it has none."""
        name = type(self.field).__name__
        if not self.field.needs_current:
            if current:
                text = "takes its charge from the particles' weights; omit current="
                raise InputError(f"space charge: {name} {text}")
            return 0.0
        if current is None:
            raise InputError(f"space charge: {name} needs the beam's current in A: current=...")
        return current

    def call(self, length: Any, current: Any) -> MapCall:
        """One kick."""
        return self.field.kick(length, current)


