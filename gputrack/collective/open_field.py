"""The field of a beam in free space, by charge on a grid, integrated Green functions and FFT.

Particles have places u on a grid that moves with the centroid of the beam: u_i = x_i - sum_j s_j x_j, s_j the shares
of the weights of those who are alive. With W_n(u) the spline of point n and G the Green function between points,

    rho_n = sum_j w_j/W W_n(u_j),   phi = G rho,   f_i = grad sum_n phi_n W_n(u_i),   p_i -= c (f_i - sum_j s_j f_j),

W the sum of all weights. The kick is the gradient of c/2 sum phi rho W as a function of all positions, by way of the
centroid too: it is symplectic for the beam as a whole, the sum of all momenta stays as it is, and the opposite kick
undoes it. Each particle's own charge on the grid is part of the field; how it acts on itself falls with the step.

For a long beam (2-D) G = -ln r^2 and c = length K/2, K the perveance of the current. For a bunch (3-D) positions are x,
y, zeta = -beta0 c tau, and G = 1/r in the frame of the beam, r^2 = x^2 + y^2 + (gamma0 zeta)^2; from the charge of the
real particles c = length W q^2/(4 pi eps0 gamma0 v0 p0): transverse forces are 1/gamma0^2 of the electric ones, and
along the beam the same potential changes the energy, by beta0^2 E0 times what the momentum of zeta gets.

Adjoint. With p the bars of momenta and P_i = p_i - s_i sum_j p_j, the scalar gains -c sum_n phi_n Gamma_n with
Gamma_n = sum_i P_i . grad W_n(u_i): a gather's adjoint is a deposition, and G is symmetric. Hence the bar of c is
-phi . Gamma, that of rho is r = -c G Gamma, and that of u_j, before the sum over all is taken out for the centroid,

    (w_j/W) sum_n r_n grad W_n(u_j)  -  c sum_n phi_n grad (P_j . grad W_n(u_j)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gputrack.autodiff.forward_trace import pushed_forward
from gputrack.base.arrays import Array, is_cupy, is_traced, namespace
from gputrack.base.checks import require_integer, require_number, short
from gputrack.base.constants import ELEMENTARY_CHARGE, VACUUM_PERMITTIVITY
from gputrack.base.errors import InputError
from gputrack.collective.arrival import Arrival, arrival, arrival_bars, with_energy, with_energy_bars
from gputrack.collective.green import convolved, line_green, point_green
from gputrack.collective.perveance import perveance, perveance_bars
from gputrack.collective.splines import Spline, deposited, gathered, reach, spline
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import MapCall, ReferenceValues


@dataclass(frozen=True)
class _OpenField:
    """What both have: a grid around the centroid of the beam."""

    size: tuple[float, ...]
    grid: tuple[int, ...] = ()

    _AXES: ClassVar[str] = ""

    def __post_init__(self) -> None:
        name, count = type(self).__name__, len(self._AXES)
        for what, value in (("size", self.size), ("grid", self.grid)):
            if not isinstance(value, (tuple, list)) or len(value) != count:
                raise InputError(f"{name}: {what} must be {count} numbers, got {short(value)}")
        pairs = list(zip(self._AXES, self.size, self.grid, strict=True))
        sizes = [require_number(name, f"size in {axis}", size, unit="m", above=0.0) for axis, size, _ in pairs]
        counts = [require_integer(name, f"grid points in {axis}", points, at_least=4) for axis, _, points in pairs]
        object.__setattr__(self, "size", tuple(sizes))
        object.__setattr__(self, "grid", tuple(counts))

    @property
    def steps(self) -> tuple[float, ...]:
        """Distances of neighbouring points [m]."""
        return tuple(reach(size, count) for size, count in zip(self.size, self.grid, strict=True))


@dataclass(frozen=True)
class OpenField2D(_OpenField):
    """The field of a long beam in free space, by FFT on a grid.

    Particles outside the grid are lost, with the code of apertures.

    Parameters
    ----------
    size : (width, height)
        Of the rectangle around the beam's centroid that particles may be in [m], > 0.
    grid : (columns, rows)
        Points, >= 4 each; two of each lie beyond the rectangle's edges, half a step on either side.

    Raises
    ------
    InputError
        A number is out of range.
    """

    size: tuple[float, float]
    grid: tuple[int, int] = (64, 64)

    needs_current: ClassVar[bool] = True
    _AXES: ClassVar[str] = "xy"

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m] and a current [A]."""
        return MapCall(LINE_KICK, constants={"length": length, "current": current}, what=self)


@dataclass(frozen=True)
class OpenField3D(_OpenField):
    """The field of a bunch in free space, by FFT on a grid; its charge is that of the real particles (`Beam.weights`).

    Particles outside the grid are lost, with the code of apertures.

    Parameters
    ----------
    size : (width, height, length)
        Of the box around the bunch's centroid that particles may be in [m], > 0.
    grid : (columns, rows, slices)
        Points, >= 4 each.

    Raises
    ------
    InputError
        A number is out of range.
    """

    size: tuple[float, float, float]
    grid: tuple[int, int, int] = (32, 32, 32)

    needs_current: ClassVar[bool] = False
    _AXES: ClassVar[str] = "xyz"

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m]; the current is not used."""
        return MapCall(BUNCH_KICK, constants={"length": length}, what=self)


class _Passage(NamedTuple):
    """What forward and backward runs need.

    Attributes
    ----------
    axes : list of Spline
    phi : (points, ...) array
    forces : list of (n,) arrays
        f_i - sum s_j f_j along each axis.
    c : float
    living : (n,) array
        The shares s_j.
    at : Arrival, or None
        Of bunches.
    """

    axes: list[Spline]
    phi: Array
    forces: list[Array]
    c: Any
    living: Array
    at: Arrival | None


def _shares(weights: Array) -> Array:
    """s_j; all 0 where nobody has weight."""
    total = float(weights.sum())
    return weights / total if total > 0.0 else weights


def _green(what: _OpenField, ref: ReferenceValues, like: Array) -> Array:
    if isinstance(what, OpenField2D):
        table: Any = _line_table(what)
    elif is_traced(ref.inverse_gamma0_squared):
        return _point_table(what, ref.inverse_gamma0_squared)
    else:
        table = _kept_point_table(what, float(ref.inverse_gamma0_squared))
    return namespace(like).asarray(table) if is_cupy(like) else table


@cache
def _line_table(what: OpenField2D) -> np.ndarray:
    return line_green(what.steps, what.grid)


def _point_table(what: _OpenField, inverse_gamma0_squared: Any) -> Array:
    x, y, z = what.steps
    return point_green((x, y, z / inverse_gamma0_squared**0.5), what.grid)


@cache
def _kept_point_table(what: _OpenField, inverse_gamma0_squared: float) -> Any:
    return _point_table(what, inverse_gamma0_squared)


def _strength(bunch: Bunch, op: Any, ref: ReferenceValues) -> Any:
    """c/length of the kick."""
    if isinstance(op.what, OpenField2D):
        return 0.5 * perveance(op.current, ref)
    charge = bunch.charge * ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY)  # V m
    return bunch.total * charge * ref.charge_over_momentum * ref.inverse_gamma0_squared**0.5 / ref.beta0


def _places(bunch: Bunch, what: _OpenField, ref: ReferenceValues) -> tuple[list[Array], Arrival | None]:
    """Positions along the axes."""
    c = bunch.coordinates
    if isinstance(what, OpenField2D):
        return [c[0], c[2]], None
    at = arrival(c, ref)
    return [c[0], c[2], at.zeta], at


def _passage(bunch: Bunch, op: Any, ref: ReferenceValues) -> _Passage:
    what, living = op.what, _shares(bunch.weights)
    positions, at = _places(bunch, what, ref)
    xp = namespace(*positions)
    centred = [x - xp.sum(living * x) for x in positions]
    axes = [spline(*own) for own in zip(centred, what.steps, what.grid, strict=True)]
    share = bunch.weights / bunch.total
    phi = convolved(_green(what, ref, share), deposited(axes, [0] * len(axes), share))
    forces = gathered(axes, phi, _units(len(axes)))
    forces = [f - xp.sum(living * f) for f in forces]
    return _Passage(axes, phi, forces, op.length * _strength(bunch, op, ref), living, at)


def _units(count: int) -> list[list[int]]:
    """Orders of the first derivatives along each axis."""
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
    """Kick of all particles by the field of all."""
    return _kicked(bunch, op, ref, 1.0)


def unopen_kick(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Inverse: positions, and arrival times, are the same on both sides."""
    return _kicked(bunch, op, ref, -1.0)


def open_kick_adjoint(bunch: Bunch, op: Any, ref: ReferenceValues, bar: Array) -> Bars:
    """Derivatives, as derived above; `bunch` is the beam before the kick."""
    p, xp, count = _passage(bunch, op, ref), namespace(bar), len(op.what.grid)
    z, delta, reference = bunch.coordinates[4], bunch.coordinates[5], np.zeros(len(ref))
    bars, momenta = [bar[i] for i in range(6)], [bar[1], bar[3]]
    if p.at is not None:
        b2 = ref.beta0 * ref.beta0
        bars[4], bars[5], step_bar, own = with_energy_bars(z, delta, -p.c * b2 * p.forces[2], ref, bar[4], bar[5])
        reference = reference + own
        reference[0] += float(xp.sum(step_bar * p.forces[2])) * -2.0 * p.c * ref.beta0
        momenta.append(b2 * step_bar)
    free = [m - p.living * xp.sum(m) for m in momenta]
    units = _units(count)
    gamma = sum(deposited(p.axes, unit, m) for unit, m in zip(units, free, strict=True))
    green = _green(op.what, ref, bar)
    r = -p.c * convolved(green, gamma)
    slopes = gathered(p.axes, r, units)
    pairs = [[int(i == a) + int(i == b) for i in range(count)] for a in range(count) for b in range(count)]
    second = gathered(p.axes, p.phi, pairs)
    share, places = bunch.weights / bunch.total, []
    for a in range(count):
        own_bar = share * slopes[a] - p.c * sum(free[b] * second[count * a + b] for b in range(count))
        places.append(own_bar - p.living * xp.sum(own_bar))
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
    """Derivatives with respect to the constants and the reference's values, by way of c and of G."""
    if isinstance(op.what, OpenField2D):
        current_bar, reference = perveance_bars(0.5 * op.length * c_bar, op.current, ref)
        return np.array([0.5 * perveance(op.current, ref) * c_bar, current_bar]), np.array(reference)
    _, rate = pushed_forward(lambda g: _point_table(op.what, g), (ref.inverse_gamma0_squared,), (1.0,))
    xp = namespace(gamma)
    density = deposited(p.axes, [0, 0, 0], bunch.weights / bunch.total)
    change = convolved(xp.asarray(rate) if is_cupy(gamma) else rate, density)
    total, squeeze = c_bar * p.c, -p.c * float(xp.sum(change * gamma))
    by_gamma = 0.5 * total / ref.inverse_gamma0_squared + squeeze
    reference = [-total / ref.beta0, by_gamma, 0.0, total / ref.charge_over_momentum, 0.0]
    return np.array([c_bar * _strength(bunch, op, ref)]), np.array(reference)


def inside_grid(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Who is on the grid around the centroid of those who are."""
    positions, _ = _places(bunch, op.what, ref)
    weights = bunch.weights
    xp = namespace(weights)
    inside = weights == weights
    while True:
        living = _shares(xp.where(inside, weights, 0.0))
        here = inside
        for x, size in zip(positions, op.what.size, strict=True):
            here = here & (abs(x - xp.sum(living * x)) < 0.5 * size)
        if not bool(xp.any(inside & ~here)):
            return inside
        inside = here


LINE_KICK = CollectiveKind(
    "line_kick", open_kick, unopen_kick, open_kick_adjoint, inside_grid, constants=("length", "current")
)
BUNCH_KICK = CollectiveKind(
    "bunch_kick", open_kick, unopen_kick, open_kick_adjoint, inside_grid, constants=("length",)
)
