"""Kicks by the wakefields of the slices of a bunch, of the present turn and of earlier turns.

With s_k(zeta) the weight of slice k for a particle, m_k = sum_j w_j a_j s_k(zeta_j) the moment that drives the wake
(a = 1, or the offset x or y for a dipolar wake) and V_k = sum_l m_l W(zeta_l - zeta_k), each particle has

    longitudinal: E -= q^2 V(zeta),   dipolar: p_x c += q^2 V(zeta)/beta,   quadrupolar: p_x c += q^2 x V(zeta)/beta,

where V(zeta) is interpolated linearly between slices. The kick changes neither zeta, hence the arrival time, nor x and
y, so that its inverse is the opposite kick. z changes with the energy at constant arrival time, as in a cavity. (The
energy loss by a transverse wake, of second order in the offsets, is neglected, as is common.)

Adjoint. Particles interact only through the moments m_k and the voltages V_k, so that the derivative has three parts:
the gather of V_k at the particles, whose adjoint is a deposition; V_k as a function of m_k, the centres, the moments of
earlier turns and the parameters of the wake, small arrays on the host, by autograd; the deposition of m_k, whose
adjoint is a gather. Cotangents (bars) of the moments of earlier turns are stored for the backward sweep of those turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from autograd import make_vjp

from gputrack.base.arrays import Array, is_cupy, is_traced, namespace
from gputrack.base.constants import ELEMENTARY_CHARGE
from gputrack.collective.arrival import Arrival, arrival, arrival_bars, with_energy, with_energy_bars
from gputrack.collective.slices import Assignment, Quantiles, UniformBins, deposited, gathered, summed
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import ReferenceValues

#: component to (row of the driving offset, row of the momentum that changes, row to which the kick is proportional)
COMPONENTS: dict[str, tuple[int | None, int | None, int | None]] = {
    "longitudinal": (None, None, None),
    "dipolar_x": (0, 1, None),
    "dipolar_y": (2, 3, None),
    "quadrupolar_x": (None, 1, 0),
    "quadrupolar_y": (None, 3, 2),
}


@dataclass(frozen=True)
class WakeEffect:
    """Non-differentiable data of a wakefield.

    Parameters
    ----------
    owner : str
        Class and name of the element, for messages.
    make : callable
        ``make(values, transverse, beta0)`` returns the wake function for given values of its parameters.
    component : str
        A key of `COMPONENTS`.
    slices : UniformBins or Quantiles
    turns : int
        Number of earlier turns whose wake acts.
    count : int
        Number of parameters of the wake function.
    """

    owner: str
    make: Callable[..., Any]
    component: str
    slices: UniformBins | Quantiles
    turns: int
    count: int


class _Passage(NamedTuple):
    """Intermediate results of the map, which its adjoint uses as well."""

    at: Arrival
    assignment: Assignment
    moments: Array
    voltages: Array  # of slices
    past: list[tuple[int, Array, Array]]  # number of turns ago, moments, centres


def _passage(bunch: Bunch, op: Any, ref: ReferenceValues) -> _Passage:
    effect: WakeEffect = op.effect
    at = arrival(bunch.coordinates, ref)
    assignment = effect.slices.assign(at.zeta, bunch.weights)
    offset = COMPONENTS[effect.component][0]
    driving = bunch.weights + 0.0 * at.zeta if offset is None else bunch.weights * bunch.coordinates[offset]
    moments = deposited(assignment, driving, effect.slices.number)
    past = _past(bunch, op)
    values = op.values, op.period, ref.beta0
    return _Passage(at, assignment, moments, _voltages(effect, moments, assignment.centres, values, past), past)


def _past(bunch: Bunch, op: Any) -> list[tuple[int, Array, Array]]:
    if bunch.memory is None:
        return []
    states = ((ago, bunch.memory.state(op.number, bunch.turn - ago)) for ago in range(1, op.effect.turns + 1))
    return [(ago, state[0], state[1]) for ago, state in states if state is not None]


def _voltages(
    effect: WakeEffect,
    moments: Array,
    centres: Array,
    values: tuple[Any, Any, Any],
    past: list[tuple[int, Array, Array]],
) -> Array:
    """Voltage per particle charge of each slice [V/C], from this turn and earlier turns."""
    parameters, period, beta0 = values
    function = effect.make(parameters, effect.component != "longitudinal", beta0)
    total = effect.slices.voltages(function.wake, function.integral, moments, centres, centres, 0.0)
    for ago, then, there in past:
        total = total + effect.slices.voltages(function.wake, function.integral, then, there, centres, ago * period)
    return total


def _rates(bunch: Bunch, op: Any, ref: ReferenceValues) -> tuple[Any, Any]:
    """Energy in units of E0 and momentum in units of p0 for a voltage per particle charge [1/(V/C)]."""
    charge = bunch.charge * ELEMENTARY_CHARGE
    return -charge * ref.charge_over_energy, charge * ref.charge_over_momentum / ref.beta0


def _kicked(bunch: Bunch, op: Any, ref: ReferenceValues, p: _Passage, sign: float) -> Array:
    _, momentum, along = COMPONENTS[op.effect.component]
    energy_rate, momentum_rate = _rates(bunch, op, ref)
    felt = gathered(p.assignment, p.voltages)
    rows = [bunch.coordinates[i] for i in range(6)]
    if momentum is None:
        rows[4], rows[5] = with_energy(rows[4], rows[5], sign * energy_rate * felt, ref)
    else:
        rows[momentum] = rows[momentum] + sign * momentum_rate * (felt if along is None else felt * rows[along])
    return namespace(rows[0], felt).stack(rows)


def wake(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Kick of all particles; the moments are stored for later turns."""
    p, memory = _passage(bunch, op, ref), bunch.memory
    if op.effect.turns and memory is not None and not is_traced(bunch.coordinates):
        memory.store(op.number, bunch.turn, (p.moments, p.assignment.centres), op.effect.turns)
    return _kicked(bunch, op, ref, p, 1.0)


def unwake(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Inverse of `wake`, which changes neither arrival times nor offsets."""
    return _kicked(bunch, op, ref, _passage(bunch, op, ref), -1.0)


def wake_adjoint(bunch: Bunch, op: Any, ref: ReferenceValues, bar: Array) -> Bars:
    """Adjoint as derived above; `bunch` is the beam before the kick."""
    p, xp = _passage(bunch, op, ref), namespace(bunch.weights)
    offset, momentum, along = COMPONENTS[op.effect.component]
    energy_rate, momentum_rate = _rates(bunch, op, ref)
    felt = gathered(p.assignment, p.voltages)
    rows = [bunch.coordinates[i] for i in range(6)]
    bars, reference = [bar[i] for i in range(6)], np.zeros(len(ref))
    if momentum is None:
        bars[4], bars[5], step_bar, own = with_energy_bars(rows[4], rows[5], energy_rate * felt, ref, bar[4], bar[5])
        reference += own
        felt_bar, rate_bar = energy_rate * step_bar, float(xp.sum(step_bar * felt))
        reference[2] += rate_bar * energy_rate / ref.charge_over_energy
    else:
        carried = felt if along is None else felt * rows[along]
        rate_bar = float(xp.sum(bar[momentum] * carried))
        reference[3] += rate_bar * momentum_rate / ref.charge_over_momentum
        reference[0] -= rate_bar * momentum_rate / ref.beta0
        felt_bar = momentum_rate * bar[momentum] * (1.0 if along is None else rows[along])
        if along is not None:
            bars[along] = bars[along] + momentum_rate * bar[momentum] * felt
    felt_bar = xp.where(bunch.weights > 0, felt_bar, 0.0)
    voltage_bar, place_bar, centre_bar = _gather_bars(p, felt_bar)
    moment_bar, own_centre_bar, values_bar, beta_bar = _voltage_bars(bunch, op, ref, p, voltage_bar)
    reference[0] += beta_bar
    zeta_bar, offset_bar = _deposit_bars(bunch, p, rows, offset, moment_bar)
    zeta_bar = zeta_bar + place_bar + _centre_bars(bunch, p, centre_bar + own_centre_bar)
    if offset is not None:
        bars[offset] = bars[offset] + offset_bar
    z_bar, delta_bar, own = arrival_bars(rows[4], rows[5], p.at, ref, zeta_bar)
    bars[4], bars[5] = bars[4] + z_bar, bars[5] + delta_bar
    return Bars(xp.stack(bars), values_bar, reference + own)


def _table(values: Any, like: Array) -> Array:
    return namespace(like).asarray(values) if is_cupy(like) else values


def _gather_bars(p: _Passage, felt_bar: Array) -> tuple[np.ndarray, Array, np.ndarray]:
    """Cotangents of the voltages of slices, of zeta and of centres from those of the voltages at particles."""
    a, count = p.assignment, p.voltages.shape[0]
    voltage_bar = summed(a.index, felt_bar * (1.0 - a.fraction), count) + summed(
        a.index + 1, felt_bar * a.fraction, count
    )
    voltages, centres = _table(p.voltages, felt_bar), _table(p.assignment.centres, felt_bar)
    gap = centres[a.index + 1] - centres[a.index]
    gap = namespace(gap).where(gap > 0.0, gap, namespace(gap).inf)
    slope = felt_bar * (voltages[a.index + 1] - voltages[a.index]) / gap
    centre_bar = summed(a.index, slope * (a.fraction - 1.0), count) - summed(a.index + 1, slope * a.fraction, count)
    return voltage_bar, slope, centre_bar


def _voltage_bars(
    bunch: Bunch, op: Any, ref: ReferenceValues, p: _Passage, bar: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    """Cotangents of moments, centres, constants of the wake and beta0; those of earlier turns are stored.

    Cotangents that later turns have stored for this turn are added.
    """
    past, centres = p.past, p.assignment.centres
    sizes = [len(p.moments), len(centres), *(n for _, m, c in past for n in (len(m), len(c)))]
    ends = np.cumsum(sizes).tolist()

    def voltages(numbers: Any) -> Any:
        parts = [numbers[end - size : end] for size, end in zip(sizes, ends, strict=True)]
        then = [(ago, parts[2 + 2 * i], parts[3 + 2 * i]) for i, (ago, _, _) in enumerate(past)]
        rest = numbers[ends[-1] :]
        values = [rest[2 + i] for i in range(op.effect.count)], rest[0], rest[1]
        return _voltages(op.effect, parts[0], parts[1], values, then)

    flat = [p.moments, centres, *(part for _, m, c in past for part in (m, c)), [op.period, ref.beta0], op.values]
    pull, _ = make_vjp(voltages)(np.concatenate([np.asarray(part, dtype=float) for part in flat]))
    pulled = pull(bar)
    parts = [pulled[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    for i, (ago, _, _) in enumerate(past):
        assert bunch.memory is not None
        bunch.memory.add_cotangents(op.number, bunch.turn - ago, (parts[2 + 2 * i], parts[3 + 2 * i]))
    later = None if bunch.memory is None else bunch.memory.cotangents(op.number, bunch.turn)
    moment_bar, centre_bar = parts[:2] if later is None else (parts[0] + later[0], parts[1] + later[1])
    rest = pulled[ends[-1] :]
    return moment_bar, centre_bar, np.concatenate([rest[:1], rest[2:]]), rest[1]


def _deposit_bars(
    bunch: Bunch, p: _Passage, rows: list[Array], offset: int | None, moment_bar: np.ndarray
) -> tuple[Array, Array]:
    """Cotangents of zeta, through the weights of slices, and of the driving offset from those of moments."""
    a, w = p.assignment, bunch.weights
    table = _table(moment_bar, w)
    drive = w if offset is None else w * rows[offset]
    if a.owner is not None:
        return 0.0 * w, w * table[a.owner]
    before, behind = table[a.index], table[a.index + 1]
    gap = float(a.centres[1] - a.centres[0])
    return drive * (behind - before) / gap, w * (before + a.fraction * (behind - before))


def _centre_bars(bunch: Bunch, p: _Passage, centre_bar: np.ndarray) -> Array:
    """Cotangents of zeta from those of centres, which are means of zeta."""
    owner, w = p.assignment.owner, bunch.weights
    if owner is None:
        return 0.0 * w
    loads = summed(owner, w, len(centre_bar))  # 0 for empty slices
    return w * _table(centre_bar / np.where(loads > 0.0, loads, 1.0), w)[owner]


def inside_slices(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Mask of particles within the slices."""
    return op.effect.slices.inside(arrival(bunch.coordinates, ref).zeta)


WAKE = CollectiveKind(
    "wake", wake, unwake, wake_adjoint, inside_slices, ("period",), {"values": "count"},
    earlier_turns=lambda effect: int(effect.turns),
)  # fmt: skip
