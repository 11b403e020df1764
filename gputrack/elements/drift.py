"""Drift and Marker: field-free space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.special.smooth import slope_excess
from gputrack.elements.element import Element
from gputrack.elements.interval import NOT_NEGATIVE, POSITIVE
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameter
from gputrack.elements.pieces import piece_of
from gputrack.elements.statics import Body, NoBody
from gputrack.elements.symbol import Symbol


def drift_by(s: State, length: Any, exact: int) -> State:
    """Field-free motion over `length` [m].

    Exact: x += L px/pz, z += L (beta/beta0 - (1+delta)/pz), pz = sqrt((1+delta)^2 - px^2 - py^2). With u the
    squared sine of the angle to the axis, (1+delta)/pz = (1 - u)^(-1/2) = 1 + w, and the bracket is slip - w.
    Expanded: pz is replaced by 1 + delta in x', and w by u/2 in z'.
    """
    u = (s.px * s.px + s.py * s.py) * (s.inverse * s.inverse)
    slope = length * s.inverse
    if exact:
        w = slope_excess(u)
        slope = slope + slope * w
    else:
        w = 0.5 * u
    return s._replace(x=s.x + slope * s.px, y=s.y + slope * s.py, z=s.z + length * (s.slip - w))


def drift(s: State, op: Any, ref: ReferenceValues) -> State:
    """Drift over op.length."""
    return drift_by(s, op.length, op.exact)


def undrift(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse of `drift`: the same over -length."""
    return drift_by(s, -op.length, op.exact)


DRIFT = MapKind("drift", "drift", drift, undrift, integers=("exact",), constants=("length",))


@dataclass(frozen=True)
class DriftBody(Body):
    """Statics of a field-free body: whether the Hamiltonian is exact."""

    exact: int


@dataclass(frozen=True, kw_only=True)
class Drift(Element):
    """Field-free space of `length` [m]."""

    length: float = parameter(unit="m", valid=NOT_NEGATIVE, free=POSITIVE)

    SYMBOL: ClassVar[Symbol | None] = None

    def body_statics(self, model: Model, active: frozenset[str]) -> Body:
        """Statics of a drift; none for zero length."""
        return DriftBody(int(model.exact)) if self.uses("length", active) else NoBody()

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: DriftBody, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """Drift over the piece."""
        return [drift_call(piece_of(p, begin, end, "length")["length"], body.exact)]


def drift_call(length: Any, exact: int) -> MapCall:
    """Map call of a drift."""
    return MapCall(DRIFT, {"exact": exact}, {"length": length})


@dataclass(frozen=True, kw_only=True)
class Marker(Element):
    """Named place of zero length, without effect on particles."""

    SYMBOL: ClassVar[Symbol | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self.input_error(f"length must be 0 m, got {self.length!r}; use a Drift")

    def body_statics(self, model: Model, active: frozenset[str]) -> Body:
        """No maps."""
        return NoBody()
