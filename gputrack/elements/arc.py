"""Exact motion in a uniform vertical field between two planes: one map for dipole bodies (curved or straight),
wedges and plane rotations.

The planes enclose the angle theta; the momentum turns by phi = k0 tau between them. With A, B the longitudinal
and transverse momentum seen from the exit plane before the field acts,

    A = pz cos(theta) - px sin(theta),  B = px cos(theta) + pz sin(theta),
    px' = B - k0 W,  W = (distance to the exit plane along the entrance axis),

and the other coordinates follow from the circle on which the particle moves (E. Forest, Beam Dynamics, 1998, ch. 12,
in a form without 0/0 at k0 = 0 or theta = 0, and without differences of large radii).
"""

from __future__ import annotations

import math
from typing import Any

from gputrack.base.arrays import cos, sin
from gputrack.base.special.smooth import arctan_halvings, arctan_ratio, cos_sinc, slope_excess, trig_halvings
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State


def arc_by(s: State, sine: Any, cosine: Any, reach: Any, sagitta: Any, length: Any, k0: Any, halvings: int) -> State:
    """Move from plane to plane.

    Parameters
    ----------
    s : State
    sine, cosine : float or array
        Of the angle theta between the planes, > 0 towards -x.
    reach, sagitta : float or array
        Position of the exit origin seen from the entrance [m]: sin(theta)/h and (1 - cos(theta))/h for
        an arc of curvature h, (length, 0) for a straight body, (0, 0) for a wedge.
    length : float or array
        Length of the reference path [m]; 0 for a wedge.
    k0 : float or array
        Field normalised to the reference rigidity [1/m], > 0 bends towards -x.
    halvings : int
        For the turning angle, see `gputrack.base.special.smooth.arctan_ratio`.
    """
    v = s.py * s.inverse
    u = v * v + (s.px * s.inverse) * (s.px * s.inverse)
    pz = s.opd * (1.0 - u) * (1.0 + slope_excess(u))
    a = pz * cosine - s.px * sine
    b = s.px * cosine + pz * sine
    w = reach + s.x * sine
    px = b - k0 * w
    u = v * v + (px * s.inverse) * (px * s.inverse)
    pz_out = s.opd * (1.0 - u) * (1.0 + slope_excess(u))
    # tan(phi/2)/k0 and sin(phi)/k0
    in_plane = s.opd * s.opd * (1.0 - v * v)
    both = pz_out + a
    half = w * (b * (b + px) + a * both) / (both * (in_plane + a * pz_out + b * px))
    turn = k0 * half
    chord = 2.0 * half / (1.0 + turn * turn)
    tau = 2.0 * half * arctan_ratio(turn * turn, halvings)
    return s._replace(
        x=s.x * cosine - sagitta + chord * (b - turn * a),
        px=px,
        y=s.y + s.py * tau,
        z=s.z + (length * s.slip + (length - s.opd * tau)),
    )


def arc(s: State, op: Any, ref: ReferenceValues) -> State:
    """`arc_by` with the constants of `op`."""
    return arc_by(s, op.sine, op.cosine, op.reach, op.sagitta, op.length, op.k0, op.halvings)


def unarc(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the same field backwards, theta and lengths negative."""
    return arc_by(s, -op.sine, op.cosine, -op.reach, op.sagitta, -op.length, op.k0, op.halvings)


ARC = MapKind(
    "arc", "arc", arc, unarc,
    integers=("halvings",),
    constants=("sine", "cosine", "reach", "sagitta", "length", "k0"),
)  # fmt: skip


def sector_geometry(length: Any, angle: Any, halvings: int) -> dict[str, Any]:
    """Constants of an arc of given length [m] and angle [rad]; smooth at angle = 0."""
    cosine, sinc = cos_sinc(angle * angle, halvings)
    half = cos_sinc(0.25 * angle * angle, halvings)[1]
    return dict(
        sine=angle * sinc,
        cosine=cosine,
        reach=length * sinc,
        sagitta=0.5 * length * angle * half * half,
        length=length,
    )


def geometry_halvings(angle: float) -> int:
    """Halvings for `sector_geometry`."""
    return trig_halvings(angle * angle)


def turning_halvings(turning_angle: float) -> int:
    """Halvings for `arc_by`, with a margin of a factor 2 for other momenta and slopes."""
    return arctan_halvings(abs(turning_angle))  # half the angle, twice for the margin


def wedge_call(angle: Any, k0: Any, halvings: int) -> MapCall:
    """Rotation of the plane by `angle` [rad] about its vertical axis, in the field k0 [1/m]."""
    constants = dict(
        sine=sin(angle), cosine=cos(angle), reach=0.0 * angle, sagitta=0.0 * angle, length=0.0 * angle, k0=k0
    )
    return MapCall(ARC, {"halvings": halvings}, constants)


def largest_turn(length: float, angle: float, k0: float) -> float:
    """Largest angle [rad] by which the reference orbit or the momentum turns."""
    return max(abs(angle), abs(k0 * length), math.ulp(1.0))
