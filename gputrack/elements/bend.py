"""Sector body with multipoles: exact arcs between kicks; which map a body has in each model.

Fields are multipoles [m^-(n+1)] along the curved axis, without factorials folded in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.base.arrays import python_number, untraced
from gputrack.elements.arc import ARC, arc_by, sector_geometry
from gputrack.elements.bend_expanded import expanded_call
from gputrack.elements.dipole import DIPOLE
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import MatrixKick, Model, Steps
from gputrack.elements.schemes import BlanesMoan
from gputrack.elements.sector_field import EXTRA_ORDERS, evaluate, kick_polynomials, monomials
from gputrack.elements.splitting import compose, outer_fractions, steps_of

#: for bodies with gradients, and for all bodies by drift and kick
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


def body_call(
    length: Any, angle: Any, k0: Any, kn: list[Any], ks: list[Any], model: Model, halvings: int, angle_halvings: int,
    solved: int,
) -> MapCall:  # fmt: skip
    """A body as a map call.

    Parameters
    ----------
    length, angle, k0
        Of the reference orbit [m], [rad], and main dipole field [1/m].
    kn, ks : lists, equally long
        Further multipoles.
    model : Model
    halvings, angle_halvings : int
        Of turning angles and of the reference orbit's angle, see `gputrack.elements.arc`.
    solved : int
        Slices of an expanded body without kicks, else 0.
    """
    if not model.exact:
        return expanded_call(length, angle / length, k0, kn, ks, model.integrator, solved)
    matrix = isinstance(model.integrator, MatrixKick)
    if matrix and not kn:
        constants = {**sector_geometry(length, angle, angle_halvings), "k0": k0}
        return MapCall(ARC, {"halvings": halvings}, constants)
    if not kn:
        return _dipole_call(length, angle, k0, model, angle_halvings)
    if matrix:
        return _sector_call(length, angle, k0, kn, ks, model, halvings, angle_halvings)
    return _sector_call(length, angle, 0.0 * k0, [kn[0] + k0, *kn[1:]], ks, model, halvings, angle_halvings)


def _dipole_call(length: Any, angle: Any, k0: Any, model: Model, angle_halvings: int) -> MapCall:
    """Field-free arcs between kicks of the uniform field."""
    scheme, slices = steps_of(model.integrator, STEPS)
    arcs = _arcs(length, angle, scheme, slices, angle_halvings)
    integers = dict(scheme=scheme, slices=slices, arc_numbers=len(arcs))
    return MapCall(DIPOLE, integers, {"length": length, "k0": k0, "h": angle / length}, {"arcs": arcs})


def _sector_call(
    length: Any, angle: Any, k0: Any, kn: list[Any], ks: list[Any], model: Model, halvings: int, angle_halvings: int
) -> MapCall:
    """Arcs between kicks of the multipoles; the arcs' geometry is computed once per distinct step."""
    scheme, slices = steps_of(model.integrator, STEPS)
    degree = kick_degree(kn)
    fx, fy = kick_polynomials(angle / length, kn, ks, degree)
    arcs = _arcs(length, angle, scheme, slices, angle_halvings)
    integers = dict(
        scheme=scheme, slices=slices, degree=degree, terms=len(monomials(degree)), halvings=halvings,
        arc_numbers=len(arcs),
    )  # fmt: skip
    return MapCall(BEND, integers, {"length": length, "k0": k0}, {"arcs": arcs, "fx": fx, "fy": fy})


def _arcs(length: Any, angle: Any, scheme: int, slices: int, angle_halvings: int) -> list[Any]:
    """Geometry of the distinct outer steps, four numbers each."""
    fractions = np.array(outer_fractions(scheme, slices))
    each = fractions.reshape(-1, *np.ones(np.ndim(untraced(angle)), dtype=int).tolist())  # all steps at once
    steps = sector_geometry(each * length, each * angle, angle_halvings)
    names = ("sine", "cosine", "reach", "sagitta")
    return [python_number(steps[name][i]) for i in range(len(fractions)) for name in names]


def kick_degree(kn: list[Any]) -> int:
    """Degree of the kicks of multipoles; a dipole alone has the exact potential -k0 (x + h x^2/2)."""
    return len(kn) - 1 + EXTRA_ORDERS if len(kn) > 1 else 1
