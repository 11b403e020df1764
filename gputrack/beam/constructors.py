"""Constructors of `Beam` from the point sets of distributions.py and grids.py."""

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

BeamType = TypeVar("BeamType", bound="BeamConstructors")


class BeamConstructors:
    """Constructors of `Beam`; random distributions depend on the seed alone, not on the device.

    Shared arguments: `reference` is the reference particle, `n` the number of particles; `emit` the rms
    emittances [m] (x, y); `twiss` an `InitialTwiss` or any object with scalars betx, alfx, bety, alfy and
    optionally dx, dpx, dy, dpy; `sigma_z` [m] and `sigma_delta` rms sizes; `seed` an integer >= 0; `centroid`
    the six mean coordinates (default 0); `exact_moments=True` transforms the particles linearly so that the
    sample moments equal the requested ones to rounding, which needs n >= 7; `xp` is ``"numpy"`` or
    ``"cupy"``.
    Emittances, Twiss parameters, sizes, a sigma matrix and the centroid may be traced by autograd: the
    coordinates are then differentiable functions of them for the fixed random numbers of the seed.
    All raise `InputError` for values out of range.
    """

    @classmethod
    def gaussian(
        cls: type[BeamType],
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
    ) -> BeamType:
        """Normal distribution matched to Twiss parameters.

        `cut` limits the amplitude in each plane, in rms sizes; the rms sizes shrink accordingly unless
        `exact_moments` restores them.
        """
        owner = "Beam.gaussian"
        factor = _matched(owner, emit, twiss, sigma_z, sigma_delta)
        count, limit = require_count(owner, "n", n), distributions.require_cut(owner, cut)
        points = distributions.gaussian(count, distributions.generator(owner, seed), limit)
        return cls._transformed(owner, reference, points, factor, centroid, exact_moments, xp)

    @classmethod
    def from_sigma(
        cls: type[BeamType],
        n: int,
        reference: ReferenceParticle,
        sigma: Any,
        *,
        seed: int,
        centroid: Sequence[float] | None = None,
        cut: float | None = None,
        exact_moments: bool = False,
        xp: str = "numpy",
    ) -> BeamType:
        """Normal distribution with any matrix of second moments, coupled or singular.

        `sigma` is (6, 6), symmetric and positive semi-definite; `cut` limits the amplitudes in its
        Cholesky-normalised planes, which without coupling are the amplitudes in x, y and z.
        """
        owner = "Beam.from_sigma"
        factor = distributions.require_sigma_factor(owner, sigma)
        count, limit = require_count(owner, "n", n), distributions.require_cut(owner, cut)
        points = distributions.gaussian(count, distributions.generator(owner, seed), limit)
        return cls._transformed(owner, reference, points, factor, centroid, exact_moments, xp)

    @classmethod
    def kv(
        cls: type[BeamType],
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
    ) -> BeamType:
        """Kapchinskij-Vladimirskij distribution: a shell in x, px, y, py whose projections are uniform.

        Without dispersion or energy spread the edge is at 2 rms sizes; z and delta are normal.
        """
        owner = "Beam.kv"
        factor = _matched(owner, emit, twiss, sigma_z, sigma_delta)
        points = distributions.kv(require_count(owner, "n", n), distributions.generator(owner, seed))
        return cls._transformed(owner, reference, points, factor, centroid, False, xp)

    @classmethod
    def waterbag(
        cls: type[BeamType],
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
    ) -> BeamType:
        """Uniform ellipsoid in x, px, y, py (`dimensions=4`; z, delta normal) or in all six (`dimensions=6`).

        The edge is at sqrt(6) rms sizes (4 dimensions) or sqrt(8) (6 dimensions).
        """
        owner = "Beam.waterbag"
        if require_integer(owner, "dimensions", dimensions, at_least=4) not in (4, 6):
            raise InputError(f"{owner}: dimensions must be 4 or 6, got {dimensions!r}")
        factor = _matched(owner, emit, twiss, sigma_z, sigma_delta)
        count = require_count(owner, "n", n)
        points = distributions.waterbag(count, distributions.generator(owner, seed), dimensions)
        return cls._transformed(owner, reference, points, factor, centroid, exact_moments, xp)

    @classmethod
    def grid(
        cls: type[BeamType],
        reference: ReferenceParticle,
        *,
        x: tuple[float, float, int],
        y: tuple[float, float, int],
        xp: str = "numpy",
        **others: float,
    ) -> BeamType:
        """Cartesian grid of (min [m], max [m], number) in x and y, end points included, x varying fastest.

        Other coordinates, for example ``delta=0.01``, default to 0.
        """
        return cls._from_points(reference, assembled(grids.grid("Beam.grid", x, y, others)), xp)

    @classmethod
    def polar_grid(
        cls: type[BeamType],
        reference: ReferenceParticle,
        *,
        radius: float,
        n_radii: int,
        n_angles: int,
        angles: tuple[float, float] = (0.0, np.pi),
        xp: str = "numpy",
        **others: float,
    ) -> BeamType:
        """Rays from the axis in the x-y plane: radii radius/n_radii ... radius [m], varying fastest.

        `angles` are the angles of the first and the last ray [rad]; a single ray has the first. Other
        coordinates default to 0.
        """
        points = grids.polar_grid("Beam.polar_grid", radius, n_radii, n_angles, angles, others)
        return cls._from_points(reference, assembled(points), xp)

    @classmethod
    def single(cls: type[BeamType], reference: ReferenceParticle, *, xp: str = "numpy", **values: float) -> BeamType:
        """One particle; the coordinates x, px, y, py, z, delta default to 0."""
        return cls._from_points(reference, assembled(grids.fixed("Beam.single", 1, values)), xp)

    @classmethod
    def _transformed(
        cls: type[BeamType], owner: str, reference: ReferenceParticle, points: np.ndarray, factor: Array,
        centroid: Any, exact_moments: bool, xp: str,
    ) -> BeamType:  # fmt: skip
        if require_flag(owner, "exact_moments", exact_moments):
            points = distributions.with_exact_moments(owner, points)
        return cls._from_points(reference, distributions.shaped(owner, points, factor, _centroid(owner, centroid)), xp)

    @classmethod
    def _from_points(cls: type[BeamType], reference: ReferenceParticle, coordinates: Array, xp: str) -> BeamType:
        module = module_named(xp)
        if is_traced(coordinates) and module is not np:
            raise InputError(
                f"Beam: xp must be 'numpy' where parameters of the beam are differentiated, got {xp!r}"
            )
        on_xp = coordinates if is_traced(coordinates) else module.asarray(coordinates)
        return cls(on_xp, reference)  # type: ignore[call-arg]


def _centroid(owner: str, centroid: object) -> Array:
    if centroid is None:
        return np.zeros(6)
    items = require_items(owner, "centroid", centroid, COORDINATES)
    named = zip(COORDINATES, items, strict=True)
    return assembled([require_traceable(owner, f"centroid {name}", value) for name, value in named])


def _matched(owner: str, emit: object, twiss: Any, sigma_z: object, sigma_delta: object) -> Array:
    """Validate the arguments and return the matrix of `matched_factor`."""
    ex, ey = require_items(owner, "emit", emit, ("x", "y"))
    emittances = (
        require_traceable(owner, "emit x", ex, unit="m", at_least=0.0),
        require_traceable(owner, "emit y", ey, unit="m", at_least=0.0),
    )
    length = require_traceable(owner, "sigma_z", sigma_z, unit="m", at_least=0.0)
    spread = require_traceable(owner, "sigma_delta", sigma_delta, at_least=0.0)
    with np.errstate(over="ignore"):  # overflow is reported for the coordinates
        return matched_factor(InitialTwiss.of(twiss), emittances, length, spread)
