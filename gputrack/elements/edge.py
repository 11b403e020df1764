"""Linear bend edge."""

from __future__ import annotations

from typing import Any

from gputrack.arrays import cos, sin, tan
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State


def edge(s: State, op: Any, ref: ReferenceValues) -> State:
    """px += kx x, py -= ky y."""
    return s._replace(px=s.px + op.kx * s.x, py=s.py - op.ky * s.y)


def unedge(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse of `edge`."""
    return s._replace(px=s.px - op.kx * s.x, py=s.py + op.ky * s.y)


EDGE = MapKind("edge", "edge", edge, unedge, constants=("kx", "ky"))


def linear_edge_call(k0: Any, e: Any, fint: Any, hgap: Any) -> MapCall:
    """kx = k0 tan(e), ky = k0 tan(e - psi), psi = 2 k0 hgap fint (1 + sin^2 e)/cos e.

    K. L. Brown, SLAC-75, eq. 4.; independent of delta, as in MAD-X.
    """
    psi = 2.0 * k0 * hgap * fint * (1.0 + sin(e) ** 2) / cos(e)
    return MapCall(EDGE, constants={"kx": k0 * tan(e), "ky": k0 * tan(e - psi)})
