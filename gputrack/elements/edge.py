"""Linear bend edge."""

from __future__ import annotations

from typing import Any

from gputrack.base.arrays import cos, sin, tan
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State


def edge(s: State, op: Any, ref: ReferenceValues) -> State:
    """px += kx x, py -= ky y + cubic y^3."""
    return s._replace(px=s.px + op.kx * s.x, py=s.py - (op.ky + op.cubic * s.y * s.y) * s.y)


def unedge(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse of `edge`."""
    return s._replace(px=s.px - op.kx * s.x, py=s.py + (op.ky + op.cubic * s.y * s.y) * s.y)


EDGE = MapKind("edge", "edge", edge, unedge, constants=("kx", "ky", "cubic"))


def linear_edge_call(k0: Any, e: Any, fint: Any, hgap: Any, soft: bool) -> MapCall:
    """kx = k0 tan(e), ky = k0 tan(e - psi), psi the `fringe_angle`; independent of delta, as in MAD-X.

    `soft`: with the cubic term of `soft_fringe`.
    """
    psi = fringe_angle(k0, e, fint, hgap)
    cubic = soft_fringe(k0, fint, hgap) if soft else 0.0 * k0
    return MapCall(EDGE, constants={"kx": k0 * tan(e), "ky": k0 * tan(e - psi), "cubic": cubic})


def fringe_angle(k0: Any, e: Any, fint: Any, hgap: Any) -> Any:
    """Angle by which a fringe weakens vertical focusing [rad], 2 k0 hgap fint (1 + sin^2 e)/cos e.

    K. L. Brown, SLAC-75, eq. 4.
    """
    return 2.0 * k0 * hgap * fint * (1.0 + sin(e) ** 2) / cos(e)


def soft_fringe(k0: Any, fint: Any, hgap: Any) -> Any:
    """Strength k0^2/(18 fint hgap) [m^-3] of the kick py -= strength y^3/(1 + delta) of a soft dipole fringe.

    The fall of the field over a finite length acts in y like an octupole, the stronger the shorter that length
    (as in PTC, after K. Hirata and K. Oide's fringe in SAD); PTC omits 1 + delta in its expanded model.
    Where fint or hgap is 0 the extent of the fringe is unknown, and there is no such term.
    """
    return k0 * k0 / (18.0 * fint * hgap)
