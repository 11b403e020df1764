"""Patches: changes of the reference frame without a field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gputrack.elements.alignment import ALIGN
from gputrack.elements.arc import wedge_call
from gputrack.elements.drift import DriftBody, drift_call
from gputrack.elements.element import Element
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameter
from gputrack.elements.pieces import holds_middle
from gputrack.elements.reference_motion import ReferenceMotion


@dataclass(frozen=True, kw_only=True)
class _Patch(Element):
    """Change of frame, without length."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self.input_error(f"length must be 0 m, got {self.length!r}")

    def body_statics(self, model: Model, active: frozenset[str]) -> DriftBody:
        """As of a drift."""
        return DriftBody(int(model.exact))


@dataclass(frozen=True, kw_only=True)
class Translation(_Patch):
    """Shift of the origin of the frame by (x, y, s) [m], s > 0 downstream.

    Particles drift to the new plane; z refers to the time that the reference particle needs to reach it along the old
    axis, so that z = 0 is preserved there.
    """

    x: float = parameter(unit="m")
    y: float = parameter(unit="m")
    s: float = parameter(unit="m")

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: DriftBody, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """A shift and a drift."""
        if not holds_middle(begin, end):
            return []
        one, zero = 1.0 + 0.0 * p["x"], 0.0 * p["x"]
        shift = MapCall(ALIGN, constants={"dx": p["x"], "dy": p["y"], "cosine": one, "sine": zero})
        return [shift, drift_call(p["s"], body.exact)]

    @classmethod
    def reference_motion(cls, p: Mapping[str, Any]) -> ReferenceMotion:
        """A shift."""
        return ReferenceMotion(p["length"], shift=(p["x"], p["y"], p["s"]))


@dataclass(frozen=True, kw_only=True)
class YRotation(_Patch):
    """Rotation of the frame about its y axis by `angle` [rad], > 0 from s towards +x: px decreases by about angle.

    The sign is that of MAD-X, opposite to that of a bend's angle.
    """

    angle: float = parameter(unit="rad")

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: DriftBody, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """A rotation of the plane in which particles are seen."""
        if not holds_middle(begin, end):
            return []
        return [wedge_call(-p["angle"], 0.0 * p["angle"], 0)]

    @classmethod
    def reference_motion(cls, p: Mapping[str, Any]) -> ReferenceMotion:
        """An arc of no length."""
        return ReferenceMotion(p["length"], -p["angle"])
