"""Drift and Marker: field-free space."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from gputrack.arrays import sqrt
from gputrack.elements.base import Element
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.models import Model


def drift_by(s: State, length: Any, exact: int) -> State:
    """Field-free motion over `length` [m].

    Exact: x += L px/pz, z += L (beta/beta0 - (1+delta)/pz), pz = sqrt((1+delta)^2 - px^2 - py^2).
    The bracket is written with (pz^2 - E^2/E0^2) = excess - px^2 - py^2, so that nothing cancels.
    Expanded: pz is replaced by 1 + delta in x', and to second order in z'.
    """
    transverse = s.px * s.px + s.py * s.py
    if exact:
        pz = sqrt(s.opd * s.opd - transverse)
        inverse = 1.0 / (pz * (pz + s.energy))
        slope = length * (inverse * (pz + s.energy))
        dz = length * (s.velocity * ((s.excess - transverse) * inverse))
    else:
        inverse = 1.0 / s.opd
        slope = length * inverse
        slip = s.excess / (s.energy * (s.opd + s.energy))
        dz = length * (slip - 0.5 * transverse * (inverse * inverse))
    return s._replace(x=s.x + slope * s.px, y=s.y + slope * s.py, z=s.z + dz)


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

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        return int(model.exact), self._uses("length", active)

    @classmethod
    def _lower_body(cls, p: Mapping[str, Any], statics: Any) -> list[MapCall]:
        exact, present = statics
        return [MapCall(DRIFT, {"exact": exact}, {"length": p["length"]})] if present else []


@dataclass(frozen=True, kw_only=True)
class Marker(Element):
    """A named place; zero length, no effect on particles."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self._error(f"length must be 0 m, got {self.length!r}; use a Drift")

    @classmethod
    def _lower_body(cls, p: Mapping[str, Any], statics: Any) -> list[MapCall]:
        return []
