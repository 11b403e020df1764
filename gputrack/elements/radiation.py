"""Classical radiation: the energy that particles lose in magnetic fields, as kicks between steps of a magnet's body.

A charge on a path of curvature kappa loses the energy dE/dl = -(2/3) r m c^2 beta^3 gamma^4 kappa^2 along its path l,
r = q^2/(4 pi eps0 m c^2) its classical radius (J. D. Jackson, Classical Electrodynamics, section 14.2). With b the
field across its direction over the reference rigidity, kappa = b/(1 + delta), and with P = 1 + delta, G = p0/(m c)

    dP/dl = -(2/3) r G^3 b^2 (P^2 + 1/G^2),

at any energy. A kick is the flow of this equation over a length at fixed position and direction, to second order in the
loss: P -> P - k (P^2 + 1/G^2)/(1 + k P), k = (2/3) r G^3 times the integral of b^2 along the path. Such maps form a
group, so that -k undoes k exactly. Photons are emitted along the direction of motion: the slopes px/P, py/P and the
arrival time do not change.

The body of a bend ends at planes perpendicular to the reference orbit, its field at the faces. On a line through the
orbit at x, in the direction (xp, yp, 1) of the particle, a face turned by e is the distance

    w = x tan(e)/(1 - xp tan(e)) at the entrance,  w = x tan(e)/(1 + xp tan(e)) at the exit

inside the plane, measured along the reference orbit. The kick at this end therefore covers the path of its share of the
body less w. To first order in x, parallel rays through parallel faces lose the same energy; in the radiation integral
I4 this is the term -h^2 D tan(e) of each face (R. H. Helm et al., IEEE Trans. Nucl. Sci. 20 (1973) 900).
"""

from __future__ import annotations

from typing import Any

from gputrack.base.special.smooth import slope_excess
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State, refreshed
from gputrack.elements.sector_field import evaluate, monomials


def emit(s: State, k: Any, ref: ReferenceValues) -> State:
    """Momentum loss by `k`, at constant direction and time; -k undoes it."""
    velocity = 1.0 + s.slip
    rest = ref.inverse_gamma0_squared / (ref.beta0 * ref.beta0)
    drop = k * (s.opd * s.opd + rest) / (1.0 + k * s.opd)
    ratio = 1.0 - drop * s.inverse
    after = refreshed(s._replace(px=ratio * s.px, py=ratio * s.py, delta=s.delta - drop), ref)
    return after._replace(z=s.z * ((1.0 + after.slip) / velocity))


def brightness(s: State, by: Any, bx: Any) -> Any:
    """Square of the field across the direction of motion, times dl/ds = 1/sqrt(1 - slopes^2) on a straight axis."""
    p, q = s.px * s.inverse, s.py * s.inverse
    along = p * bx + q * by
    return (by * by + bx * bx - along * along) * (1.0 + slope_excess(p * p + q * q))


def radiation_by(s: State, op: Any, ref: ReferenceValues, sign: float) -> State:
    """Radiate where By + i Bx = sum_n (bn[n] + i an[n]) (x + i y)^n, over op.length along an axis of curvature h."""
    by, bx = op.bn[-1] + 0.0 * s.x, op.an[-1] + 0.0 * s.x
    for b, a in zip(op.bn[-2::-1], op.an[-2::-1], strict=True):
        by, bx = by * s.x - bx * s.y + b, bx * s.x + by * s.y + a
    path = op.length * (1.0 + op.h * s.x)
    return emit(s, sign * ref.radiation * (path * brightness(s, by, bx)), ref)


def radiation(s: State, op: Any, ref: ReferenceValues) -> State:
    """Radiate in straight multipoles."""
    return radiation_by(s, op, ref, 1.0)


def unradiation(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: position and direction, hence k, are the same before and after."""
    return radiation_by(s, op, ref, -1.0)


RADIATION = MapKind(
    "radiation", "radiation", radiation, unradiation,
    integers=("terms",), constants=("length", "h"), series={"bn": "terms", "an": "terms"},
)  # fmt: skip


def wedge(s: State, face: Any, side: int) -> Any:
    """The distance w above, for face = tan(e); side is -1 at the entrance, 1 at the exit."""
    p, q = s.px * s.inverse, s.py * s.inverse
    return face * s.x / (1.0 + side * face * (p * (1.0 + slope_excess(p * p + q * q))))


def sector_path(s: State, op: Any) -> Any:
    """Path in the field along the reference orbit."""
    path = op.length * (1.0 + op.h * s.x)
    return path - wedge(s, op.face, op.side) if op.side else path


def sector_radiation_by(s: State, op: Any, ref: ReferenceValues, sign: float) -> State:
    """Radiate in the field By = -F_x/(1 + h x), Bx = F_y/(1 + h x) of `sector_field` over `sector_path`."""
    fx, fy = evaluate(op.fx, op.degree, s.x, s.y), evaluate(op.fy, op.degree, s.x, s.y)
    share = 1.0 / (1.0 + op.h * s.x)
    path = op.length * share
    if op.side:
        path = path - wedge(s, op.face, op.side) * share * share
    return emit(s, sign * ref.radiation * (path * brightness(s, -fx, fy)), ref)


def sector_radiation(s: State, op: Any, ref: ReferenceValues) -> State:
    """Radiate in a bend."""
    return sector_radiation_by(s, op, ref, 1.0)


def unsector_radiation(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse, as of `unradiation`."""
    return sector_radiation_by(s, op, ref, -1.0)


SECTOR_RADIATION = MapKind(
    "sector_radiation", "radiation", sector_radiation, unsector_radiation,
    integers=("degree", "terms", "side"), constants=("length", "h", "face"), series={"fx": "terms", "fy": "terms"},
)  # fmt: skip


def solenoid_radiation_by(s: State, op: Any, ref: ReferenceValues, sign: float) -> State:
    """Radiate in a longitudinal field ks over op.length, at fixed direction of the kinetic momenta."""
    k = 0.5 * op.ks
    t = s._replace(px=s.px + k * s.y, py=s.py - k * s.x)
    p, q = t.px * s.inverse, t.py * s.inverse
    u = p * p + q * q
    t = emit(t, sign * ref.radiation * op.length * (op.ks * op.ks * u * (1.0 + slope_excess(u))), ref)
    return t._replace(px=t.px - k * s.y, py=t.py + k * s.x)


def solenoid_radiation(s: State, op: Any, ref: ReferenceValues) -> State:
    """Radiate in a solenoid."""
    return solenoid_radiation_by(s, op, ref, 1.0)


def unsolenoid_radiation(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse, as of `unradiation`."""
    return solenoid_radiation_by(s, op, ref, -1.0)


SOLENOID_RADIATION = MapKind(
    "solenoid_radiation", "radiation", solenoid_radiation, unsolenoid_radiation, constants=("length", "ks")
)


def radiation_call(length: Any, h: Any, bn: list[Any], an: list[Any]) -> MapCall:
    """A kick in straight multipoles, factorials folded in."""
    an = an or [0.0 * length] * len(bn)
    return MapCall(RADIATION, {"terms": len(bn)}, {"length": length, "h": h}, {"bn": bn, "an": an})


def sector_radiation_call(
    length: Any, h: Any, fx: list[Any], fy: list[Any], degree: int, face: Any, side: int
) -> MapCall:
    """A kick in the field of a bend, see `gputrack.elements.sector_field`; face and side as of `wedge`, or side = 0."""
    integers = {"degree": degree, "terms": len(monomials(degree)), "side": side}
    return MapCall(SECTOR_RADIATION, integers, {"length": length, "h": h, "face": face}, {"fx": fx, "fy": fy})


def solenoid_radiation_call(length: Any, ks: Any) -> MapCall:
    """A kick in a solenoid."""
    return MapCall(SOLENOID_RADIATION, {}, {"length": length, "ks": ks})
