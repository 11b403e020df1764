"""Field of a bunch in a rectangular pipe, slice by slice ("2.5-D"): transverse sine modes, longitudinal splines.

Each slice k has the density rho_klm = sum_j (w_j/W) T_k(zeta_j) sin(alpha_l u_j) sin(beta_m v_j) of `PipeModes`, with
quadratic splines T_k in zeta = -beta0 c tau about the centroid of the bunch (slices move with it), sum_k T_k = 1, and
the potential phi_klm = 16 pi/(a b) rho_klm/(alpha_l^2 + beta_m^2)/h, h the distance of slices: the local line density
replaces the current. Kicks are gradients of c/2 sum phi rho W with respect to x, y and zeta,

    p -= c grad sum_k T_k(zeta) sum_lm phi_klm sin(alpha_l u) sin(beta_m v),

c = length q^2 W/(4 pi eps0 gamma0^2 v0 p0). They include the longitudinal force -q dphi/dz/gamma0^2 where the line
density varies: the field of a bunch that is long compared with the pipe width over gamma0. They are symplectic for the
beam as a whole, and their inverse is the opposite kick; the total longitudinal momentum is conserved, since the mean
force is subtracted (see `gputrack.collective.open_kick`).

Adjoint: with the cotangents (bars) p, q, r of px, py and p_zeta, r less its share of the sum,

    Gamma_k = sum_i (p_i d/dx + q_i d/dy + r_i d/dzeta) T_k sin sin,

the bar of c is -phi . Gamma and that of rho_k is R_k = -c phi_k/rho_k Gamma_k; the bars of positions are w_j/W times
the gradient of the function with coefficients R, and -c times the gradient of (p_j d/dx + q_j d/dy + r_j d/dzeta)
applied to the potential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gputrack.base.arrays import Array, namespace
from gputrack.base.checks import require_integer, require_number
from gputrack.base.constants import ELEMENTARY_CHARGE, SPEED_OF_LIGHT
from gputrack.collective.arrival import Arrival, arrival, arrival_bars, with_energy, with_energy_bars
from gputrack.collective.perveance import perveance, perveance_bars
from gputrack.collective.pipe_modes import PipeModes, inside_pipe, pipe_waves
from gputrack.collective.splines import Spline, reach, spline
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import MapCall, ReferenceValues


@dataclass(frozen=True)
class PipeBunch:
    """Field of a bunch in a rectangular, perfectly conducting pipe, expanded in sine modes slice by slice.

    The charge is that of the real particles (`Beam.weights`). Particles outside the pipe or beyond the slices are
    lost, with the loss code of apertures. The bunch must be long compared with the pipe width over gamma0.

    Parameters
    ----------
    pipe : (a, b)
        Full widths in x and y [m], > 0; the pipe is centred on the reference orbit.
    length : float
        Length of the interval around the centroid of the bunch that contains the particles [m], > 0.
    slices : int
        Number of slices, >= 4.
    modes : (horizontal, vertical)
        Number of modes, >= 1 each.

    Raises
    ------
    InputError
        A number is out of range.
    """

    pipe: tuple[float, float]
    length: float
    slices: int = 32
    modes: tuple[int, int] = (12, 12)

    needs_current: ClassVar[bool] = False

    def __post_init__(self) -> None:
        transverse = PipeModes(self.pipe, self.modes)  # validates them
        object.__setattr__(self, "pipe", transverse.pipe)
        object.__setattr__(self, "modes", transverse.modes)
        object.__setattr__(self, "length", require_number("PipeBunch", "length", self.length, unit="m", above=0.0))
        object.__setattr__(self, "slices", require_integer("PipeBunch", "slices", self.slices, at_least=4))

    @property
    def step(self) -> float:
        """Distance of neighbouring slices [m]."""
        return reach(self.length, self.slices)

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m]; the current is not used."""
        return MapCall(PIPE_BUNCH_KICK, constants={"length": length}, effect=self)


class _Passage(NamedTuple):
    """Particles in the order of their slices, and the potential.

    Attributes
    ----------
    order, back : (n,) integer arrays
        Permutation to that order, and its inverse.
    bounds : list of int
        Index, in that order, of the first particle of each slice.
    x, y : triples of (modes, n) arrays
        Waves with their first and second derivatives.
    axis : Spline
    factors : (horizontal, vertical) array
        phi/rho.
    phi : (slices, horizontal, vertical) array
    c : float
    share, living : (n,) arrays
    at : Arrival
    """

    order: Array
    back: Array
    bounds: list[int]
    x: tuple[Array, ...]
    y: tuple[Array, ...]
    axis: Spline
    factors: Array
    phi: Any
    c: Any
    share: Array
    living: Array
    at: Arrival


def _passage(bunch: Bunch, op: Any, ref: ReferenceValues) -> _Passage:
    effect, at = op.effect, arrival(bunch.coordinates, ref)
    total = float(bunch.weights.sum())
    living = bunch.weights / total if total > 0.0 else bunch.weights
    centred = at.zeta - namespace(at.zeta).sum(living * at.zeta)
    axis = spline(centred, effect.step, effect.slices)
    xp = namespace(axis.first)
    order = xp.argsort(axis.first, stable=True)
    back = xp.argsort(order)
    bounds = xp.searchsorted(axis.first[order], xp.arange(effect.slices - 1)).tolist()
    axis = Spline(axis.first[order], tuple(tuple(_at(v, order) for v in row) for row in axis.shares), axis.points)
    waves = pipe_waves(bunch, effect)
    x = waves.sx[:, order], (waves.kx * waves.cx)[:, order], (-waves.kx * waves.kx * waves.sx)[:, order]
    y = waves.sy[:, order], (waves.ky * waves.cy)[:, order], (-waves.ky * waves.ky * waves.sy)[:, order]
    share = bunch.weights / bunch.total
    c = op.length * _strength(bunch, ref)
    p = _Passage(order, back, bounds, x, y, axis, waves.factors / effect.step, None, c, share, living, at)
    return p._replace(phi=_potential(p, _deposited(p, (0, 0, 0), share[order])))


def _at(values: Any, order: Array) -> Any:
    return values if isinstance(values, float) else values[order]


def _strength(bunch: Bunch, ref: ReferenceValues) -> Any:
    """c/length, from the perveance of a current of one real particle per metre."""
    return 0.5 * bunch.total * perveance(_current(bunch, ref), ref)


def _current(bunch: Bunch, ref: ReferenceValues) -> Any:
    """Current of one real particle per metre [A]."""
    return bunch.charge * ELEMENTARY_CHARGE * SPEED_OF_LIGHT * ref.beta0


def _potential(p: _Passage, density: list[Array]) -> Array:
    return namespace(*density).stack([p.factors * own for own in density])


def _deposited(p: _Passage, orders: tuple[int, int, int], values: Array) -> list[Array]:
    """Sum of values (n,), in slice order, times derivatives of T sin sin: (horizontal, vertical) for each slice."""
    xp = namespace(p.factors)
    left, right = p.x[orders[0]] * values[None, :], p.y[orders[1]]
    slices: list[Any] = [xp.zeros(p.factors.shape)] * p.axis.points
    for first in range(p.axis.points - 2):
        own = slice(p.bounds[first], p.bounds[first + 1])
        if own.start == own.stop:
            continue
        for offset, share in enumerate(p.axis.shares[orders[2]]):
            part = share if isinstance(share, float) else share[None, own]
            own_sum = namespace(left, right).matmul(left[:, own] * part, right[:, own].T)
            slices[first + offset] = slices[first + offset] + own_sum
    return slices


def _gathered(p: _Passage, grid: Array, orders: tuple[int, int, int]) -> Array:
    """Derivatives of the function with coefficients `grid` (slices, horizontal, vertical) at the particles (n,)."""
    left, right, pieces = p.x[orders[0]], p.y[orders[1]], []
    xp = namespace(left, grid)
    for first in range(p.axis.points - 2):
        own = slice(p.bounds[first], p.bounds[first + 1])
        if own.start == own.stop:
            continue
        total: Any = 0.0
        for offset, share in enumerate(p.axis.shares[orders[2]]):
            part = share if isinstance(share, float) else share[own]
            total = total + part * xp.sum(left[:, own] * xp.matmul(grid[first + offset], right[:, own]), axis=0)
        pieces.append(total)
    return xp.concatenate(pieces)[p.back]


_GRADIENT = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def _kicked(bunch: Bunch, op: Any, ref: ReferenceValues, sign: float) -> Array:
    p = _passage(bunch, op, ref)
    x, px, y, py, z, delta = (bunch.coordinates[i] for i in range(6))
    c, along = sign * p.c, _gathered(p, p.phi, _GRADIENT[2])
    px, py = px - c * _gathered(p, p.phi, _GRADIENT[0]), py - c * _gathered(p, p.phi, _GRADIENT[1])
    along = along - namespace(along).sum(p.living * along)
    z, delta = with_energy(z, delta, -c * ref.beta0 * ref.beta0 * along, ref)
    return namespace(px, x).stack([x, px, y, py, z, delta])


def pipe_bunch_kick(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Kick of all particles by the field of the beam."""
    return _kicked(bunch, op, ref, 1.0)


def unpipe_bunch_kick(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Inverse of `pipe_bunch_kick`, which changes neither positions nor arrival times."""
    return _kicked(bunch, op, ref, -1.0)


def pipe_bunch_kick_adjoint(bunch: Bunch, op: Any, ref: ReferenceValues, bar: Array) -> Bars:
    """Adjoint as derived above; `bunch` is the beam before the kick."""
    p, xp = _passage(bunch, op, ref), namespace(bar)
    z, delta, b2 = bunch.coordinates[4], bunch.coordinates[5], ref.beta0 * ref.beta0
    along = _gathered(p, p.phi, _GRADIENT[2])
    along = along - xp.sum(p.living * along)
    bars = [bar[i] for i in range(6)]
    bars[4], bars[5], step_bar, reference = with_energy_bars(z, delta, -p.c * b2 * along, ref, bar[4], bar[5])
    reference[0] += float(xp.sum(step_bar * along)) * -2.0 * p.c * ref.beta0
    r = b2 * step_bar
    momenta = bar[1], bar[3], r - p.living * xp.sum(r)
    parts = [_deposited(p, d, m[p.order]) for d, m in zip(_GRADIENT, momenta, strict=True)]
    gamma = xp.stack([sum(own) for own in zip(*parts, strict=True)])
    back, places = -p.c * p.factors * gamma, []
    for own in _GRADIENT:
        place = p.share * _gathered(p, back, own)
        for other, m in zip(_GRADIENT, momenta, strict=True):
            orders = own[0] + other[0], own[1] + other[1], own[2] + other[2]
            place = place - p.c * m * _gathered(p, p.phi, orders)
        places.append(place)
    zeta_bar = places[2] - p.living * xp.sum(places[2])
    z_bar, delta_bar, more = arrival_bars(z, delta, p.at, ref, zeta_bar)
    rows = [bars[0] + places[0], bars[1], bars[2] + places[1], bars[3], bars[4] + z_bar, bars[5] + delta_bar]
    c_bar = -float(xp.sum(p.phi * gamma))
    return Bars(xp.stack(rows), *_strength_bars(bunch, op, ref, c_bar, reference + more))


def _strength_bars(
    bunch: Bunch, op: Any, ref: ReferenceValues, c_bar: float, reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cotangents of the length and of the reference values."""
    current = _current(bunch, ref)
    current_bar, own = perveance_bars(0.5 * op.length * bunch.total * c_bar, current, ref)
    reference = reference + np.array(own)
    reference[0] += current_bar * current / ref.beta0
    return np.array([c_bar * _strength(bunch, ref)]), reference


def inside_bunch(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Mask of particles in the pipe and within the slices around the centroid of these particles."""
    zeta, weights = arrival(bunch.coordinates, ref).zeta, bunch.weights
    xp, inside = namespace(weights), inside_pipe(bunch, op, ref)
    while True:
        own = xp.where(inside, weights, 0.0)
        total = float(own.sum())
        centre = float(xp.sum(own * zeta)) / total if total > 0.0 else 0.0
        here = inside & (abs(zeta - centre) < 0.5 * op.effect.length)
        if not bool(xp.any(inside & ~here)):
            return inside
        inside = here


PIPE_BUNCH_KICK = CollectiveKind(
    "pipe_bunch_kick", pipe_bunch_kick, unpipe_bunch_kick, pipe_bunch_kick_adjoint, inside_bunch, constants=("length",)
)
