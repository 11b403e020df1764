"""Centroid, sizes and emittances of the surviving particles: methods of `Beam` based on moments.py."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from gputrack.base.arrays import Array, is_traced
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.beam import moments
from gputrack.beam.moment_rules import eigen_emittances, mean_and_sigma


class BeamMoments:
    """Averages, sizes and emittances; results are on the host."""

    coordinates: Array
    weights: Array
    alive: Array
    reference: ReferenceParticle

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """Mean and sigma of the survivors on the host; the particles stay on their device."""
        if not bool(self.alive.any()):
            n = self.coordinates.shape[1]
            raise InputError(f"Beam: all {n} particles are lost, moments are not defined")
        both = mean_and_sigma(self.coordinates, self.weights, self.alive)
        if not is_traced(both):
            both.flags.writeable = False
        return both[0], both[1:]

    @property
    def mean(self) -> Array:
        """Centroid of the surviving particles, (6,), on the host.

        Raises
        ------
        InputError
            All particles are lost.
        """
        return self._moments[0]

    @property
    def sigma(self) -> Array:
        """Central second moments of the surviving particles, (6, 6), on the host; errors as for `mean`."""
        return self._moments[1]

    def centroid(self, name: str) -> float:
        """Mean of one coordinate: x, px, y, py, z or delta."""
        return _number(self.mean[moments.coordinate_index(name)])

    def size(self, name: str) -> float:
        """Rms deviation of one coordinate from its mean; its derivative is 0 where the deviation is 0."""
        i = moments.coordinate_index(name)
        return _number(moments.root(self.sigma[i, i]))

    def emittance(self, plane: str, normalized: bool = False) -> float:
        """Projected rms emittance [m] of plane x, y or z (of z and delta), dispersion included.

        The normalised emittance is larger by beta0 gamma0. See `gputrack.beam.moments.projected_emittance`.
        """
        return _number(self._scale(normalized) * moments.projected_emittance(self.sigma, plane))

    def eigen_emittances(self, normalized: bool = False) -> Array:
        """The three eigen-emittances [m], largest first, (3,).

        See `gputrack.beam.moments.eigen_emittances`, and `gputrack.beam.moment_rules.eigen_emittances` for the
        derivatives where some are equal or 0.
        """
        return self._scale(normalized) * eigen_emittances(self.sigma)

    def _scale(self, normalized: bool) -> float:
        return self.reference.p0c / self.reference.mass if normalized else 1.0


def _number(value: Any) -> float:
    """A plain float, unless the value is traced."""
    number: float = value if is_traced(value) else float(value)
    return number
