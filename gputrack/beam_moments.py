"""What is measured on the living particles of a beam: methods of `Beam` over moments.py."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from gputrack import moments
from gputrack.arrays import Array, is_traced, to_numpy
from gputrack.errors import InputError
from gputrack.reference import ReferenceParticle


class BeamMoments:
    """Averages, sizes and emittances; results are small and live on the host."""

    coordinates: Array
    weights: Array
    alive: Array
    reference: ReferenceParticle

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """Mean and sigma of the survivors on the host; the particles stay where they are."""
        if not bool(self.alive.any()):
            n = self.coordinates.shape[1]
            raise InputError(f"Beam: all {n} particles are lost, there is nothing to average")
        c, w = moments.survivors(self.coordinates, self.weights, self.alive)
        pair = moments.mean(c, w), moments.sigma(c, w)
        return pair if is_traced(c) else (_constant(pair[0]), _constant(pair[1]))

    @property
    def mean(self) -> Array:
        """Centroid of the living particles, (6,), on the host.

        Raises
        ------
        InputError
            All particles are lost.
        """
        return self._moments[0]

    @property
    def sigma(self) -> Array:
        """Central second moments of the living particles, (6, 6), on the host; errors as `mean`."""
        return self._moments[1]

    def centroid(self, name: str) -> float:
        """Mean of one coordinate: x, px, y, py, z or delta."""
        return _number(self.mean[moments.coordinate_index(name)])

    def size(self, name: str) -> float:
        """Rms deviation of one coordinate from its mean."""
        i = moments.coordinate_index(name)
        return _number(self.sigma[i, i] ** 0.5)

    def emittance(self, plane: str, normalized: bool = False) -> float:
        """Projected rms emittance [m] of plane x, y or z (of z and delta), dispersion included.

        The normalised one is beta0 gamma0 times as large. See `gputrack.moments.projected_emittance`.
        """
        return _number(self._scale(normalized) * moments.projected_emittance(self.sigma, plane))

    def eigen_emittances(self, normalized: bool = False) -> Array:
        """The three eigen-emittances [m], largest first, (3,); see `gputrack.moments.eigen_emittances`."""
        return self._scale(normalized) * moments.eigen_emittances(self.sigma)

    def _scale(self, normalized: bool) -> float:
        return self.reference.p0c / self.reference.mass if normalized else 1.0


def _constant(value: Array) -> np.ndarray:
    """A read-only copy on the host."""
    array = np.array(to_numpy(value))
    array.flags.writeable = False
    return array


def _number(value: Any) -> Any:
    """A plain float, unless the value is traced."""
    return value if is_traced(value) else float(value)
