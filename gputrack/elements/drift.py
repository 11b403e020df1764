"""Drift and Marker: field-free space."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from gputrack.base.special.smooth import slope_excess
from gputrack.elements.element import ALIGNMENT, POSITIVE, Element, piece_of
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model


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


@dataclass(frozen=True, kw_only=True)
class Drift(Element):
    """Field-free space of `length` [m]."""

    def _free(self) -> Mapping[str, tuple[float, float]]:
        return {**ALIGNMENT, "length": POSITIVE}

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        return int(model.exact), self._uses("length", active)

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        exact, present = statics
        p = piece_of(p, begin, end, "length")
        return [MapCall(DRIFT, {"exact": exact}, {"length": p["length"]})] if present else []


@dataclass(frozen=True, kw_only=True)
class Marker(Element):
    """A named place; zero length, no effect on particles."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self._error(f"length must be 0 m, got {self.length!r}; use a Drift")

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        return []
