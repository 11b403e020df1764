"""Patches: changes of the reference frame without a field."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from gputrack.elements.alignment import ALIGN
from gputrack.elements.arc import wedge_call
from gputrack.elements.drift import DRIFT
from gputrack.elements.element import Element, holds_middle
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model


@dataclass(frozen=True, kw_only=True)
class _Patch(Element):
    """A change of frame has no length of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self._error(f"length must be 0 m, got {self.length!r}")

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        return int(model.exact)


@dataclass(frozen=True, kw_only=True)
class Translation(_Patch):
    """Move the origin of the frame by (x, y, s) [m]; s > 0 lies downstream.

    Particles drift to the new plane, and the time that the reference particle would take there counts: a
    reference orbit continued along the old axis keeps z = 0.
    """

    x: float = 0.0
    y: float = 0.0
    s: float = 0.0

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        if not holds_middle(begin, end):
            return []
        one, zero = 1.0 + 0.0 * p["x"], 0.0 * p["x"]
        shift = MapCall(ALIGN, constants={"dx": p["x"], "dy": p["y"], "cosine": one, "sine": zero})
        return [shift, MapCall(DRIFT, {"exact": statics}, {"length": p["s"]})]


@dataclass(frozen=True, kw_only=True)
class YRotation(_Patch):
    """Turn the frame about its y axis by `angle` [rad], > 0 turns the s axis towards +x: px falls by about angle.

    MAD-X's sign, opposite to that of a bend's angle.
    """

    angle: float = 0.0

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        if not holds_middle(begin, end):
            return []
        return [wedge_call(-p["angle"], 0.0 * p["angle"], 0)]
