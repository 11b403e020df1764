"""Slices of a bunch along its length: how particles are assigned to them, and how wakes of slices add up.

Distances are in zeta = -beta0 c tau [m], tau the lateness, which wakes leave as it is; zeta > 0 is the head.
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

BLOCK = 1 << 16  # particles: so many rows of a table of slices fit a GPU's memory


class Assignment(NamedTuple):
    """Particles among slices.

    Attributes
    ----------
    index : (n,) integer array
        Slice before the particle; the next one is behind it.
    fraction : (n,) array
        Part of the way from the one to the other.
    owner : (n,) integer array, or None
        The slice that a particle belongs to as a whole; None where it belongs to two of them in parts.
    centres : (slices,) array
        Where slices are [m]; a NumPy array, or a traced one.
    """

    index: Array
    fraction: Array
    owner: Array | None
    centres: Array


def deposited(assignment: Assignment, values: Array, count: int) -> Array:
    """Sum of values (n,) in each slice, (slices,) in NumPy memory: a fixed order on every device."""
    if assignment.owner is not None:
        return summed(assignment.owner, values, count)
    f = assignment.fraction
    return summed(assignment.index, values * (1.0 - f), count) + summed(assignment.index + 1, values * f, count)


def gathered(assignment: Assignment, values: Array) -> Array:
    """Values of slices at the particles, linear between centres, (n,) on their device."""
    xp = namespace(assignment.fraction)
    table = xp.asarray(values) if is_cupy(assignment.fraction) else values
    before, behind = table[assignment.index], table[assignment.index + 1]
    return before + assignment.fraction * (behind - before)


def summed(index: Array, values: Array, count: int) -> Array:
    """Values (n,) added up by index, (count,) in NumPy memory."""
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


#: S(D), the integral of a wake over distances from 0 to D [m], and the wake itself W(D)
Wake = Callable[[Array], Array]


@dataclass(frozen=True)
class UniformBins:
    """Slices of equal length; a particle belongs in linear parts to the two whose centres are next to it.

    Parameters
    ----------
    number : int
        Slices, >= 2.
    span : (first, last)
        Their centres reach from the one to the other [m]. Particles beyond are lost, with the code of apertures:
        choose it wide enough.
    """

    number: int
    span: tuple[float, float]

    def __post_init__(self) -> None:
        require_integer("UniformBins", "number", self.number, at_least=2)
        if not isinstance(self.span, (tuple, list)) or len(self.span) != 2:
            raise InputError(f"UniformBins: span must be two numbers, got {short(self.span)}")
        first, last = (require_number("UniformBins", "span", value, unit="m") for value in self.span)
        if not first < last:
            raise InputError(f"UniformBins: span must rise, got {first!r} to {last!r} m")
        object.__setattr__(self, "span", (first, last))

    @property
    def step(self) -> float:
        """Distance between neighbouring centres [m]."""
        return (self.span[1] - self.span[0]) / (self.number - 1)

    def inside(self, zeta: Array) -> Array:
        """Which particles are among the slices."""
        return (zeta >= self.span[0]) & (zeta <= self.span[1])

    def assign(self, zeta: Array, weights: Array) -> Assignment:
        """Assign particles; those of weight 0 may be anywhere."""
        xp = namespace(weights)
        place = (zeta - self.span[0]) / self.step
        plain = xp.where(weights > 0, untraced(place), 0.0)
        index = xp.clip(xp.floor(plain), 0, self.number - 2).astype(xp.int64)
        centres = self.span[0] + self.step * np.arange(self.number)
        return Assignment(index, place - index, None, centres)

    def voltages(self, wake: Wake, integral: Wake, source: Array, there: Array, here: Array, ahead: Any) -> Array:
        """Sum over slices of source times wake, at each slice; the wake is averaged over a slice.

        V_k = sum_m source_m (S(D + h/2) - S(D - h/2))/h with D = ahead + (m - k) h: that of a slice on itself is half
        of W(0), the fundamental theorem of beam loading. A convolution, by FFT.
        """
        count, h = self.number, self.step
        distance = ahead - h * np.arange(1 - count, count)  # of the source at m as seen from k, by k - m
        kernel = (_causal(integral, distance + 0.5 * h) - _causal(integral, distance - 0.5 * h)) / h
        wrapped = anp.concatenate([kernel[count - 1 :], np.zeros(1), kernel[: count - 1]])
        padded = anp.concatenate([source, np.zeros(count)])
        return anp.real(anp.fft.ifft(anp.fft.fft(padded) * anp.fft.fft(wrapped)))[:count]


@dataclass(frozen=True)
class Quantiles:
    """Slices with equal numbers of particles, each at the mean of its own.

    They follow the bunch; derivatives are those for the order that the particles are in. Where fewer particles are
    alive than there are slices, as after losses, each is a slice of its own, and the slices left over are empty: they
    do not act.

    Parameters
    ----------
    number : int
        Slices, >= 2.
    """

    number: int

    def __post_init__(self) -> None:
        require_integer("Quantiles", "number", self.number, at_least=2)

    def inside(self, zeta: Array) -> Array:
        """All particles are."""
        return zeta == zeta

    def assign(self, zeta: Array, weights: Array) -> Assignment:
        """Assign particles by rank; those of weight 0 do not count, at least one must."""
        xp, count = namespace(weights), self.number
        alive = weights > 0
        living = int(alive.sum())
        filled = min(count, living)  # the slices behind stay empty
        order = xp.argsort(xp.where(alive, untraced(zeta), xp.inf), stable=True)
        rank = xp.zeros(order.shape, dtype=xp.int64)
        rank[order] = xp.arange(order.shape[0])
        owner = xp.minimum(rank * filled // living, filled - 1)
        loaded = Assignment(owner, zeta, owner, None)
        loads = deposited(loaded, weights + 0.0 * zeta, count)[:filled]
        centres = deposited(loaded, weights * zeta, count)[:filled] / loads
        if filled < count:  # at the place of the last one, so that nobody lies between them
            centres = anp.concatenate([centres, anp.repeat(centres[-1:], count - filled)])
        plain = xp.asarray(untraced(centres))
        index = xp.clip(xp.searchsorted(plain, untraced(zeta)) - 1, 0, count - 2)
        table = xp.asarray(centres) if is_cupy(zeta) else centres
        first = table[index]
        gap = table[index + 1] - first
        apart = untraced(gap) > 0.0  # two slices at one place have the same voltage
        own = namespace(gap, zeta)
        fraction = own.where(apart, zeta - first, 0.0) / own.where(apart, gap, 1.0)
        return Assignment(index, fraction, owner, centres)

    def voltages(self, wake: Wake, integral: Wake, source: Array, there: Array, here: Array, ahead: Any) -> Array:
        """Sum over slices of source times wake at the distance of centres; half of W(0) for a slice on itself."""
        distance = ahead + there[None, :] - here[:, None]
        plain = untraced(distance)
        table = anp.where(plain > 0, wake(anp.where(plain > 0, distance, 0.0)), 0.0)
        table = anp.where(plain == 0, 0.5 * wake(0.0 * distance), table)
        return anp.sum(table * source[None, :], axis=1)


def _causal(integral: Wake, distance: Array) -> Array:
    """S at distances > 0, 0 at others."""
    plain = untraced(distance)
    ahead = plain > 0  # in place of the others stands one at which the integral is finite
    return anp.where(ahead, integral(anp.where(ahead, distance, np.max(plain))), 0.0)
