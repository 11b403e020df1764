"""Sector dipole by drift and kick: field-free arcs of the reference orbit between kicks of the uniform field.

In the curved frame a uniform field has the potential -k0 (x + h x^2/2), whose kick is px -= L k0 (1 + h x). The
remaining motion is straight between planes at an angle, and solved exactly (E. Forest, Beam Dynamics, 1998, ch. 12).
Steps are written in slopes px/(1 + delta), in which 1/pz at either plane is 1/sqrt(1 - slopes^2).
"""

from __future__ import annotations

from typing import Any

from gputrack.base.special.smooth import slope_excess
from gputrack.elements.map import MapKind, ReferenceValues, State
from gputrack.elements.splitting import compose, outer_fractions


def plane_to_plane(s: State, sine: Any, cosine: Any, reach: Any, sagitta: Any, length: Any) -> State:
    """Straight motion to a plane at an angle, in slopes px, py; z gains length minus path length; see `arc_by`."""
    u = s.px * s.px + s.py * s.py
    forward = (1.0 - u) * (1.0 + slope_excess(u))
    slope = s.px * cosine + forward * sine
    tau = (reach + s.x * sine) * (1.0 + slope_excess(slope * slope + s.py * s.py))
    return s._replace(x=s.x * cosine - sagitta + slope * tau, px=slope, y=s.y + s.py * tau, z=s.z + (length - tau))


def dipole_by(s: State, op: Any, sign: float) -> State:
    """Body over sign * op.length."""
    steps = {}
    for j, fraction in enumerate(outer_fractions(op.scheme, op.slices)):
        steps[fraction] = [op.arcs[4 * j + k] for k in range(4)]
    kick = sign * op.length * op.k0 * s.inverse

    def outer(t: State, part: float) -> State:
        sine, cosine, reach, sagitta = steps[part]
        return plane_to_plane(t, sign * sine, cosine, sign * reach, sagitta, sign * part * op.length)

    def inner(t: State, part: float) -> State:
        return t._replace(px=t.px - part * kick * (1.0 + op.h * t.x))

    t = s._replace(px=s.px * s.inverse, py=s.py * s.inverse, z=s.z + sign * op.length * s.slip)
    t = compose(t, op.scheme, op.slices, outer, inner)
    return t._replace(px=t.px * s.opd, py=s.py)


def dipole(s: State, op: Any, ref: ReferenceValues) -> State:
    """Body over op.length."""
    return dipole_by(s, op, 1.0)


def undipole(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the splitting is symmetric, so it is the same over -length."""
    return dipole_by(s, op, -1.0)


DIPOLE = MapKind(
    "dipole", "dipole", dipole, undipole,
    integers=("scheme", "slices", "arc_numbers"), constants=("length", "k0", "h"), series={"arcs": "arc_numbers"},
)  # fmt: skip
