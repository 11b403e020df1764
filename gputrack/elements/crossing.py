"""Crossing angle: transformation to the moving frame in which two beams collide head on, and its inverse."""

from __future__ import annotations

from typing import Any, NamedTuple

from gputrack.base.arrays import sqrt
from gputrack.elements.map import MapKind, ReferenceValues, State, refreshed


class Crossing(NamedTuple):
    """Factors of a crossing angle with sine n.

    cosine = sqrt(1 - n^2); gamma of the frame, whose velocity is beta0 n; kappa = (1 - gamma cosine)/n^2, small for
    beams near the speed of light.
    """

    cosine: Any
    gamma: Any
    kappa: Any


def crossing(nx: Any, ny: Any, ref: ReferenceValues) -> Crossing:
    """The factors of a crossing with sines nx, ny of the angle between a beam and the axis, no 0/0 at angle 0."""
    squared = nx * nx + ny * ny
    cosine = sqrt(1.0 - squared)
    gamma = 1.0 / sqrt(1.0 - ref.beta0 * ref.beta0 * squared)
    return Crossing(cosine, gamma, ref.inverse_gamma0_squared * gamma * gamma / (1.0 + gamma * cosine))


def boost(s: State, op: Any, ref: ReferenceValues) -> State:
    """To the frame in which the reference particle moves along the axis, at the plane through the crossing point.

    The beam moves along e_s = cos t e_Z + sin t e_X, the sine n = sin t (cos a, sin a) a vector in the plane across.
    A particle passes the plane s = 0 at (x, y), at the time t = -zeta/(beta0 c). Seen from a frame that moves with
    beta0 c n it has, in units of P0, the momenta p' = p + n (gamma m - kappa n.p) with m = p_s - E/E0, and
    p_Z = p_s cos t - n.p; its energy less that of the reference particle is e' = gamma (e - beta0^2 (cos t n.p +
    n^2 (delta - h))), e = E/E0 - 1, h = 1 + delta - p_s. It is at r' = r + n (gamma zeta - kappa n.r), and drifts
    over n.r along Z to the plane Z = 0. Exact at any velocity, and symplectic: Lorentz transformations are
    canonical, and the unit of momenta remains P0. At the speed of light this is K. Hirata, Phys. Rev. Lett. 74 (1995)
    2228, whose momenta are in units of P0 cos t.

    delta and z of the new state are those of a particle with the energy E0 (1 + e').
    """
    f = crossing(op.nx, op.ny, ref)
    squared, beta2 = op.nx * op.nx + op.ny * op.ny, ref.beta0 * ref.beta0
    energy, zeta = s.opd / (1.0 + s.slip), s.z / (1.0 + s.slip)
    excess = beta2 * s.delta * (2.0 + s.delta) / (1.0 + energy)
    across = s.px * s.px + s.py * s.py
    along = sqrt(s.opd * s.opd - across)
    h = across / (s.opd + along)
    momentum, place = op.nx * s.px + op.ny * s.py, op.nx * s.x + op.ny * s.y
    e = f.gamma * (excess - beta2 * (f.cosine * momentum + squared * (s.delta - h)))
    push = f.gamma * (energy * s.slip - h) - f.kappa * momentum
    px, py = s.px + op.nx * push, s.py + op.ny * push
    way = place / (f.cosine * along - momentum)
    shift = f.gamma * zeta - f.kappa * place
    x, y = s.x + op.nx * shift + px * way, s.y + op.ny * shift + py * way
    zeta = f.gamma * (zeta + beta2 * f.cosine * place) - (1.0 / f.gamma + e) * way
    return _with_energy(s._replace(x=x, px=px, y=y, py=py), e, zeta, ref)


def unboost(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse of `boost`: back along the trajectory to the plane s = 0, seen in the frame at rest."""
    f = crossing(op.nx, op.ny, ref)
    squared, beta2 = op.nx * op.nx + op.ny * op.ny, ref.beta0 * ref.beta0
    zeta = s.z / (1.0 + s.slip)
    e = beta2 * s.delta * (2.0 + s.delta) / (1.0 + s.opd / (1.0 + s.slip))
    energy = 1.0 / f.gamma + e
    rise = e * (2.0 / f.gamma + e) / beta2 - s.px * s.px - s.py * s.py
    along = sqrt(f.cosine * f.cosine + rise)
    momentum = op.nx * s.px + op.ny * s.py
    forward = f.gamma * (momentum + squared * energy) + f.cosine * along
    way = f.gamma * (op.nx * s.x + op.ny * s.y - squared * zeta) / forward
    place = way * along
    zeta = (zeta + energy * way) / f.gamma - beta2 * f.cosine * place
    shift = f.gamma * zeta - f.kappa * place
    x, y = s.x - s.px * way - op.nx * shift, s.y - s.py * way - op.ny * shift
    push = f.cosine * f.gamma * e - rise / (along + f.cosine) - f.kappa * momentum
    px, py = s.px + op.nx * push, s.py + op.ny * push
    excess = f.gamma * (e + beta2 * momentum)
    return _with_energy(s._replace(x=x, px=px, y=y, py=py), excess, zeta, ref)


def _with_energy(s: State, e: Any, zeta: Any, ref: ReferenceValues) -> State:
    """The state with energy E0 (1 + e) and arrival time -zeta/(beta0 c)."""
    gain = e * (2.0 + e) / (ref.beta0 * ref.beta0)
    after = refreshed(s._replace(delta=gain / (1.0 + sqrt(1.0 + gain))), ref)
    return after._replace(z=zeta * (1.0 + after.slip))


BOOST = MapKind("boost", "crossing", boost, unboost, constants=("nx", "ny"))
UNBOOST = MapKind("unboost", "crossing", unboost, boost, constants=("nx", "ny"))
