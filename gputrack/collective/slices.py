"""Longitudinal slices of a bunch: assignment of particles, and sums of the wakes of slices.

Positions are zeta = -beta0 c tau [m] with the delay tau, which wakes do not change; zeta > 0 is the head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, is_cupy, namespace, untraced
from gputrack.base.checks import require_integer, require_number, short
from gputrack.base.errors import InputError

BLOCK = 1 << 16  # particles per block, so that a table of slices by particles fits into the memory of a GPU


class Assignment(NamedTuple):
    """Assignment of particles to slices.

    Attributes
    ----------
    index : (n,) integer array
        Slice whose centre precedes the particle; the particle is between it and the next one.
    fraction : (n,) array
        Relative distance from the first centre to the second.
    owner : (n,) integer array, or None
        The slice to which a particle belongs; None where it is shared linearly between two slices.
    centres : (slices,) array
        Centres of the slices [m]; a NumPy array, or a traced one.
    """

    index: Array
    fraction: Array
    owner: Array | None
    centres: Array


def deposited(assignment: Assignment, values: Array, count: int) -> Array:
    """Sum of values (n,) in each slice, (slices,) in NumPy memory, in a fixed order on every device."""
    if assignment.owner is not None:
        return summed(assignment.owner, values, count)
    f = assignment.fraction
    return summed(assignment.index, values * (1.0 - f), count) + summed(assignment.index + 1, values * f, count)


def gathered(assignment: Assignment, values: Array) -> Array:
    """Values of slices interpolated linearly to the particles, (n,) on their device."""
    xp = namespace(assignment.fraction)
    table = xp.asarray(values) if is_cupy(assignment.fraction) else values
    before, behind = table[assignment.index], table[assignment.index + 1]
    return before + assignment.fraction * (behind - before)


def summed(index: Array, values: Array, count: int) -> Array:
    """Sums of values (n,) for each index, (count,) in NumPy memory."""
    if type(values).__module__.startswith("autograd."):
        return anp.matmul(1.0 * (np.arange(count)[:, None] == index[None, :]), values)
    if not is_cupy(values):
        return np.bincount(index, weights=values, minlength=count)
    xp = namespace(values)
    total = xp.zeros(count)
    rows = xp.arange(count)[:, None]
    for start in range(0, values.shape[0], BLOCK):
        part = slice(start, start + BLOCK)
        total = total + xp.matmul((rows == index[None, part]).astype(values.dtype), values[part])
    return total.get()


#: a wake function W(D) or its integral S(D) from 0 to D [m]
Wake = Callable[[Array], Array]


@dataclass(frozen=True)
class UniformBins:
    """Slices of equal length; a particle is shared linearly between the two slices with the nearest centres.

    Parameters
    ----------
    number : int
        Number of slices, >= 2.
    span : (first, last)
        Positions of the first and the last centre [m]. Particles outside are lost, with the loss code of apertures.
    """

    number: int
    span: tuple[float, float]

    def __post_init__(self) -> None:
        require_integer("UniformBins", "number", self.number, at_least=2)
        if not isinstance(self.span, (tuple, list)) or len(self.span) != 2:
            raise InputError(f"UniformBins: span must be two numbers, got {short(self.span)}")
        first, last = (require_number("UniformBins", "span", value, unit="m") for value in self.span)
        if not first < last:
            raise InputError(f"UniformBins: span must increase, got {first!r} to {last!r} m")
        object.__setattr__(self, "span", (first, last))

    @property
    def step(self) -> float:
        """Distance between neighbouring centres [m]."""
        return (self.span[1] - self.span[0]) / (self.number - 1)

    def inside(self, zeta: Array) -> Array:
        """Mask of particles within the slices."""
        return (zeta >= self.span[0]) & (zeta <= self.span[1])

    def assign(self, zeta: Array, weights: Array) -> Assignment:
        """Assign particles; the position of those of weight 0 is arbitrary."""
        xp = namespace(weights)
        place = (zeta - self.span[0]) / self.step
        plain = xp.where(weights > 0, untraced(place), 0.0)
        index = xp.clip(xp.floor(plain), 0, self.number - 2).astype(xp.int64)
        centres = self.span[0] + self.step * np.arange(self.number)
        return Assignment(index, place - index, None, centres)

    def voltages(self, wake: Wake, integral: Wake, source: Array, there: Array, here: Array, ahead: Any) -> Array:
        """Sum over slices of source times wake, at each slice; the wake is averaged over the length of a slice.

        V_k = sum_m source_m (S(D + h/2) - S(D - h/2))/h with D = ahead + (m - k) h. The wake of a slice on itself is
        W(0)/2, in agreement with the fundamental theorem of beam loading. The sum is a convolution, done by FFT.
        """
        count, h = self.number, self.step
        distance = ahead - h * np.arange(1 - count, count)  # of source m ahead of slice k, for each k - m
        kernel = (_causal(integral, distance + 0.5 * h) - _causal(integral, distance - 0.5 * h)) / h
        wrapped = anp.concatenate([kernel[count - 1 :], np.zeros(1), kernel[: count - 1]])
        padded = anp.concatenate([source, np.zeros(count)])
        return anp.real(anp.fft.ifft(anp.fft.fft(padded) * anp.fft.fft(wrapped)))[:count]


@dataclass(frozen=True)
class Quantiles:
    """Slices with equal numbers of particles, each centred at the mean of its particles.

    They follow the bunch; derivatives hold for a constant longitudinal order of the particles. If fewer particles
    survive than there are slices, each survivor is a slice and the remaining slices are empty and have no effect.

    Parameters
    ----------
    number : int
        Number of slices, >= 2.
    """

    number: int

    def __post_init__(self) -> None:
        require_integer("Quantiles", "number", self.number, at_least=2)

    def inside(self, zeta: Array) -> Array:
        """Mask of particles within the slices: all."""
        return zeta == zeta

    def assign(self, zeta: Array, weights: Array) -> Assignment:
        """Assign particles by rank, without those of weight 0; at least one weight must be > 0."""
        xp, count = namespace(weights), self.number
        alive = weights > 0
        survivors = int(alive.sum())
        filled = min(count, survivors)  # the others are empty
        order = xp.argsort(xp.where(alive, untraced(zeta), xp.inf), stable=True)
        rank = xp.zeros(order.shape, dtype=xp.int64)
        rank[order] = xp.arange(order.shape[0])
        owner = xp.minimum(rank * filled // survivors, filled - 1)
        loaded = Assignment(owner, zeta, owner, None)
        loads = deposited(loaded, weights + 0.0 * zeta, count)[:filled]
        centres = deposited(loaded, weights * zeta, count)[:filled] / loads
        if filled < count:  # empty slices are placed at the last centre, so that no particle lies between them
            centres = anp.concatenate([centres, anp.repeat(centres[-1:], count - filled)])
        plain = xp.asarray(untraced(centres))
        index = xp.clip(xp.searchsorted(plain, untraced(zeta)) - 1, 0, count - 2)
        table = xp.asarray(centres) if is_cupy(zeta) else centres
        first = table[index]
        gap = table[index + 1] - first
        apart = untraced(gap) > 0.0  # two slices with the same centre have the same voltage
        own = namespace(gap, zeta)
        fraction = own.where(apart, zeta - first, 0.0) / own.where(apart, gap, 1.0)
        return Assignment(index, fraction, owner, centres)

    def voltages(self, wake: Wake, integral: Wake, source: Array, there: Array, here: Array, ahead: Any) -> Array:
        """Sum over slices of source times wake at the distance of centres; W(0)/2 for a slice on itself."""
        distance = ahead + there[None, :] - here[:, None]
        plain = untraced(distance)
        table = anp.where(plain > 0, wake(anp.where(plain > 0, distance, 0.0)), 0.0)
        table = anp.where(plain == 0, 0.5 * wake(0.0 * distance), table)
        return anp.sum(table * source[None, :], axis=1)


def _causal(integral: Wake, distance: Array) -> Array:
    """S at distances > 0, and 0 at others."""
    plain = untraced(distance)
    ahead = plain > 0  # others are replaced by a distance where the integral is finite
    return anp.where(ahead, integral(anp.where(ahead, distance, np.max(plain))), 0.0)
