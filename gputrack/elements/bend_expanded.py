"""Bend body with the expanded Hamiltonian

H = (px^2 + py^2)/(2 (1+delta)) - h x (1+delta) + potential, split as drift-kick or matrix-kick.
"""

from __future__ import annotations

import math
from typing import Any

from gputrack.base.special.smooth import cos_sinc, horner
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Integrator, MatrixKick, Steps
from gputrack.elements.schemes import BlanesMoan
from gputrack.elements.splitting import compose, steps_of
from gputrack.elements.straight import multipole_kick

# (1 - sin a/a)/a^2 and (1 - cos a)/a^2 as functions of u = a^2
SINE_GAP = tuple((-1.0) ** k / math.factorial(2 * k + 3) for k in range(11))
COSINE_GAP = tuple((-1.0) ** k / math.factorial(2 * k + 2) for k in range(11))

STEPS = Steps(BlanesMoan(6), 1, 4)


def solved_slices(gradient: float, length: float) -> int:
    """Slices of a body without kicks in which the series of its matrix are exact to rounding.

    The series have no halvings: squares of phases must be below 4 down to 1 + delta = 1/2.
    """
    return max(1, math.ceil(length * math.sqrt(0.5 * abs(gradient))))


def combined_matrix(s: State, length: Any, h: Any, k0: Any, kx: Any, ky: Any) -> State:
    """Exact flow of H = p^2/(2 (1+delta)) + (k0 - h (1+delta)) x + kx x^2/2 + ky y^2/2 over `length`."""
    inverse = s.inverse
    reach = length * inverse
    g = h * s.opd - k0
    ux, uy = kx * length * reach, ky * length * reach
    cx, sx = cos_sinc(ux, 0)
    cy, sy = cos_sinc(uy, 0)
    bow, lag = horner(COSINE_GAP, ux), horner(SINE_GAP, ux)
    x = cx * s.x + reach * (sx * s.px + length * bow * g)
    px = cx * s.px + length * sx * (g - kx * s.x)
    y = cy * s.y + reach * sy * s.py
    py = cy * s.py - ky * length * sy * s.y
    area = length * (sx * s.x + reach * (bow * s.px + lag * length * g))
    energy = 0.5 * ((s.px * s.px + s.py * s.py) * inverse + kx * s.x * s.x + ky * s.y * s.y) - g * s.x
    action = x * px - s.x * s.px + y * py - s.y * s.py
    dz = length * s.slip - h * area - 0.5 * inverse * (length * energy + 0.5 * action + 0.5 * g * area)
    return s._replace(x=x, px=px, y=y, py=py, z=s.z + dz)


def curvature_kick(s: State, length: Any, h: Any, focus: Any) -> State:
    """Kick from the potential focus x^2/2 - h x (1+delta)."""
    return s._replace(
        px=s.px + length * (h * s.opd - focus * s.x),
        z=s.z - length * h * s.x,
    )


def bend_expanded_by(s: State, op: Any, sign: float) -> State:
    """Integrate the expanded body; kicks contain all terms that the outer step does not."""
    length = sign * op.length

    def outer(t: State, part: float) -> State:
        return combined_matrix(t, part * length, op.h_outer, op.k0_outer, op.kx, op.ky)

    def inner(t: State, part: float) -> State:
        t = multipole_kick(t, part * length, op.bn, op.an)
        return curvature_kick(t, part * length, op.h_inner, op.focus)

    return compose(s, op.scheme, op.slices, outer, inner)


def bend_expanded(s: State, op: Any, ref: ReferenceValues) -> State:
    """Body over op.length."""
    return bend_expanded_by(s, op, 1.0)


def unbend_expanded(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the splitting is symmetric, so it is the same over -length."""
    return bend_expanded_by(s, op, -1.0)


BEND_EXPANDED = MapKind(
    "bend_expanded", "bend_expanded", bend_expanded, unbend_expanded,
    integers=("terms", "scheme", "slices"),
    constants=("length", "h_outer", "k0_outer", "kx", "ky", "h_inner", "focus"),
    series={"bn": "terms", "an": "terms"},
)  # fmt: skip


def expanded_call(
    length: Any, h: Any, k0: Any, kn: list[Any], ks: list[Any], integrator: Integrator, solved: int
) -> MapCall:
    """Map call; the weak focusing is h times the whole dipole field, and gradients act as on a straight axis.

    `solved`: slices of a body without kicks, else 0.
    """
    zero = 0.0 * length
    kn, ks = (kn + [zero, zero])[: max(2, len(kn))], (ks + [zero, zero])[: max(2, len(ks))]
    focus = h * (k0 + kn[0])
    outer = dict(h_outer=h, k0_outer=k0, kx=kn[1] + focus, ky=-kn[1], h_inner=zero, focus=zero)
    bn = [v / math.factorial(n) for n, v in enumerate(kn)]
    an = [v / math.factorial(n) for n, v in enumerate(ks)]
    if isinstance(integrator, MatrixKick):
        bn[1] = zero
    else:
        outer = dict(h_outer=zero, k0_outer=zero, kx=zero, ky=zero, h_inner=h, focus=focus)
        bn[0] = bn[0] + k0
    scheme, slices = steps_of(integrator, Steps(2, solved, solved) if solved else STEPS)
    integers = {"terms": len(bn), "scheme": scheme, "slices": slices}
    return MapCall(BEND_EXPANDED, integers, {"length": length, **outer}, {"bn": bn, "an": an})
