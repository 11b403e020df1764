"""How beams are made: classmethods of `Beam` over the point sets of distributions.py and grids.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from gputrack.base.arrays import Array, assembled, is_traced, module_named
from gputrack.base.checks import require_count, require_flag, require_integer, require_items, require_traceable
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.beam import distributions, grids
from gputrack.beam.initial_twiss import InitialTwiss, matched_factor
from gputrack.beam.moments import COORDINATES

Made = TypeVar("Made", bound="BeamSources")


class BeamSources:
    """Constructors of `Beam`; random ones give the same beam for a seed on every device.

    Shared arguments: `reference` is the reference particle, `n` the number of particles; `emit` the rms
    emittances [m] (x, y); `twiss` an `InitialTwiss` or any object with scalars betx, alfx, bety, alfy and
    perhaps dx, dpx, dy, dpy; `sigma_z` [m] and `sigma_delta` rms sizes; `seed` an integer >= 0; `centroid`
    the six mean coordinates (0 where not given); `exact_moments=True` mixes the particles linearly so that
    their own moments are those asked for to rounding, which needs n >= 7; `xp` is ``"numpy"`` or
    ``"cupy"``.
    Emittances, Twiss parameters, sizes, a sigma matrix and the centroid may be numbers that autograd traces: the
    coordinates are then differentiable functions of them, at the random numbers of the seed.
    All raise `InputError` for values out of range.
    """

    @classmethod
    def gaussian(
        cls: type[Made],
        n: int,
        reference: ReferenceParticle,
        *,
        emit: tuple[float, float],
        twiss: Any,
        sigma_z: float,
        sigma_delta: float,
        seed: int,
        centroid: Sequence[float] | None = None,
        cut: float | None = None,
        exact_moments: bool = False,
        xp: str = "numpy",
    ) -> Made:
        """Normal distribution matched to Twiss parameters.

        `cut` limits the amplitude in each plane, in rms sizes; sizes shrink accordingly unless
        `exact_moments` restores them.
        """
        owner = "Beam.gaussian"
        factor = _matched(owner, emit, twiss, sigma_z, sigma_delta)
        count, limit = require_count(owner, "n", n), distributions.require_cut(owner, cut)
        points = distributions.gaussian(count, distributions.generator(owner, seed), limit)
        return cls._shaped(owner, reference, points, factor, centroid, exact_moments, xp)

    @classmethod
    def from_sigma(
        cls: type[Made],
        n: int,
        reference: ReferenceParticle,
        sigma: Any,
        *,
        seed: int,
        centroid: Sequence[float] | None = None,
        cut: float | None = None,
        exact_moments: bool = False,
        xp: str = "numpy",
    ) -> Made:
        """Normal distribution with any matrix of second moments, coupled or singular.

        `sigma` is (6, 6), symmetric and positive semi-definite; `cut` acts on its Cholesky-normalised
        planes, which are the planes' own amplitudes where they are not coupled.
        """
        owner = "Beam.from_sigma"
        factor = distributions.require_sigma_factor(owner, sigma)
        count, limit = require_count(owner, "n", n), distributions.require_cut(owner, cut)
        points = distributions.gaussian(count, distributions.generator(owner, seed), limit)
        return cls._shaped(owner, reference, points, factor, centroid, exact_moments, xp)

    @classmethod
    def kv(
        cls: type[Made],
        n: int,
        reference: ReferenceParticle,
        *,
        emit: tuple[float, float],
        twiss: Any,
        sigma_z: float,
        sigma_delta: float,
        seed: int,
        centroid: Sequence[float] | None = None,
        xp: str = "numpy",
    ) -> Made:
        """Kapchinskij-Vladimirskij distribution: a shell in x, px, y, py whose projections are uniform.

        The edge is at 2 rms sizes, where dispersion or energy spread are 0; z and delta are normal.
        """
        owner = "Beam.kv"
        factor = _matched(owner, emit, twiss, sigma_z, sigma_delta)
        points = distributions.kv(require_count(owner, "n", n), distributions.generator(owner, seed))
        return cls._shaped(owner, reference, points, factor, centroid, False, xp)

    @classmethod
    def waterbag(
        cls: type[Made],
        n: int,
        reference: ReferenceParticle,
        *,
        dimensions: int,
        emit: tuple[float, float],
        twiss: Any,
        sigma_z: float,
        sigma_delta: float,
        seed: int,
        centroid: Sequence[float] | None = None,
        exact_moments: bool = False,
        xp: str = "numpy",
    ) -> Made:
        """Uniform ellipsoid in x, px, y, py (`dimensions=4`; z, delta normal) or in all six (`dimensions=6`).

        The edge is at sqrt(6) or sqrt(8) rms sizes.
        """
        owner = "Beam.waterbag"
        if require_integer(owner, "dimensions", dimensions, at_least=4) not in (4, 6):
            raise InputError(f"{owner}: dimensions must be 4 or 6, got {dimensions!r}")
        factor = _matched(owner, emit, twiss, sigma_z, sigma_delta)
        count = require_count(owner, "n", n)
        points = distributions.waterbag(count, distributions.generator(owner, seed), dimensions)
        return cls._shaped(owner, reference, points, factor, centroid, exact_moments, xp)

    @classmethod
    def grid(
        cls: type[Made],
        reference: ReferenceParticle,
        *,
        x: tuple[float, float, int],
        y: tuple[float, float, int],
        xp: str = "numpy",
        **others: float,
    ) -> Made:
        """Cartesian grid of (min [m], max [m], number) in x and y, ends included, x running fastest.

        The other coordinates are 0 or as given, for example ``delta=0.01``.
        """
        return cls._made(reference, assembled(grids.grid("Beam.grid", x, y, others)), xp)

    @classmethod
    def polar_grid(
        cls: type[Made],
        reference: ReferenceParticle,
        *,
        radius: float,
        n_radii: int,
        n_angles: int,
        angles: tuple[float, float] = (0.0, np.pi),
        xp: str = "numpy",
        **others: float,
    ) -> Made:
        """Rays in x and y from the axis: radii radius/n_radii ... radius [m], running fastest.

        `angles` are those of the first and the last ray [rad]; a single ray takes the first. The other
        coordinates are 0 or as given.
        """
        points = grids.polar_grid("Beam.polar_grid", radius, n_radii, n_angles, angles, others)
        return cls._made(reference, assembled(points), xp)

    @classmethod
    def single(cls: type[Made], reference: ReferenceParticle, *, xp: str = "numpy", **values: float) -> Made:
        """One particle; coordinates x, px, y, py, z, delta are 0 or as given."""
        return cls._made(reference, assembled(grids.fixed("Beam.single", 1, values)), xp)

    @classmethod
    def _shaped(
        cls: type[Made], owner: str, reference: ReferenceParticle, points: np.ndarray, factor: Array,
        centroid: Any, exact_moments: bool, xp: str,
    ) -> Made:  # fmt: skip
        if require_flag(owner, "exact_moments", exact_moments):
            points = distributions.with_exact_moments(owner, points)
        return cls._made(reference, distributions.shaped(owner, points, factor, _centroid(owner, centroid)), xp)

    @classmethod
    def _made(cls: type[Made], reference: ReferenceParticle, coordinates: Array, xp: str) -> Made:
        module = module_named(xp)
        if is_traced(coordinates) and module is not np:
            raise InputError(
                f"a beam with parameters that are being differentiated is made on the host: xp='numpy', got {xp!r}"
            )
        there = coordinates if is_traced(coordinates) else module.asarray(coordinates)
        return cls(there, reference)  # type: ignore[call-arg]


def _centroid(owner: str, centroid: object) -> Array:
    if centroid is None:
        return np.zeros(6)
    items = require_items(owner, "centroid", centroid, COORDINATES)
    named = zip(COORDINATES, items, strict=True)
    return assembled([require_traceable(owner, f"centroid {name}", value) for name, value in named])


def _matched(owner: str, emit: object, twiss: Any, sigma_z: object, sigma_delta: object) -> Array:
    """Checked arguments as the matrix of `matched_factor`."""
    ex, ey = require_items(owner, "emit", emit, ("x", "y"))
    emittances = (
        require_traceable(owner, "emit x", ex, unit="m", at_least=0.0),
        require_traceable(owner, "emit y", ey, unit="m", at_least=0.0),
    )
    length = require_traceable(owner, "sigma_z", sigma_z, unit="m", at_least=0.0)
    spread = require_traceable(owner, "sigma_delta", sigma_delta, at_least=0.0)
    with np.errstate(over="ignore"):  # told with the coordinates
        return matched_factor(InitialTwiss.of(twiss), emittances, length, spread)
