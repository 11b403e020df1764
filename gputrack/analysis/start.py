"""Where a scan stands: about the closed orbit at a momentum deviation."""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.arrays import module_named
from gputrack.beam import Beam
from gputrack.errors import InputError
from gputrack.lattice import Lattice
from gputrack.map_program import require_single_particles
from gputrack.optics.closed_orbit import closed_orbit
from gputrack.optics.trajectory import coasting, has_rf


def require_ring(owner: str, lattice: object) -> Any:
    """`lattice` if single particles can be tracked through it, or `InputError`."""
    if not isinstance(lattice, Lattice):
        raise InputError(f"{owner}: lattice must be a Lattice, got {type(lattice).__name__}")
    if lattice.traced:
        raise InputError(f"{owner}: counts survivors, which cannot be differentiated; give a lattice without traces")
    require_single_particles(lattice)
    return lattice


def orbit_at(lattice: Lattice, delta: float) -> np.ndarray:
    """The closed orbit (6,) that particles of a momentum deviation start about.

    Without cavities it is the one at `delta`. With them, particles start at `delta` from the momentum of the
    six-dimensional closed orbit, at its z, about the orbit that a coasting particle of this momentum has.
    """
    if not has_rf(lattice):
        return np.asarray(closed_orbit(lattice, delta))
    full = np.asarray(closed_orbit(lattice))
    if not delta:
        return full
    orbit = np.asarray(closed_orbit(coasting(lattice.without_radiation()), full[5] + delta)).copy()
    orbit[4] = full[4]
    return orbit


def starting_beam(lattice: Lattice, orbit: np.ndarray, offsets: np.ndarray, xp: str) -> Beam:
    """Particles at offsets (2, n) in x and y from an orbit."""
    coordinates = np.repeat(orbit[:, None], offsets.shape[1], axis=1)
    coordinates[0] += offsets[0]
    coordinates[2] += offsets[1]
    beam = Beam(coordinates, lattice.require_reference())
    return beam if module_named(xp) is np else beam.to_device(xp)
