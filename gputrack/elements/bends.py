"""Bending magnets: SectorBend and RectangularBend, with any multipoles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.arrays import tan
from gputrack.base.special.smooth import cos_sinc
from gputrack.elements.alignment import align_calls
from gputrack.elements.bend import body_call, kick_degree
from gputrack.elements.bend_ends import End, entrance, exit_, rigid_exit, rigid_return
from gputrack.elements.bend_statics import BendBody, bend_body, same_bends
from gputrack.elements.edge import fringe_angle
from gputrack.elements.element import Element
from gputrack.elements.interval import ANY, NOT_NEGATIVE, POSITIVE, Interval
from gputrack.elements.magnet import Magnet, field_coefficients
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameter, series
from gputrack.elements.pieces import piece_of
from gputrack.elements.radiation import sector_radiation_call
from gputrack.elements.reference_motion import ReferenceMotion
from gputrack.elements.sector_field import kick_polynomials
from gputrack.elements.symbol import BLUE, Symbol

_TURN = Interval(-math.pi, math.pi)
_FACE = Interval(-0.5 * math.pi, 0.5 * math.pi)


@dataclass(frozen=True, kw_only=True)
class _Bend(Element):
    """Dipole with optional gradients.

    Parameters
    ----------
    angle : float
        Bending angle of the reference orbit [rad], > 0 towards -x.
    e1, e2 : float
        Pole-face rotation at entrance and exit [rad]; see the class.
    k0 : float, optional
        Dipole field over the reference rigidity [1/m]; by default angle over arc length.
    k1, k2 : float
        Quadrupole [m^-2] and sextupole [m^-3] strength along the curved axis.
    fint, fintx : float
        Fringe-field integral at entrance and exit; by default fintx = fint.
    hgap : float
        Half gap [m].
    knl, ksl : sequence of float
        Further multipoles integrated over the length, as on straight magnets; ``knl[0]`` adds to k0.
    """

    length: float = parameter(unit="m", valid=NOT_NEGATIVE, free=POSITIVE)
    angle: float = parameter(unit="rad", free=_TURN)
    e1: float = parameter(unit="rad", free=_FACE)
    e2: float = parameter(unit="rad", free=_FACE)
    k0: float | None = parameter(None, unit="1/m", free=ANY)
    k1: float = parameter(unit="m^-2", free=ANY)
    k2: float = parameter(unit="m^-3", free=ANY)
    fint: float = parameter(free=ANY)
    fintx: float | None = parameter(None, free=ANY)
    hgap: float = parameter(unit="m", valid=NOT_NEGATIVE, free=NOT_NEGATIVE)
    knl: tuple[float, ...] = series(unit="m^-n", free=ANY)
    ksl: tuple[float, ...] = series(unit="m^-n", free=ANY)

    RADIATION_KICKS: ClassVar[int] = 4
    SYMBOL: ClassVar[Symbol | None] = Symbol(BLUE, -0.5, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.length:
            raise self.input_error("length must be > 0 m; use a Multipole with angle for a thin bend")
        for name in ("e1", "e2"):
            if abs(getattr(self, name)) >= 0.5 * math.pi:
                raise self.input_error(f"|{name}| must be < pi/2 rad, got {getattr(self, name)!r}")
        if abs(self.angle) > math.pi:
            raise self.input_error(f"|angle| must be <= pi rad, got {self.angle!r}; split the bend")

    # -- geometry, overridden by RectangularBend --------------------------------------------

    @classmethod
    def arc_length_of(cls, p: Mapping[str, Any]) -> Any:
        """Length of the reference orbit [m]."""
        return p["length"]

    @classmethod
    def face_angles(cls, p: Mapping[str, Any]) -> tuple[Any, Any]:
        """Rotations of the faces against the reference orbit [rad]."""
        return p["e1"], p["e2"]

    @property
    def arc_length(self) -> float:
        """Length of the reference orbit inside [m]."""
        return float(self.arc_length_of({"length": self.length, "angle": self.angle}))

    @classmethod
    def _main_field(cls, p: Mapping[str, Any], natural: bool) -> Any:
        return p["angle"] / cls.arc_length_of(p) if natural else p["k0"]

    # -- lowering -------------------------------------------------------------------------------

    def body_statics(self, model: Model, active: frozenset[str]) -> BendBody:
        """See `BendBody`."""
        return bend_body(self, model, active)

    @classmethod
    def same_maps(cls, p: Mapping[str, Any], body: BendBody) -> bool:
        """See `same_bends`."""
        return same_bends(p, cls.arc_length_of(p), body)

    @classmethod
    def frame_calls(cls, p: Mapping[str, Any]) -> tuple[list[MapCall], list[MapCall]]:
        """A bend is displaced as a rigid body, and left in a frame turned by its angle."""
        return align_calls(p)[0], rigid_exit(p)

    @classmethod
    def frame_calls_inside(cls, p: Mapping[str, Any], part: Any) -> tuple[list[MapCall], list[MapCall]]:
        """As at the exit of a bend by a part of the angle."""
        turned = {**p, "angle": part * p["angle"]}
        return rigid_exit(turned), rigid_return(turned)

    @classmethod
    def lower_faces(cls, p: Mapping[str, Any], body: BendBody) -> tuple[list[MapCall], list[MapCall]]:
        """Edges, see `gputrack.elements.bend_ends`."""
        length, (e1, e2) = cls.arc_length_of(p), cls.face_angles(p)
        k0 = cls._main_field(p, body.natural)
        kn, _ = _multipoles(p, length, body.terms)
        fintx = p["fint"] if body.same_fringes else p["fintx"]
        field = k0 + kn[0] if kn else k0
        gradient = kn[1] if body.terms > 1 else None
        first = End(field, e1, p["fint"], p["hgap"], gradient, body.rotated[0], body.soft[0], body.halvings)
        last = End(field, e2, fintx, p["hgap"], gradient, body.rotated[1], body.soft[1], body.halvings)
        return entrance(body.model, first), exit_(body.model, last)

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: BendBody, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """See `gputrack.elements.bend.body_call`."""
        length = cls.arc_length_of(p)
        k0 = cls._main_field(p, body.natural)
        kn, ks = _multipoles(p, length, body.terms)
        p = piece_of({**p, "length": length}, begin, end, "length", "angle")
        call = body_call(
            p["length"], p["angle"], k0, kn, ks, body.model, body.halvings, body.angle_halvings, body.solved
        )
        return [call]

    @classmethod
    def turned_faces(cls, body: BendBody) -> bool:
        """Whether a face may be turned against the reference orbit."""
        return any(body.rotated)

    @classmethod
    def lower_radiation(
        cls, p: Mapping[str, Any], body: BendBody, share: float, side: int = 0
    ) -> list[MapCall]:
        """A kick in the main field and all multipoles, at an end as far as the face."""
        length = cls.arc_length_of(p)
        k0 = cls._main_field(p, body.natural)
        kn, ks = _multipoles(p, length, body.terms)
        kn, ks = [k0 + kn[0], *kn[1:]] if kn else [k0], ks or [0.0 * length]
        h, degree = p["angle"] / length, kick_degree(kn)
        face = tan(cls.face_angles(p)[side > 0]) if side else 0.0 * length
        return [sector_radiation_call(share * length, h, *kick_polynomials(h, kn, ks, degree), degree, face, side)]

    # -- optics ---------------------------------------------------------------------------------

    @classmethod
    def reference_motion(cls, p: Mapping[str, Any]) -> ReferenceMotion:
        """An arc."""
        return ReferenceMotion(cls.arc_length_of(p), p["angle"], p["tilt"])

    @classmethod
    def magnet(cls, p: Mapping[str, Any], body: BendBody) -> Magnet:
        """The arc of the reference orbit, in its natural field, with faces and multipoles."""
        length, (e1, e2) = cls.arc_length_of(p), cls.face_angles(p)
        k0, fintx = p["angle"] / length, p["fint"] if body.same_fringes else p["fintx"]
        fields = field_coefficients(p, length, {"k1": (1, False), "k2": (2, False)})
        psi1, psi2 = (fringe_angle(k0, e, fint, p["hgap"]) for e, fint in ((e1, p["fint"]), (e2, fintx)))
        return Magnet(fields, length=length, angle=p["angle"], e1=e1, e2=e2, psi1=psi1, psi2=psi2)


def _multipoles(p: Mapping[str, Any], length: Any, terms: int) -> tuple[list[Any], list[Any]]:
    """Multipoles [m^-(n+1)] without the main dipole, and without factorials folded in."""
    zero = 0.0 * length
    kn, ks = [zero] * terms, [zero] * terms
    for name, order in (("k1", 1), ("k2", 2)):
        if order < terms:
            kn[order] = kn[order] + p[name]
    for target, name in ((kn, "knl"), (ks, "ksl")):
        for n, value in enumerate(p[name][:terms]):
            target[n] = target[n] + value / length
    return kn, ks


@dataclass(frozen=True, kw_only=True)
class SectorBend(_Bend):
    """Sector bend: `length` is the arc length; e1 = e2 = 0 are faces perpendicular to the orbit.

    See `_Bend` for the parameters.
    """


@dataclass(frozen=True, kw_only=True)
class RectangularBend(_Bend):
    """Bend between parallel faces.

    `length` is the straight distance between the ends of the reference orbit (MAD-X's rule for
    ``rbend`` with ``rbarc``); the orbit inside is `arc_length` = length (angle/2)/sin(angle/2). e1 and e2
    are measured from the parallel faces: the rotation seen by the orbit is e + angle/2.
    """

    @classmethod
    def arc_length_of(cls, p: Mapping[str, Any]) -> Any:
        """Length of the reference orbit [m]."""
        return p["length"] / cos_sinc(0.25 * p["angle"] * p["angle"], 2)[1]

    @classmethod
    def face_angles(cls, p: Mapping[str, Any]) -> tuple[Any, Any]:
        """Rotations of the faces against the reference orbit [rad]."""
        return p["e1"] + 0.5 * p["angle"], p["e2"] + 0.5 * p["angle"]
