"""The RF bucket of a ring: longitudinal Hamiltonian averaged over a turn, and distributions along its contours.

With deviations (z, delta) from the closed orbit, a turn changes z by T'(delta) and delta by -V'(z):

    T(delta) = sigma (t2 delta^2/2 + t3 delta^3/3 + t4 delta^4/4),   t2 = -slip factor times circumference,
    V(z) = -sigma sum over cavities |q| U/(beta0^2 E0 k) (cos(phi - k z) - cos(phi)),   k = 2 pi f/(beta0 c),

with the sign sigma of t2, so that H = T + V has a minimum at the closed orbit below and above transition. Its contours
are those of the turn map up to the order of the synchrotron tune squared (S. Y. Lee, Accelerator Physics, ch. 3).
A density that depends on H alone is stationary; exp(-H/H0) is normal for small H0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import brentq

from gputrack.base.constants import SPEED_OF_LIGHT
from gputrack.base.errors import InputError
from gputrack.elements import RFCavity
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import turn_program
from gputrack.optics.linear.momentum_series import dispersive_orbit, monomials
from gputrack.optics.linear.trajectory import coasting
from gputrack.optics.linear.twiss_columns import Twiss
from gputrack.optics.maps.taylor_map import pass_maps
from gputrack.tpsa.space import Space

#: terms of the path length in delta
_ORDER = 3
#: points of tables of the distribution: errors of moments are below 1e-6
_POINTS = 4001
#: steps of the search for the end of the bucket, per wavelength of the highest frequency
_STEPS = 512
#: H/H0 up to which a normal distribution is tabulated
_TAIL = 40.0


@dataclass(frozen=True, eq=False)
class Bucket:
    """Longitudinal Hamiltonian of a ring.

    Attributes
    ----------
    slip : (3,) array
        Coefficients t2, t3, t4 [m] of the change of z per turn.
    kicks, phases, waves : (cavities,) arrays
        Amplitudes of delta per turn, phases on the closed orbit [rad], wave numbers k [1/m].
    places : (cavities,) int array
        Cavities in the lattice.
    fill : float
        Largest H, divided by that of the separatrix.
    dispersion : (4, 2) array
        Coefficients of delta^2 and delta^3 of x, px, y, py on the closed orbit.
    """

    slip: np.ndarray
    kicks: np.ndarray
    phases: np.ndarray
    waves: np.ndarray
    places: np.ndarray
    fill: float
    dispersion: np.ndarray

    @property
    def sign(self) -> float:
        """1 below and -1 above transition."""
        return math.copysign(1.0, self.slip[0])

    def kinetic(self, delta: Any) -> Any:
        """T(delta) [m]."""
        t2, t3, t4 = self.sign * self.slip
        return delta * delta * (t2 / 2.0 + delta * (t3 / 3.0 + delta * t4 / 4.0))

    def potential(self, z: Any) -> Any:
        """V(z) [m]; the closed orbit, where the sum of the kicks vanishes up to lumps, is its minimum."""
        phase = self.phases - np.multiply.outer(z, self.waves)
        rest = np.sum(self.kicks * np.sin(self.phases))
        swing = (np.cos(phase) - np.cos(self.phases)) @ (self.kicks / self.waves)
        return -self.sign * (swing - rest * np.asarray(z))

    @property
    def focusing(self) -> float:
        """V'' at the closed orbit [1/m]."""
        return float(self.sign * np.sum(self.kicks * self.waves * np.cos(self.phases)))

    @property
    def tune(self) -> float:
        """Synchrotron tune of small amplitudes."""
        return math.sqrt(abs(self.slip[0]) * self.focusing) / (2.0 * math.pi)

    @property
    def ratio(self) -> float:
        """z/delta of small amplitudes [m]."""
        return math.sqrt(abs(self.slip[0]) / self.focusing)

    @cached_property
    def unstable(self) -> tuple[float, float]:
        """z of the nearest maxima of V on both sides."""
        longest = 2.0 * math.pi / self.waves.min()
        z = np.linspace(0.0, longest, 1 + int(_STEPS * math.ceil(longest * self.waves.max() / (2.0 * math.pi))))
        return -_first_maximum(z, lambda z: self.potential(-z)), _first_maximum(z, self.potential)

    @cached_property
    def steepest(self) -> tuple[float, float]:
        """delta of the nearest extrema of T on both sides, or infinite; beyond, particles slip the other way."""
        roots = np.roots(np.trim_zeros(self.slip[::-1], "f"))
        real = roots.real[np.abs(roots.imag) < 1e-12 * np.abs(roots)]
        low, high = real[real < 0.0], real[real > 0.0]
        return max(low.tolist(), default=-math.inf), min(high.tolist(), default=math.inf)

    @cached_property
    def height(self) -> float:
        """H of the separatrix, times `fill` [m]."""
        barriers = [float(self.potential(z)) for z in self.unstable]
        barriers += [float(self.kinetic(delta)) for delta in self.steepest if math.isfinite(delta)]
        return self.fill * min(barriers)

    def extent(self, level: float) -> tuple[float, float]:
        """Least and largest z on the contour H = level."""
        low, high = (_crossing(self.potential, end, level) for end in self.unstable)
        return low, high

    def spread(self, level: float) -> tuple[float, float]:
        """Least and largest delta on the contour H = level."""
        first = 2.0 * math.sqrt(level / abs(self.slip[0]))
        low, high = (
            _crossing(self.kinetic, end if math.isfinite(end) else _beyond(self.kinetic, side * first, level), level)
            for side, end in zip((-1.0, 1.0), self.steepest, strict=True)
        )
        return low, high


def _first_maximum(z: np.ndarray, function: Callable[[Any], Any]) -> float:
    """The first local maximum, from a table refined by parabolas."""
    values = function(z)
    i = int(np.argmax(np.append(values[1:] < values[:-1], True)))
    if i in (0, len(z) - 1):
        return float(z[i])
    a, b, c = values[i - 1 : i + 2]
    return float(z[i] + 0.5 * (z[1] - z[0]) * (a - c) / (a - 2.0 * b + c))


def _crossing(function: Callable[[Any], Any], end: float, level: float) -> float:
    """Point between 0 and `end` where an increasing function reaches a level."""
    if function(end) <= level:
        return end
    return float(brentq(lambda q: float(function(q)) - level, 0.0, end, xtol=1e-15 * abs(end), rtol=1e-14))


def _beyond(function: Callable[[Any], Any], first: float, level: float) -> float:
    """A point at which a function exceeds a level."""
    while function(first) < level:
        first *= 2.0
    return first


class Distribution:
    """Density exp(-H/H0) inside the bucket, from tables; H0 = inf is a uniform one."""

    def __init__(self, bucket: Bucket, scale: float) -> None:
        self.bucket, self.scale = bucket, scale
        self.level = min(bucket.height, _TAIL * scale)
        low, high = bucket.spread(self.level)
        self.delta = np.linspace(low, high, _POINTS)
        weight = np.exp(-np.asarray(bucket.kinetic(self.delta)) / scale)
        self.moments = [_integral(weight * self.delta**k, self.delta) for k in range(3)]
        self.z = np.linspace(*bucket.extent(self.level), _POINTS)
        self.energy = np.asarray(bucket.potential(self.z))
        sums = self._between(*self.limits(self.z))
        self.density = [np.exp(-self.energy / scale) * part for part in sums]

    def limits(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest delta inside the bucket at each z."""
        left = np.maximum(self.level - np.asarray(self.bucket.potential(z)), 0.0)
        kinetic = np.asarray(self.bucket.kinetic(self.delta))
        split = int(np.searchsorted(self.delta, 0.0))
        # in sqrt(T), which is nearly linear in delta
        lower = np.interp(
            np.sqrt(left), np.sqrt(np.append(kinetic[:split], 0.0)[::-1]), np.append(self.delta[:split], 0.0)[::-1]
        )
        upper = np.interp(np.sqrt(left), np.sqrt(np.append(0.0, kinetic[split:])), np.append(0.0, self.delta[split:]))
        return lower, upper

    def _between(self, low: np.ndarray, high: np.ndarray) -> list[np.ndarray]:
        return [np.interp(high, self.delta, m) - np.interp(low, self.delta, m) for m in self.moments]

    @cached_property
    def covariance(self) -> np.ndarray:
        """(2,) Variances of z and delta."""
        total, first, second = (np.trapezoid(part, self.z) for part in self.density)
        mean = np.trapezoid(self.z * self.density[0], self.z) / total
        variance = np.trapezoid((self.z - mean) ** 2 * self.density[0], self.z) / total
        return np.array([variance, second / total - (first / total) ** 2])

    def sample(self, uniform: np.ndarray) -> np.ndarray:
        """(2, n) z and delta of particles, from random numbers (2, n) between 0 and 1."""
        along = _integral(self.density[0], self.z)
        z = np.interp(uniform[0] * along[-1], along, self.z)
        low, high = (np.interp(end, self.delta, self.moments[0]) for end in self.limits(z))
        return np.stack([z, np.interp(low + uniform[1] * (high - low), self.moments[0], self.delta)])


def _integral(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Integral from the first point to each."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(points))])


def distribution_of(bucket: Bucket, measure: Callable[[np.ndarray], float], wanted: float, name: str) -> Distribution:
    """The distribution for which a function of its variances, increasing with them, has a value.

    Raises
    ------
    InputError
        The value exceeds that of a bucket filled evenly.
    """
    full = Distribution(bucket, math.inf)
    if not wanted < measure(full.covariance):
        (left, right), (low, high) = bucket.extent(bucket.height), bucket.spread(bucket.height)
        part = "RF bucket" if bucket.fill == 1.0 else f"fill = {bucket.fill:g} of the RF bucket"
        raise InputError(
            f"matched_beam: {name} = {wanted:.6g} does not fit into the {part}, z from {left:.6g} to {right:.6g} m and "
            f"delta from {low:.6g} to {high:.6g}: filled evenly it has {name} = {measure(full.covariance):.6g}; reduce "
            f"{name} or raise the voltage"
        )

    def miss(logarithm: float) -> float:
        return measure(Distribution(bucket, bucket.height * math.exp(logarithm)).covariance) - wanted

    low, high = -40.0, 0.0
    while miss(high) < 0.0 and high < 40.0:
        high += 5.0
    found = low if miss(low) >= 0.0 else high if miss(high) <= 0.0 else brentq(miss, low, high, xtol=1e-10)
    return Distribution(bucket, bucket.height * math.exp(found))


def bucket_of(ring: Lattice, optics: Twiss, fill: float) -> Bucket:
    """Bucket about the closed orbit of a ring with cavities."""
    reference = ring.require_reference()
    places = [i for i, e in enumerate(ring.elements) if isinstance(e, RFCavity) and e.voltage and e.frequency]
    cavities = [ring.elements[i] for i in places]
    voltage, frequency, lag = (np.array([getattr(e, p) for e in cavities]) for p in ("voltage", "frequency", "lag"))
    waves = 2.0 * np.pi * frequency / (reference.beta0 * SPEED_OF_LIGHT)
    middle = 0.5 * (optics.z[places] + optics.z[np.array(places) + 1])
    kicks = abs(reference.charge) * voltage / (reference.beta0**2 * reference.energy)
    slip, dispersion = _momentum_dependence(ring, optics)
    return Bucket(slip, kicks, 2.0 * np.pi * lag - waves * middle, waves, np.array(places), fill, dispersion)


def _momentum_dependence(ring: Lattice, optics: Twiss) -> tuple[np.ndarray, np.ndarray]:
    """Changes of z per turn, (3,) coefficients of delta, delta^2, delta^3; and dispersion of higher order (4, 2)."""
    quiet, space = coasting(ring), Space(6, _ORDER)
    turn = pass_maps(quiet, _ORDER, optics.coasting.orbit, program=turn_program(quiet)).final
    closed = dispersive_orbit(space, turn, _ORDER)
    return (turn[4] @ monomials(space, closed) - closed[4])[1:], closed[:4, 2:]
