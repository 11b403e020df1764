"""Arrival times, and changes of energy at constant arrival time; with their adjoints.

With opd = 1 + delta and E = sqrt(beta0^2 opd^2 + 1/gamma0^2) in units of E0, the velocity divided by that of the
reference particle is v = 1 + slip, slip = delta (2 + delta)/gamma0^2/(E (opd + E)), and zeta = z/v = -beta0 c tau.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gputrack.base.arrays import Array, namespace, sqrt, untraced
from gputrack.elements.map import ReferenceValues


class Arrival(NamedTuple):
    """zeta [m] and velocity relative to that of the reference particle, (n,) each."""

    zeta: Array
    velocity: Array


def arrival(coordinates: Array, ref: ReferenceValues) -> Arrival:
    """Arrival of particles (6, n)."""
    v = velocity(coordinates[5], ref)
    return Arrival(coordinates[4] / v, v)


def velocity(delta: Array, ref: ReferenceValues) -> Array:
    """Velocity v of particles (n,), without cancellation."""
    opd = 1.0 + delta
    energy = sqrt(ref.beta0 * ref.beta0 * opd * opd + ref.inverse_gamma0_squared)
    return 1.0 + delta * (2.0 + delta) * ref.inverse_gamma0_squared / (energy * (opd + energy))


def velocity_bars(delta: Array, ref: ReferenceValues, bar: Array) -> tuple[Array, np.ndarray]:
    """Cotangents of delta (n,) and of the reference values (5,) from the cotangent of v."""
    xp = namespace(delta)
    b, g = ref.beta0, ref.inverse_gamma0_squared
    opd = 1.0 + delta
    energy = sqrt(b * b * opd * opd + g)
    excess = delta * (2.0 + delta)
    by_energy = -excess * g * (opd + 2.0 * energy) / (energy * (opd + energy)) ** 2
    beta_bar = xp.sum(bar * by_energy * b * opd * opd / energy)
    gamma_bar = xp.sum(bar * (excess / (energy * (opd + energy)) + 0.5 * by_energy / energy))
    return bar * g / energy**3, np.array([float(beta_bar), float(gamma_bar), 0.0, 0.0, 0.0])


def arrival_bars(
    z: Array, delta: Array, at: Arrival, ref: ReferenceValues, bar: Array
) -> tuple[Array, Array, np.ndarray]:
    """Cotangents of z, delta and the reference values from the cotangent of zeta."""
    delta_bar, reference = velocity_bars(delta, ref, -bar * z / at.velocity**2)
    return bar / at.velocity, delta_bar, reference


def with_energy(z: Array, delta: Array, step: Array, ref: ReferenceValues) -> tuple[Array, Array]:
    """z and delta after a change of energy by `step`, in units of E0, at constant arrival time, as in a cavity."""
    v = velocity(delta, ref)
    opd = 1.0 + delta
    gain = step * (2.0 * opd / v + step) / (ref.beta0 * ref.beta0)
    xp, possible = namespace(delta, step), _possible(opd, opd / v, step, gain)
    new_opd = sqrt(xp.where(possible, opd * opd + gain, 1.0))
    after = xp.where(possible, delta + gain / (new_opd + opd), 0.0)
    return z * (velocity(after, ref) / v), xp.where(possible, after, xp.nan)


def _possible(opd: Array, energy: Array, step: Array, gain: Array) -> Array:
    """Mask of particles with positive energy and momentum after the change."""
    return (untraced(opd * opd + gain) > 0.0) & (untraced(energy + step) > 0.0)


def with_energy_bars(
    z: Array, delta: Array, step: Array, ref: ReferenceValues, z_bar: Array, delta_bar: Array
) -> tuple[Array, Array, Array, np.ndarray]:
    """Cotangents of z, delta, step and the reference values from those of the results of `with_energy`.

    They are 0 for particles that are lost because more than their energy was removed.
    """
    xp, b = namespace(delta), ref.beta0
    v, opd = velocity(delta, ref), 1.0 + delta
    energy = opd / v
    gain = step * (2.0 * energy + step) / (b * b)
    possible = _possible(opd, energy, step, gain)
    step, gain = xp.where(possible, step, 0.0), xp.where(possible, gain, 0.0)
    new_opd = sqrt(opd * opd + gain)
    after = delta + gain / (new_opd + opd)
    new_v = velocity(after, ref)
    by_velocity, reference = velocity_bars(after, ref, z_bar * z / v)
    after_bar = delta_bar + by_velocity
    gain_bar = 0.5 * after_bar / new_opd
    energy_bar = gain_bar * 2.0 * step / (b * b)
    v_bar = -z_bar * z * new_v / (v * v) - energy_bar * opd / (v * v)
    direct, from_velocity = velocity_bars(delta, ref, v_bar)
    before_bar = after_bar * opd / new_opd + energy_bar / v + direct
    reference = reference + from_velocity
    reference[0] -= float(xp.sum(gain_bar * 2.0 * gain / b))
    return z_bar * new_v / v, before_bar, gain_bar * 2.0 * (energy + step) / (b * b), reference
