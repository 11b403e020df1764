"""Hard-edge fringe of a dipole, with a finite gap (E. Forest, Beam Dynamics, 1998, eq. 13.13).

The map follows from the generating function phi(px, py, delta) y'^2/2 of old momenta and new y:

    y' = y + phi_py y'^2/2,  x' = x + phi_px y'^2/2,  z' = z + phi_delta y'^2/2,  py' = py - phi y',
    phi = k0 tan(atan(xp / (1 + yp^2)) - k0 g (1 + xp^2 (2 + yp^2)) pz/(1 + delta)^2),

xp = px/pz, yp = py/pz, g = fint times the full gap; k0 changes sign at an exit. The gap weakens vertical focusing in
proportion to the curvature k0/(1 + delta) of the path in the fringe: with yp = 0 the term is the angle of K. L. Brown,
SLAC-75, eq. 4, for the momentum of the particle. Forest's book and PTC leave out the divisor (1 + delta)^2, so that
the term grows in proportion to 1 + delta: `growing` selects that form. A soft fringe adds
cubic y'^4/(4 (1+delta)) to the generating function, see `gputrack.elements.edge.soft_fringe`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gputrack.base.arrays import sqrt
from gputrack.base.special.smooth import cos_sinc
from gputrack.elements.edge import soft_fringe
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State

NEWTON_STEPS = 4


class Phi(NamedTuple):
    """phi and its derivatives."""

    value: Any
    px: Any
    py: Any
    delta: Any


def phi(px: Any, py: Any, opd: Any, op: Any) -> Phi:
    """The function above."""
    inverse = 1.0 / sqrt(opd * opd - px * px - py * py)
    xp, yp = px * inverse, py * inverse
    xp2, yp2 = xp * xp, yp * yp
    pz = opd * opd * inverse - xp * px - yp * py
    r = 1.0 / (1.0 + yp2)
    slope = xp * r
    bow = 1.0 + xp2 * (2.0 + yp2)
    k0 = op.k0
    inverse_momentum = 0.0 if op.growing else 1.0 / opd
    strength = k0 * op.gap if op.growing else k0 * op.gap * inverse_momentum * inverse_momentum
    beta = strength * bow * pz
    cosine, sinc = cos_sinc(beta * beta)
    tangent = beta * sinc / cosine
    t = (slope - tangent) / (1.0 + slope * tangent)
    gain = k0 * (1.0 + t * t)
    turn = 1.0 / (1.0 + slope * slope)
    by_xp = gain * (turn * r - 2.0 * strength * xp * (2.0 + yp2) * pz)
    by_yp = gain * (-2.0 * turn * slope * yp * r - 2.0 * strength * xp2 * yp * pz)
    by_pz = -gain * strength * bow
    return Phi(
        k0 * t,
        (by_xp * (1.0 + xp2) + by_yp * xp * yp) * inverse - by_pz * xp,
        (by_xp * xp * yp + by_yp * (1.0 + yp2)) * inverse - by_pz * yp,
        opd * inverse * (by_pz - (by_xp * xp + by_yp * yp) * inverse) - 2.0 * inverse_momentum * by_pz * pz,
    )


def fringe(s: State, op: Any, ref: ReferenceValues) -> State:
    """Fringe; the quadratic equation for y' is solved in the form without cancellation."""
    f = phi(s.px, s.py, s.opd, op)
    y = 2.0 * s.y / (1.0 + sqrt(1.0 - 2.0 * f.py * s.y))
    half = 0.5 * y * y
    bend = op.cubic * half * s.inverse
    return s._replace(
        x=s.x + f.px * half,
        y=y,
        py=s.py - (f.value + 2.0 * bend) * y,
        z=s.z + (f.delta - bend * s.inverse) * half,
    )


def unfringe(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: Newton's method for py before the fringe; its step is a contraction by about k0 y."""
    half = 0.5 * s.y * s.y
    bend = op.cubic * half * s.inverse
    known = s.py + 2.0 * bend * s.y
    py = known
    for _ in range(NEWTON_STEPS):
        f = phi(s.px, py, s.opd, op)
        py = py - (py - f.value * s.y - known) / (1.0 - f.py * s.y)
    f = phi(s.px, py, s.opd, op)
    return s._replace(
        x=s.x - f.px * half, y=s.y - f.py * half, py=py, z=s.z - (f.delta - bend * s.inverse) * half
    )


FRINGE = MapKind("fringe", "fringe", fringe, unfringe, integers=("growing",), constants=("k0", "gap", "cubic"))


def fringe_call(k0: Any, fint: Any, hgap: Any, soft: bool, growing: bool) -> MapCall:
    """Fringe at an entrance; give -k0 at an exit.

    `soft`: fint and hgap are not 0; `growing`: the term of the gap is proportional to 1 + delta.
    """
    cubic = soft_fringe(k0, fint, hgap) if soft else 0.0 * k0
    return MapCall(FRINGE, {"growing": int(growing)}, {"k0": k0, "gap": 2.0 * fint * hgap, "cubic": cubic})
