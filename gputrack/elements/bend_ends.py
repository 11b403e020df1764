"""The ends of a bend as map calls, for each edge model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gputrack.base.arrays import cos, sin
from gputrack.elements.alignment import ALIGN, UNALIGN
from gputrack.elements.arc import ARC, wedge_call
from gputrack.elements.edge import linear_edge_call
from gputrack.elements.fringe import fringe_call
from gputrack.elements.map import MapCall
from gputrack.elements.models import FullEdge, Model, PTCEdge
from gputrack.elements.multipole import multipole_call


class End(NamedTuple):
    """One end of a bend.

    k0: dipole field [1/m]; e: angle of the face [rad]; fint, hgap: fringe integral and half gap [m];
    gradient: quadrupole strength [m^-2], None where there is none; rotated: whether e may differ from 0;
    soft: whether the fringe has an extent (fint and hgap not 0); halvings: for the turning angle.
    """

    k0: Any
    e: Any
    fint: Any
    hgap: Any
    gradient: Any
    rotated: bool
    soft: bool
    halvings: int


def entrance(model: Model, end: End) -> list[MapCall]:
    """Map calls before the body."""
    if not isinstance(model.edge, FullEdge):
        return [linear_edge_call(end.k0, end.e, end.fint, end.hgap, end.soft)]
    fringe = fringe_call(end.k0, end.fint, end.hgap, end.soft, isinstance(model.edge, PTCEdge))
    if not end.rotated:
        return [fringe]
    return [
        wedge_call(end.e, 0.0 * end.k0, 0),
        fringe,
        *_gradient_wedge(end),
        wedge_call(-end.e, end.k0, end.halvings),
    ]


def exit_(model: Model, end: End) -> list[MapCall]:
    """Map calls after the body: those of an entrance in opposite order, the fringe with the opposite field."""
    if not isinstance(model.edge, FullEdge):
        return [linear_edge_call(end.k0, end.e, end.fint, end.hgap, end.soft)]
    fringe = fringe_call(-end.k0, end.fint, end.hgap, end.soft, isinstance(model.edge, PTCEdge))
    if not end.rotated:
        return [fringe]
    return [
        wedge_call(-end.e, end.k0, end.halvings),
        *_gradient_wedge(end),
        fringe,
        wedge_call(end.e, 0.0 * end.k0, 0),
    ]


def _gradient_wedge(end: End) -> list[MapCall]:
    """Quadrupole field in the wedge between face and sector plane: a thin sextupole k2 l = -2 e k1.

    px += e k1 (x^2 - y^2), py -= 2 e k1 x y: K. L. Brown, SLAC-75, table IV, with the hard-edge part of a
    rotated quadrupole face; to first order in e, as in PTC.
    """
    if end.gradient is None:
        return []
    zero = 0.0 * end.k0
    return [multipole_call([zero, zero, -end.e * end.gradient], [zero, zero, zero], zero, zero)]


def rigid_exit(p: Mapping[str, Any]) -> list[MapCall]:
    """Transformation from the frame of a bend displaced by (dx, dy) at its entrance as a rigid body.

    In the rolled frame at the exit, rotated by the bend's angle, the displacement (u, v, 0) of the entrance is
    (u cos(angle), v, -u sin(angle)). Particles drift over its component along s without a reference time, since
    the length of the reference orbit is unchanged.
    """
    cosine, sine = cos(p["tilt"]), sin(p["tilt"])
    u, v = cosine * p["dx"] + sine * p["dy"], cosine * p["dy"] - sine * p["dx"]
    across = u * cos(p["angle"])
    frame = dict(dx=cosine * across - sine * v, dy=sine * across + cosine * v, cosine=cosine, sine=sine)
    return [_extra_drift(u * sin(p["angle"])), MapCall(UNALIGN, constants=frame)]


def rigid_return(p: Mapping[str, Any]) -> list[MapCall]:
    """Undo `rigid_exit`."""
    drift, frame = rigid_exit(p)
    return [MapCall(ALIGN, constants=frame.constants), _extra_drift(-drift.constants["reach"])]


def _extra_drift(reach: Any) -> MapCall:
    """Drift over `reach` [m] without a reference length."""
    zero = 0.0 * reach
    return MapCall(
        ARC, {"halvings": 0}, dict(sine=zero, cosine=1.0 + zero, reach=reach, sagitta=zero, length=zero, k0=zero)
    )
