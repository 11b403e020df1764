"""Kicks by the field of a beam in free space: charge on a grid, integrated Green functions and FFT.

Particles have positions u on a grid that moves with the centroid of the beam: u_i = x_i - sum_j s_j x_j, with s_j the
fraction of the weight of the surviving particles. With W_n(u) the spline of grid point n and G the Green function,

    rho_n = sum_j w_j/W W_n(u_j),   phi = G rho,   f_i = grad sum_n phi_n W_n(u_i),   p_i -= c (f_i - sum_j s_j f_j),

W the sum of all weights. The kick is the gradient of c/2 sum phi rho W with respect to all positions, including the
dependence on the centroid: it is symplectic for the beam as a whole, conserves the total momentum, and its inverse is
the opposite kick. The field includes the charge of the particle itself; this self-force decreases with the grid step.

For a long beam (2-D) G = -ln r^2 and c = length K/2, K the perveance of the current. For a bunch (3-D) positions are x,
y, zeta = -beta0 c tau, and G = 1/r in the frame of the beam, r^2 = x^2 + y^2 + (gamma0 zeta)^2; from the charge of the
real particles c = length W q^2/(4 pi eps0 gamma0 v0 p0): transverse forces are 1/gamma0^2 of the electric ones, and
the same potential changes the energy, by beta0^2 E0 times the change of the momentum conjugate to zeta.

Adjoint. With p the cotangents (bars) of momenta and P_i = p_i - s_i sum_j p_j, the scalar changes by
-c sum_n phi_n Gamma_n with Gamma_n = sum_i P_i . grad W_n(u_i): the adjoint of a gather is a deposition, and G is
symmetric. Hence the bar of c is -phi . Gamma, that of rho is r = -c G Gamma, and that of u_j, before the subtraction of
the sum over all particles for the centroid, is

    (w_j/W) sum_n r_n grad W_n(u_j)  -  c sum_n phi_n grad (P_j . grad W_n(u_j)).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from gputrack.autodiff.forward_trace import pushed_forward
from gputrack.base.arrays import Array, is_cupy, is_traced, namespace
from gputrack.base.constants import ELEMENTARY_CHARGE, VACUUM_PERMITTIVITY
from gputrack.collective.arrival import Arrival, arrival, arrival_bars, with_energy, with_energy_bars
from gputrack.collective.green import convolved, line_green, point_green
from gputrack.collective.perveance import perveance, perveance_bars
from gputrack.collective.splines import Spline, deposited, gathered, spline
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import ReferenceValues


class GridAroundBeam(Protocol):
    """Grid with two axes (long beam) or three (bunch) around the centroid of the beam."""

    @property
    def size(self) -> tuple[float, ...]:
        """Extent along each axis that contains the particles [m]."""

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of points along each axis."""

    @property
    def steps(self) -> tuple[float, ...]:
        """Distances of neighbouring points [m]."""

class _Passage(NamedTuple):
    """Intermediate results of a kick.

    Attributes
    ----------
    axes : list of Spline
    phi : (points, ...) array
    forces : list of (n,) arrays
        f_i - sum s_j f_j along each axis.
    c : float
    survivor_fraction : (n,) array
        The fractions s_j.
    at : Arrival, or None
        For bunches.
    """

    axes: list[Spline]
    phi: Array
    forces: list[Array]
    c: Any
    survivor_fraction: Array
    at: Arrival | None


def _is_long(effect: GridAroundBeam) -> bool:
    """Whether the field is that of a long beam."""
    return len(effect.grid) == 2


def _survivor_fractions(weights: Array) -> Array:
    """Fractions s_j of the total weight; all 0 if that is 0."""
    total = float(weights.sum())
    return weights / total if total > 0.0 else weights


def _green(effect: GridAroundBeam, ref: ReferenceValues, like: Array) -> Array:
    if _is_long(effect):
        table: Any = _line_table(effect.steps, effect.grid)
    elif is_traced(ref.inverse_gamma0_squared):
        return _point_table(effect.steps, effect.grid, ref.inverse_gamma0_squared)
    else:
        table = _cached_point_table(effect.steps, effect.grid, float(ref.inverse_gamma0_squared))
    return namespace(like).asarray(table) if is_cupy(like) else table


_line_table = cache(line_green)


def _point_table(steps: tuple[float, ...], counts: tuple[int, ...], inverse_gamma0_squared: Any) -> Array:
    x, y, z = steps
    return point_green((x, y, z / inverse_gamma0_squared**0.5), counts)


_cached_point_table = cache(_point_table)


def _strength(bunch: Bunch, op: Any, ref: ReferenceValues) -> Any:
    """c/length of the kick."""
    if _is_long(op.effect):
        return 0.5 * perveance(op.current, ref)
    charge = bunch.charge * ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY)  # V m
    return bunch.total * charge * ref.charge_over_momentum * ref.inverse_gamma0_squared**0.5 / ref.beta0


def _positions(bunch: Bunch, effect: GridAroundBeam, ref: ReferenceValues) -> tuple[list[Array], Arrival | None]:
    """Positions of the particles along the axes of the grid, and arrival times of bunches."""
    c = bunch.coordinates
    if _is_long(effect):
        return [c[0], c[2]], None
    at = arrival(c, ref)
    return [c[0], c[2], at.zeta], at


def _passage(bunch: Bunch, op: Any, ref: ReferenceValues) -> _Passage:
    effect, survivor_fraction = op.effect, _survivor_fractions(bunch.weights)
    positions, at = _positions(bunch, effect, ref)
    xp = namespace(*positions)
    centred = [x - xp.sum(survivor_fraction * x) for x in positions]
    axes = [spline(*own) for own in zip(centred, effect.steps, effect.grid, strict=True)]
    share = bunch.weights / bunch.total
    phi = convolved(_green(effect, ref, share), deposited(axes, [0] * len(axes), share))
    forces = gathered(axes, phi, _first_derivatives(len(axes)))
    forces = [f - xp.sum(survivor_fraction * f) for f in forces]
    return _Passage(axes, phi, forces, op.length * _strength(bunch, op, ref), survivor_fraction, at)


def _first_derivatives(count: int) -> list[list[int]]:
    """Orders of the derivatives along each axis of the gradient."""
    return np.eye(count, dtype=int).tolist()


def _kicked(bunch: Bunch, op: Any, ref: ReferenceValues, sign: float) -> Array:
    p = _passage(bunch, op, ref)
    x, px, y, py, z, delta = (bunch.coordinates[i] for i in range(6))
    c = sign * p.c
    px, py = px - c * p.forces[0], py - c * p.forces[1]
    if p.at is not None:
        z, delta = with_energy(z, delta, -c * ref.beta0 * ref.beta0 * p.forces[2], ref)
    return namespace(px, x).stack([x, px, y, py, z, delta])


def open_kick(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Kick of all particles by the field of the beam."""
    return _kicked(bunch, op, ref, 1.0)


def unopen_kick(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Inverse of `open_kick`, which changes neither positions nor arrival times."""
    return _kicked(bunch, op, ref, -1.0)


def open_kick_adjoint(bunch: Bunch, op: Any, ref: ReferenceValues, bar: Array) -> Bars:
    """Adjoint as derived above; `bunch` is the beam before the kick."""
    p, xp, count = _passage(bunch, op, ref), namespace(bar), len(op.effect.grid)
    z, delta, reference = bunch.coordinates[4], bunch.coordinates[5], np.zeros(len(ref))
    bars, momenta = [bar[i] for i in range(6)], [bar[1], bar[3]]
    if p.at is not None:
        b2 = ref.beta0 * ref.beta0
        bars[4], bars[5], step_bar, own = with_energy_bars(z, delta, -p.c * b2 * p.forces[2], ref, bar[4], bar[5])
        reference = reference + own
        reference[0] += float(xp.sum(step_bar * p.forces[2])) * -2.0 * p.c * ref.beta0
        momenta.append(b2 * step_bar)
    free = [m - p.survivor_fraction * xp.sum(m) for m in momenta]
    units = _first_derivatives(count)
    gamma = sum(deposited(p.axes, unit, m) for unit, m in zip(units, free, strict=True))
    green = _green(op.effect, ref, bar)
    r = -p.c * convolved(green, gamma)
    slopes = gathered(p.axes, r, units)
    pairs = [[int(i == a) + int(i == b) for i in range(count)] for a in range(count) for b in range(count)]
    second = gathered(p.axes, p.phi, pairs)
    share, places = bunch.weights / bunch.total, []
    for a in range(count):
        own_bar = share * slopes[a] - p.c * sum(free[b] * second[count * a + b] for b in range(count))
        places.append(own_bar - p.survivor_fraction * xp.sum(own_bar))
    bars[0], bars[2] = bars[0] + places[0], bars[2] + places[1]
    if p.at is not None:
        z_bar, delta_bar, own = arrival_bars(z, delta, p.at, ref, places[2])
        bars[4], bars[5], reference = bars[4] + z_bar, bars[5] + delta_bar, reference + own
    c_bar = -float(xp.sum(p.phi * gamma))
    constants, own = _strength_bars(bunch, op, ref, p, c_bar, gamma)
    return Bars(xp.stack(bars), constants, reference + own)


def _strength_bars(
    bunch: Bunch, op: Any, ref: ReferenceValues, p: _Passage, c_bar: float, gamma: Array
) -> tuple[np.ndarray, np.ndarray]:
    """Cotangents of the constants and of the reference values, through c and G."""
    if _is_long(op.effect):
        current_bar, reference = perveance_bars(0.5 * op.length * c_bar, op.current, ref)
        return np.array([0.5 * perveance(op.current, ref) * c_bar, current_bar]), np.array(reference)
    steps, counts = op.effect.steps, op.effect.grid
    _, rate = pushed_forward(lambda g: _point_table(steps, counts, g), (ref.inverse_gamma0_squared,), (1.0,))
    xp = namespace(gamma)
    density = deposited(p.axes, [0, 0, 0], bunch.weights / bunch.total)
    change = convolved(xp.asarray(rate) if is_cupy(gamma) else rate, density)
    total, squeeze = c_bar * p.c, -p.c * float(xp.sum(change * gamma))
    by_gamma = 0.5 * total / ref.inverse_gamma0_squared + squeeze
    reference = [-total / ref.beta0, by_gamma, 0.0, total / ref.charge_over_momentum, 0.0]
    return np.array([c_bar * _strength(bunch, op, ref)]), np.array(reference)


def inside_grid(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Mask of particles on the grid around the centroid of these particles."""
    positions, _ = _positions(bunch, op.effect, ref)
    weights = bunch.weights
    xp = namespace(weights)
    inside = weights == weights
    while True:
        survivor_fraction = _survivor_fractions(xp.where(inside, weights, 0.0))
        here = inside
        for x, size in zip(positions, op.effect.size, strict=True):
            here = here & (abs(x - xp.sum(survivor_fraction * x)) < 0.5 * size)
        if not bool(xp.any(inside & ~here)):
            return inside
        inside = here


LINE_KICK = CollectiveKind(
    "line_kick", open_kick, unopen_kick, open_kick_adjoint, inside_grid, constants=("length", "current")
)
BUNCH_KICK = CollectiveKind(
    "bunch_kick", open_kick, unopen_kick, open_kick_adjoint, inside_grid, constants=("length",)
)
