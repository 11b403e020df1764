"""Transfer matrices by finite differences of tracked particles, as an independent check."""

from __future__ import annotations

import numpy as np

from gputrack.base.arguments import arguments, numbers, optional
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import map_program
from gputrack.optics.maps.single_pass import Pass

#: steps in x, px, y, py, z, delta for which truncation (step^4) and rounding (1/step) errors are far below 1e-8
STEPS = np.array([3e-6, 3e-7, 3e-6, 3e-7, 1e-5, 1e-5])
_OFFSETS = (-2.0, -1.0, 1.0, 2.0)
_WEIGHTS = (1.0 / 12.0, -2.0 / 3.0, 2.0 / 3.0, -1.0 / 12.0)


@arguments(lattice=LATTICE, orbit=optional(numbers(6)))
def finite_difference_matrix(lattice: Lattice, orbit: np.ndarray | None = None) -> np.ndarray:
    """Transfer matrix by central differences (fourth order) of tracked particles.

    Parameters
    ----------
    lattice : Lattice
    orbit : (6,) array, optional
        Orbit at the start; by default the reference orbit.

    Returns
    -------
    (6, 6) array
        d(final)/d(initial) of (x, px, y, py, z, delta), accurate to about 1e-9 of its entries.

    Raises
    ------
    InputError
        A particle is lost before the end.
    """
    bunch = _bunch_around(np.zeros(6) if orbit is None else np.asarray(orbit, dtype=float))
    after = Pass(lattice, map_program(lattice)).particles(bunch)
    matrix: np.ndarray = (after[:, 1:].reshape(6, 6, 4) @ np.array(_WEIGHTS)) / STEPS
    return matrix


def _bunch_around(orbit: np.ndarray) -> np.ndarray:
    """(6, 25) The orbit, and four particles displaced from it along each coordinate."""
    bunch = np.repeat(orbit[:, None], 25, axis=1)
    for j in range(6):
        bunch[j, 1 + 4 * j : 5 + 4 * j] += np.array(_OFFSETS) * STEPS[j]
    return bunch
