"""Wake functions of a point charge: W(D) [V/C or V/C/m] and its integral S(D) from 0 to the distance D > 0 behind it.

Signs: W > 0 decelerates a particle behind the source, and deflects it towards the side of the source's offset.
The values of all parameters are passed as one list, so that all are differentiable.

- Resonators: B. Zotter and S. Kheifets, Impedances and Wakes in High-Energy Particle Accelerators, section 3.
- Resistive wall: A. Chao, Physics of Collective Beam Instabilities, eqs. 2.53 and 2.56, in SI units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, untraced
from gputrack.base.constants import SPEED_OF_LIGHT, VACUUM_PERMITTIVITY
from gputrack.base.errors import InputError

IMPEDANCE = 1.0 / (VACUUM_PERMITTIVITY * SPEED_OF_LIGHT)  # of free space [ohm]


def damped_cos_sinc(u: Array, damping: Array) -> tuple[Array, Array]:
    """exp(-d) cos(sqrt(u)) and exp(-d) sin(sqrt(u))/sqrt(u), smooth at u = 0, without overflow for u >= -d^2."""
    plain = untraced(u)
    near, positive = abs(plain) < 1e-3, plain > 0
    root = anp.sqrt(anp.where(near, 1.0, anp.where(positive, u, -u)))
    decay, growth = anp.exp(-damping), anp.where(positive | near, 0.0, root)
    slow, fast = anp.exp(growth - damping), anp.exp(-growth - damping)
    cosine = anp.where(positive, decay * anp.cos(root), 0.5 * (slow + fast))
    sinc = anp.where(positive, decay * anp.sin(root), 0.5 * (slow - fast)) / root
    v = anp.where(near, u, 0.0)
    series = 1.0 - v / 2.0 * (1.0 - v / 12.0 * (1.0 - v / 30.0 * (1.0 - v / 56.0)))
    series_sinc = 1.0 - v / 6.0 * (1.0 - v / 20.0 * (1.0 - v / 42.0 * (1.0 - v / 72.0)))
    return anp.where(near, decay * series, cosine), anp.where(near, decay * series_sinc, sinc)


class Resonators:
    """Sum of RLC resonators; values are shunt impedances, then frequencies [Hz], then quality factors.

    With the angular frequency w, a = w/(2 Q) and b^2 = w^2 - a^2 (of either sign):

    longitudinal, R in ohm: W = (R w/Q) exp(-a t) (cos b t - a sin(b t)/b), S = (R w/Q) exp(-a t) sin(b t)/b,
    transverse, R in ohm/m: W = (R w^2/Q) exp(-a t) sin(b t)/b, S = (R/Q) (1 - exp(-a t) (cos b t + a sin(b t)/b)),

    t = D/(beta0 c); S is multiplied by beta0 c for the integral over D.
    """

    def __init__(self, values: Sequence[Any], transverse: bool, beta0: Any) -> None:
        count = len(values) // 3
        self.rows = [(values[i], values[count + i], values[2 * count + i]) for i in range(count)]
        self.transverse, self.speed = transverse, beta0 * SPEED_OF_LIGHT

    def wake(self, distance: Array) -> Array:
        """Wake function W."""
        return sum((self._terms(row, distance)[0] for row in self.rows), 0.0 * distance)

    def integral(self, distance: Array) -> Array:
        """Integral S of the wake function."""
        return sum((self._terms(row, distance)[1] for row in self.rows), 0.0 * distance)

    def _terms(self, row: tuple[Any, Any, Any], distance: Array) -> tuple[Array, Array]:
        shunt, frequency, quality = row
        w, t = 2.0 * math.pi * frequency, distance / self.speed
        a = 0.5 * w / quality
        c, sinc = damped_cos_sinc((w * w - a * a) * t * t, a * t)
        sine, size = t * sinc, shunt / quality
        if self.transverse:
            return size * w * w * sine, self.speed * size * (1.0 - c - a * sine)
        return size * w * (c - a * sine), self.speed * size * w * sine


class ResistiveWall:
    """Thick wall of a round pipe, classical regime; values are length [m], radius [m], conductivity [S/m].

    longitudinal: W = -(c L/(4 pi b)) k D^(-3/2), S = (c L/(2 pi b)) k D^(-1/2),
    transverse: W = (c L/(pi b^3)) k D^(-1/2), S = (2 c L/(pi b^3)) k D^(1/2), k = sqrt(Z0/(pi sigma)).

    Valid for D much larger than (2 b^2/(Z0 sigma))^(1/3). The longitudinal S includes the deceleration and acceleration
    within that distance; the integral of the complete wake is 0.
    """

    def __init__(self, values: Sequence[Any], transverse: bool, beta0: Any) -> None:
        length, radius, conductivity = values
        k = anp.sqrt(IMPEDANCE / (math.pi * conductivity))
        self.transverse = transverse
        self.strength = SPEED_OF_LIGHT * length * k / (math.pi * (radius**3 if transverse else 2.0 * radius))

    def wake(self, distance: Array) -> Array:
        """Wake function W, singular at 0."""
        return self.strength * (distance**-0.5 if self.transverse else -0.5 * distance**-1.5)

    def integral(self, distance: Array) -> Array:
        """Integral S of the wake function."""
        return self.strength * (2.0 * distance**0.5 if self.transverse else distance**-0.5)


class Table:
    """Linear interpolation of a wake tabulated at distances from 0; the only value is a common factor.

    Distances beyond the last one raise an `InputError` that names the `owner`.
    """

    def __init__(self, values: Sequence[Any], distances: np.ndarray, wakes: np.ndarray, owner: str = "wake") -> None:
        (self.factor,) = values
        self.owner = owner
        self.distances, self.wakes = distances, wakes
        self.sums = np.concatenate([[0.0], np.cumsum(0.5 * (wakes[1:] + wakes[:-1]) * np.diff(distances))])

    def wake(self, distance: Array) -> Array:
        """Wake function W."""
        i, rest = self._place(distance)
        return self.factor * (self.wakes[i] + self._slopes[i] * rest)

    def integral(self, distance: Array) -> Array:
        """Integral S of the wake function."""
        i, rest = self._place(distance)
        return self.factor * (self.sums[i] + rest * (self.wakes[i] + 0.5 * self._slopes[i] * rest))

    @property
    def _slopes(self) -> np.ndarray:
        slopes: np.ndarray = np.diff(self.wakes) / np.diff(self.distances)
        return slopes

    def _place(self, distance: Array) -> tuple[Any, Array]:
        farthest = float(np.max(untraced(distance), initial=0.0))
        if farthest > self.distances[-1]:
            raise InputError(
                f"{self.owner}: the table ends at {self.distances[-1]:g} m, but slices are up to {farthest:g} m apart; "
                "give a longer table, shorter slices or fewer turns of memory"
            )
        i = np.clip(np.searchsorted(self.distances, untraced(distance)) - 1, 0, len(self.distances) - 2)
        return i, distance - self.distances[i]
