"""Solenoid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gputrack.base.special.smooth import cos_sinc, slope_excess, trig_halvings
from gputrack.elements.element import ALIGNMENT, ANY, POSITIVE, Element, piece_of
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model
from gputrack.elements.radiation import solenoid_radiation_call


def solenoid_by(s: State, op: Any, length: Any) -> State:
    """Exact motion in a uniform longitudinal field with hard edges, in canonical momenta.

    With k = ks/2 the kinetic momenta are px + k y and py - k x; pz is constant, and the motion is an
    oscillation of phase k L/pz in both planes, seen from a frame that turns by as much.
    (Expanded: pz is 1 + delta in the phase, and expanded to second order in z.)
    """
    k = 0.5 * op.ks
    ux, uy = s.px + k * s.y, s.py - k * s.x
    u = (ux * ux + uy * uy) * (s.inverse * s.inverse)
    reach = length * s.inverse
    if op.exact:
        w = slope_excess(u)
        reach = reach + reach * w
    else:
        w = 0.5 * u
    turn = k * reach
    c, sinc = cos_sinc(turn * turn, op.halvings)
    sine = turn * sinc
    x, y = c * s.x + reach * sinc * s.px, c * s.y + reach * sinc * s.py
    px, py = c * s.px - k * sine * s.x, c * s.py - k * sine * s.y
    return s._replace(
        x=c * x + sine * y,
        px=c * px + sine * py,
        y=c * y - sine * x,
        py=c * py - sine * px,
        z=s.z + length * (s.slip - w),
    )


def solenoid(s: State, op: Any, ref: ReferenceValues) -> State:
    """Body and ends over op.length."""
    return solenoid_by(s, op, op.length)


def unsolenoid(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the same over -length."""
    return solenoid_by(s, op, -op.length)


SOLENOID = MapKind(
    "solenoid", "solenoid", solenoid, unsolenoid, integers=("exact", "halvings"), constants=("length", "ks")
)


@dataclass(frozen=True, kw_only=True)
class Solenoid(Element):
    """Solenoid with hard edges.

    Parameters
    ----------
    ks : float
        Field over the reference rigidity, Bs/(B rho) [1/m]; > 0 turns particles from y to x.
    """

    ks: float = 0.0

    RADIATION_KICKS: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ks and not self.length:
            raise self._error("length must be > 0 m where ks is not 0; a thin solenoid has no exact map")

    def _free(self) -> Mapping[str, tuple[float, float]]:
        return {**ALIGNMENT, "length": POSITIVE, "ks": ANY} if self.length else {}

    @classmethod
    def _same_maps(cls, p: Mapping[str, Any], body_statics: Any) -> bool:
        if body_statics is None:
            return True
        halvings: int = body_statics[1]
        return trig_halvings(float(np.max((p["ks"] * p["length"]) ** 2))) <= halvings

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        if not self._uses("length", active):
            return None
        return int(model.exact), trig_halvings((self.ks * self.length) ** 2)

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        if statics is None:
            return []
        p = piece_of(p, begin, end, "length")
        integers = dict(zip(SOLENOID.integers, statics, strict=True))
        return [MapCall(SOLENOID, integers, {"length": p["length"], "ks": p["ks"]})]

    @classmethod
    def _radiation_calls(cls, p: Mapping[str, Any], statics: Any, share: float) -> list[MapCall]:
        return [] if statics is None else [solenoid_radiation_call(share * p["length"], p["ks"])]
