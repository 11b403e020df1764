"""Solenoid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gputrack.base.special.smooth import cos_sinc, slope_excess, trig_halvings
from gputrack.elements.element import Element
from gputrack.elements.interval import ANY, NOT_NEGATIVE, POSITIVE
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameter
from gputrack.elements.pieces import piece_of
from gputrack.elements.radiation import solenoid_radiation_call
from gputrack.elements.statics import Body, NoBody


def solenoid_by(s: State, op: Any, length: Any) -> State:
    """Exact motion in a uniform longitudinal field with hard edges, in canonical momenta.

    With k = ks/2 the kinetic momenta are px + k y and py - k x; pz is constant, and the motion is an
    oscillation of phase k L/pz in both planes, seen from a frame that rotates by the same angle.
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


@dataclass(frozen=True)
class SolenoidBody(Body):
    """Statics of a solenoid: whether the Hamiltonian is exact; halvings of its phase, see `cos_sinc`."""

    exact: int
    halvings: int


@dataclass(frozen=True, kw_only=True)
class Solenoid(Element):
    """Solenoid with hard edges.

    Parameters
    ----------
    ks : float
        Field over the reference rigidity, Bs/(B rho) [1/m]; > 0 rotates particles from y to x.
    """

    length: float = parameter(unit="m", valid=NOT_NEGATIVE, free=POSITIVE)
    ks: float = parameter(unit="1/m", free=ANY)

    RADIATION_KICKS: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ks and not self.length:
            raise self.input_error("length must be > 0 m if ks is not 0: a thin solenoid has no exact map")

    def fixed(self) -> frozenset[str]:
        """The field, if the length is 0."""
        return frozenset() if self.length else frozenset({"ks"})

    def body_statics(self, model: Model, active: frozenset[str]) -> Body:
        """Statics of the field; none for zero length."""
        if not self.uses("length", active):
            return NoBody()
        return SolenoidBody(int(model.exact), trig_halvings((self.ks * self.length) * (self.ks * self.length)))

    @classmethod
    def same_maps(cls, p: Mapping[str, Any], body: Body) -> bool:
        """Whether phases are small enough."""
        if not isinstance(body, SolenoidBody):
            return True
        return trig_halvings(float(np.max(np.square(p["ks"] * p["length"])))) <= body.halvings

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: SolenoidBody, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """The field over the piece, with its hard edges."""
        p = piece_of(p, begin, end, "length")
        return [MapCall(SOLENOID, SOLENOID.integers_of(body), {"length": p["length"], "ks": p["ks"]})]

    @classmethod
    def lower_radiation(cls, p: Mapping[str, Any], body: SolenoidBody, share: float, side: int = 0) -> list[MapCall]:
        """A kick in the longitudinal field."""
        return [solenoid_radiation_call(share * p["length"], p["ks"])]
