"""Statics of bends: the form of their maps in a model, and whether it is valid for other values of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gputrack.elements.arc import geometry_halvings, largest_turn, turning_halvings
from gputrack.elements.bend_expanded import solved_slices
from gputrack.elements.models import MatrixKick, Model
from gputrack.elements.statics import Body

if TYPE_CHECKING:
    from gputrack.elements.bends import _Bend


@dataclass(frozen=True)
class BendBody(Body):
    """Statics of a bend.

    Attributes
    ----------
    terms : int
        Number of multipoles in addition to the main dipole field.
    model : Model
    rotated : (bool, bool)
        Whether the faces at entrance and exit may be rotated relative to the reference orbit.
    soft : (bool, bool)
        Whether the fringes there have an extent.
    halvings, angle_halvings : int
        Of turning angles and of the reference orbit's angle, see `gputrack.elements.arc`.
    natural : bool
        Whether the main field follows from the angle.
    same_fringes : bool
        Whether the fringe integral of the exit is that of the entrance.
    solved : int
        Slices of an expanded body without kicks, else 0.
    """

    terms: int
    model: Model
    rotated: tuple[bool, bool]
    soft: tuple[bool, bool]
    halvings: int
    angle_halvings: int
    natural: bool
    same_fringes: bool
    solved: int


def bend_body(bend: _Bend, model: Model, active: frozenset[str]) -> BendBody:
    """Statics of a bend, for active parameters; see `gputrack.elements.element.Element.form`."""
    parameters = {"length": bend.length, "angle": bend.angle, "e1": bend.e1, "e2": bend.e2}
    turned = bool({"e1", "e2", "angle"} & active)
    first, last = (bool(e) or turned for e in bend.face_angles(parameters))
    length = bend.arc_length
    turn = largest_turn(length, bend.angle, bend.angle / length if bend.k0 is None else bend.k0)
    fintx = bend.fint if bend.fintx is None else bend.fintx
    return BendBody(
        terms=_terms(bend, active),
        model=model,
        rotated=(first, last),
        soft=(bool(bend.hgap and bend.fint), bool(bend.hgap and fintx)),
        halvings=turning_halvings(max(turn, abs(bend.e1), abs(bend.e2))),
        angle_halvings=geometry_halvings(bend.angle),
        natural=bend.k0 is None,
        same_fringes=bend.fintx is None,
        solved=_solved(bend, model, active),
    )


def _terms(bend: _Bend, active: frozenset[str]) -> int:
    terms = 0
    for name, order in (("k1", 1), ("k2", 2)):
        if bend.uses(name, active):
            terms = order + 1
    for name, values, least in (("knl", bend.knl, 1), ("ksl", bend.ksl, 2)):
        for n, value in enumerate(values):
            if value or f"{name}[{n}]" in active:
                terms = max(terms, n + 1, least)
    return terms


def _only_gradient(bend: _Bend, active: frozenset[str]) -> bool:
    """Whether a matrix contains all multipoles that are not zero or are active."""
    errors = {f"{name}[{n}]" for name in ("knl", "ksl") for n, value in enumerate(getattr(bend, name)) if value}
    errors |= {name for name in active if name.startswith(("knl[", "ksl["))}
    return not bend.uses("k2", active) and errors <= {"knl[1]"}


def _solved(bend: _Bend, model: Model, active: frozenset[str]) -> int:
    if model.exact or not isinstance(model.integrator, MatrixKick) or not _only_gradient(bend, active):
        return 0
    p: dict[str, Any] = {name: np.asarray(getattr(bend, name)) for name in ("length", "angle", "k1")}
    p |= {"k0": 0.0 if bend.k0 is None else bend.k0, "knl": [np.asarray(v) for v in bend.knl]}
    return _most_solved(p, bend.arc_length_of(p), bend.k0 is None)


def _most_solved(p: Mapping[str, Any], length: Any, natural: bool) -> int:
    """Slices for the strongest of these bodies."""
    h = p["angle"] / length
    gradient = np.abs(p["k1"] + sum(v / length for v in p["knl"][1:2])) + np.abs(h * (h if natural else p["k0"]))
    return solved_slices(float(np.max(gradient * length * length)), 1.0)


def same_bends(p: Mapping[str, Any], length: Any, body: BendBody) -> bool:
    """Whether maps with this body are valid for parameters `p` and arc lengths [m], arrays over bends.

    The same fringes must have an extent; angles and gradients must be small enough.
    """
    if body.solved and _most_solved(p, length, body.natural) > body.solved:
        return False
    fints = p["fint"], p["fint"] if body.same_fringes else p["fintx"]
    for fint, was in zip(fints, body.soft, strict=True):
        if (((p["hgap"] != 0.0) & (fint != 0.0)) != was).any():
            return False
    k0 = 0.0 * p["angle"] if body.natural else p["k0"]
    largest = [p["angle"], k0 * length, p["e1"], p["e2"], [math.ulp(1.0)]]
    turn, angle = max(float(np.abs(value).max()) for value in largest), float(np.abs(p["angle"]).max())
    return turning_halvings(turn) <= body.halvings and geometry_halvings(angle) <= body.angle_halvings
