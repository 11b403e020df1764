"""Bends: exact sector body with any multipoles; SectorBend and RectangularBend."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gputrack.base.arrays import untraced
from gputrack.base.special.smooth import cos_sinc
from gputrack.elements.alignment import align_calls
from gputrack.elements.arc import (
    ARC,
    arc_by,
    geometry_halvings,
    largest_turn,
    sector_geometry,
    turning_halvings,
)
from gputrack.elements.bend_ends import End, entrance, leaving, rigid_exit, rigid_return
from gputrack.elements.bend_expanded import expanded_call, solved_slices
from gputrack.elements.dipole import DIPOLE
from gputrack.elements.element import ALIGNMENT, ANY, NOT_NEGATIVE, POSITIVE, Element, piece_of
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import MatrixKick, Model, Steps
from gputrack.elements.radiation import sector_radiation_call
from gputrack.elements.schemes import BlanesMoan
from gputrack.elements.sector_field import EXTRA_ORDERS, evaluate, kick_polynomials, monomials
from gputrack.elements.splitting import compose, outer_fractions, steps_of

#: of bodies with gradients, or of all bodies by drift and kick
STEPS = Steps(BlanesMoan(6), 2, 10)


def sector_kick(s: State, length: Any, fx: list[Any], fy: list[Any], degree: int) -> State:
    """Kick px += L F_x, py += L F_y of a polynomial potential."""
    return s._replace(
        px=s.px + length * evaluate(fx, degree, s.x, s.y),
        py=s.py + length * evaluate(fy, degree, s.x, s.y),
    )


def bend_by(s: State, op: Any, sign: float) -> State:
    """Exact arcs between kicks of the multipoles."""
    steps = {}
    for j, fraction in enumerate(outer_fractions(op.scheme, op.slices)):
        steps[fraction] = [op.arcs[4 * j + k] for k in range(4)]

    def outer(t: State, part: float) -> State:
        sine, cosine, reach, sagitta = steps[part]
        return arc_by(t, sign * sine, cosine, sign * reach, sagitta, sign * part * op.length, op.k0, op.halvings)

    def inner(t: State, part: float) -> State:
        return sector_kick(t, sign * part * op.length, op.fx, op.fy, op.degree)

    return compose(s, op.scheme, op.slices, outer, inner)


def bend(s: State, op: Any, ref: ReferenceValues) -> State:
    """Body over op.length."""
    return bend_by(s, op, 1.0)


def unbend(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the splitting is symmetric, so it is the same over -length."""
    return bend_by(s, op, -1.0)


BEND = MapKind(
    "bend", "bend", bend, unbend,
    integers=("scheme", "slices", "degree", "terms", "halvings", "arc_numbers"), constants=("length", "k0"),
    series={"arcs": "arc_numbers", "fx": "terms", "fy": "terms"},
)  # fmt: skip


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
        Dipole field over the reference rigidity [1/m]; angle over arc length where not given.
    k1, k2 : float
        Quadrupole [m^-2] and sextupole [m^-3] strength along the curved axis.
    fint, fintx : float
        Fringe-field integral at entrance and exit; fintx is fint where not given.
    hgap : float
        Half gap [m].
    knl, ksl : sequence of float
        Further multipoles integrated over the length, as on straight magnets; ``knl[0]`` adds to k0.
    """

    angle: float = 0.0
    e1: float = 0.0
    e2: float = 0.0
    k0: float | None = None
    k1: float = 0.0
    k2: float = 0.0
    fint: float = 0.0
    fintx: float | None = None
    hgap: float = 0.0
    knl: tuple[float, ...] = ()
    ksl: tuple[float, ...] = ()

    _NOT_NEGATIVE = ("length", "current", "hgap")
    RADIATION_KICKS: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.length:
            raise self._error("length must be > 0 m; use a Multipole with angle for a thin bend")
        for name in ("e1", "e2"):
            if abs(getattr(self, name)) >= 0.5 * math.pi:
                raise self._error(f"|{name}| must be < pi/2 rad, got {getattr(self, name)!r}")
        if abs(self.angle) > math.pi:
            raise self._error(f"|angle| must be <= pi rad, got {self.angle!r}; split the bend")

    # -- geometry, overridden by RectangularBend --------------------------------------------

    @classmethod
    def _arc_length(cls, p: Mapping[str, Any]) -> Any:
        return p["length"]

    @classmethod
    def _faces(cls, p: Mapping[str, Any]) -> tuple[Any, Any]:
        return p["e1"], p["e2"]

    @property
    def arc_length(self) -> float:
        """Length of the reference orbit inside [m]."""
        return float(type(self)._arc_length({"length": self.length, "angle": self.angle}))

    # -- lowering -----------------------------------------------------------------------------

    def _terms(self, active: frozenset[str]) -> int:
        terms = 0
        for name, order in (("k1", 1), ("k2", 2)):
            if self._uses(name, active):
                terms = order + 1
        for name in ("knl", "ksl"):
            for n, value in enumerate(getattr(self, name)):
                if value or f"{name}[{n}]" in active:
                    terms = max(terms, n + 1, 2 if name == "ksl" else 1)
        return terms

    def _only_gradient(self, active: frozenset[str]) -> bool:
        """Whether there are no multipoles, and none are asked for, but those that a matrix takes in."""
        errors = {f"{name}[{n}]" for name in ("knl", "ksl") for n, value in enumerate(getattr(self, name)) if value}
        errors |= {name for name in active if name.startswith(("knl[", "ksl["))}
        return not self._uses("k2", active) and errors <= {"knl[1]"}

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        parameters = {"length": self.length, "angle": self.angle, "e1": self.e1, "e2": self.e2}
        faces = tuple(bool(e) for e in self._faces(parameters))
        rotated = tuple(f or bool({"e1", "e2", "angle"} & active) for f in faces)
        k0 = self.angle / self.arc_length if self.k0 is None else self.k0
        turn = largest_turn(self.arc_length, self.angle, k0)
        fintx = self.fint if self.fintx is None else self.fintx
        soft = bool(self.hgap and self.fint), bool(self.hgap and fintx)
        return (
            self._terms(active), model, rotated, turning_halvings(max(turn, abs(self.e1), abs(self.e2))),
            geometry_halvings(self.angle), self.k0 is None, self.fintx is None, soft,
            self._solved(model, active),
        )  # fmt: skip

    def _solved(self, model: Model, active: frozenset[str]) -> int:
        """Slices of an expanded body that is solved by a matrix; 0 of others."""
        if model.exact or not isinstance(model.integrator, MatrixKick) or not self._only_gradient(active):
            return 0
        p: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in ("length", "angle", "k1")}
        p |= {"k0": 0.0 if self.k0 is None else self.k0, "knl": [np.asarray(v) for v in self.knl]}
        return self._largest_solved(p, self.k0 is None)

    @classmethod
    def _largest_solved(cls, p: Mapping[str, Any], natural: bool) -> int:
        """What the strongest of these bodies needs."""
        length = cls._arc_length(p)
        h = p["angle"] / length
        gradient = np.abs(p["k1"] + sum(v / length for v in p["knl"][1:2])) + np.abs(h * (h if natural else p["k0"]))
        return solved_slices(float(np.max(gradient * length * length)), 1.0)

    def _free(self) -> Mapping[str, tuple[float, float]]:
        right, face = (-math.pi, math.pi), (-0.5 * math.pi, 0.5 * math.pi)
        optional = [name for name in ("k0", "fintx") if getattr(self, name) is not None]
        free = dict.fromkeys(("k1", "k2", "fint", "knl", "ksl", *optional), ANY)
        return {**ALIGNMENT, **free, "length": POSITIVE, "hgap": NOT_NEGATIVE, "angle": right, "e1": face, "e2": face}

    @classmethod
    def _same_maps(cls, p: Mapping[str, Any], body_statics: Any) -> bool:
        _, _, _, halvings, angle_halvings, natural, symmetric, soft, solved = body_statics
        if solved and cls._largest_solved(p, natural) > solved:
            return False
        for fint, was in zip((p["fint"], p["fint"] if symmetric else p["fintx"]), soft, strict=True):
            if (((p["hgap"] != 0.0) & (fint != 0.0)) != was).any():
                return False
        k0 = 0.0 * p["angle"] if natural else p["k0"]
        largest = [p["angle"], k0 * cls._arc_length(p), p["e1"], p["e2"], [math.ulp(1.0)]]
        turn, angle = max(float(np.abs(value).max()) for value in largest), float(np.abs(p["angle"]).max())
        return bool(turning_halvings(turn) <= halvings and geometry_halvings(angle) <= angle_halvings)

    @classmethod
    def _align(cls, p: Mapping[str, Any]) -> tuple[list[MapCall], list[MapCall]]:
        """A displaced bend leaves as a rigid body."""
        return align_calls(p)[0], rigid_exit(p)

    @classmethod
    def _align_inside(cls, p: Mapping[str, Any], part: Any) -> tuple[list[MapCall], list[MapCall]]:
        turned = {**p, "angle": part * p["angle"]}
        return rigid_exit(turned), rigid_return(turned)

    @classmethod
    def _lower_faces(cls, p: Mapping[str, Any], statics: Any) -> tuple[list[MapCall], list[MapCall]]:
        terms, model, rotated, halvings, _, natural, symmetric, soft, _ = statics
        length, (e1, e2) = cls._arc_length(p), cls._faces(p)
        k0 = p["angle"] / length if natural else p["k0"]
        kn, _ = _multipoles(p, length, terms)
        fintx = p["fint"] if symmetric else p["fintx"]
        field = k0 + kn[0] if kn else k0
        gradient = kn[1] if terms > 1 else None
        first = End(field, e1, p["fint"], p["hgap"], gradient, rotated[0], soft[0], halvings)
        last = End(field, e2, fintx, p["hgap"], gradient, rotated[1], soft[1], halvings)
        return entrance(model, first), leaving(model, last)

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        terms, model, _, halvings, angle_halvings, natural, _, _, solved = statics
        length = cls._arc_length(p)
        k0 = p["angle"] / length if natural else p["k0"]
        field = _multipoles(p, length, terms)
        p = piece_of({**p, "length": length}, begin, end, "length", "angle")
        return [_body(p, p["length"], k0, field, model, halvings, angle_halvings, solved)]

    @classmethod
    def _radiation_calls(cls, p: Mapping[str, Any], statics: Any, share: float) -> list[MapCall]:
        length = cls._arc_length(p)
        k0 = p["angle"] / length if statics[5] else p["k0"]
        kn, ks = _multipoles(p, length, statics[0])
        kn, ks = [k0 + kn[0], *kn[1:]] if kn else [k0], ks or [0.0 * length]
        h, degree = p["angle"] / length, _degree(kn)
        return [sector_radiation_call(share * length, h, *kick_polynomials(h, kn, ks, degree), degree)]


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


def _body(
    p: Mapping[str, Any], length: Any, k0: Any, field: tuple[list[Any], list[Any]], model: Model, halvings: int,
    angle_halvings: int, solved: int,
) -> MapCall:  # fmt: skip
    matrix = isinstance(model.integrator, MatrixKick)
    angle = p["angle"]
    kn, ks = field
    if not model.exact:
        return expanded_call(length, angle / length, k0, kn, ks, model.integrator, solved)
    if matrix and not kn:
        constants = {**sector_geometry(length, angle, angle_halvings), "k0": k0}
        return MapCall(ARC, {"halvings": halvings}, constants)
    if not matrix and not kn:
        return _dipole_call(length, angle, k0, model, angle_halvings)
    if not matrix:
        kn, ks = kn or [0.0 * length], ks or [0.0 * length]
        kn = [kn[0] + k0, *kn[1:]]
    return _sector_call(length, angle, k0 if matrix else 0.0 * k0, kn, ks, model, halvings, angle_halvings)


def _dipole_call(length: Any, angle: Any, k0: Any, model: Model, angle_halvings: int) -> MapCall:
    """Body without further multipoles between field-free arcs."""
    scheme, slices = steps_of(model.integrator, STEPS)
    arcs = _arcs(length, angle, scheme, slices, angle_halvings)
    integers = dict(scheme=scheme, slices=slices, arc_numbers=len(arcs))
    return MapCall(DIPOLE, integers, {"length": length, "k0": k0, "h": angle / length}, {"arcs": arcs})


def _arcs(length: Any, angle: Any, scheme: int, slices: int, angle_halvings: int) -> list[Any]:
    """Geometry of the distinct outer steps, four numbers each."""
    fractions = np.array(outer_fractions(scheme, slices))
    each = fractions.reshape(-1, *np.ones(np.ndim(untraced(angle)), dtype=int).tolist())  # all steps at once
    steps = sector_geometry(each * length, each * angle, angle_halvings)
    names = ("sine", "cosine", "reach", "sagitta")
    return [steps[name][i] for i in range(len(fractions)) for name in names]


def _sector_call(
    length: Any, angle: Any, k0: Any, kn: list[Any], ks: list[Any], model: Model, halvings: int, angle_halvings: int
) -> MapCall:
    """Integrated sector body; the arcs' geometry is computed once per distinct step."""
    scheme, slices = steps_of(model.integrator, STEPS)
    degree = _degree(kn)
    fx, fy = kick_polynomials(angle / length, kn, ks, degree)
    arcs = _arcs(length, angle, scheme, slices, angle_halvings)
    integers = dict(
        scheme=scheme, slices=slices, degree=degree, terms=len(monomials(degree)), halvings=halvings,
        arc_numbers=len(arcs),
    )  # fmt: skip
    return MapCall(BEND, integers, {"length": length, "k0": k0}, {"arcs": arcs, "fx": fx, "fy": fy})



def _degree(kn: list[Any]) -> int:
    """Of the kicks of multipoles; a dipole alone has the exact potential -k0 (x + h x^2/2)."""
    return len(kn) - 1 + EXTRA_ORDERS if len(kn) > 1 else 1


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
    def _arc_length(cls, p: Mapping[str, Any]) -> Any:
        return p["length"] / cos_sinc(0.25 * p["angle"] * p["angle"], 2)[1]

    @classmethod
    def _faces(cls, p: Mapping[str, Any]) -> tuple[Any, Any]:
        return p["e1"] + 0.5 * p["angle"], p["e2"] + 0.5 * p["angle"]
