"""Second derivatives of a turn: how the transverse matrix changes with the orbit, by one sweep on dual numbers.

Each entry J_ij of the matrix is <e_i, J e_j>, a column of its own in the backward sweep of `sweep_matrices`, which
leaves its derivatives with respect to the orbit at the start: ten times faster than a power series of second order.
"""

from __future__ import annotations

import numpy as np

from gputrack.backends.base import Launch, Particles, Tangents, make_records
from gputrack.backends.host import HostBackend
from gputrack.backends.matrix_sweep import sweep_matrices
from gputrack.elements.map import ReferenceValues
from gputrack.errors import InputError
from gputrack.lattice import Lattice
from gputrack.optics.trajectory import turn_program

_LIMIT = 1e100
_COLUMNS = 16


def turn_tensor(lattice: Lattice, orbit: np.ndarray) -> np.ndarray:
    """(4, 4, 6) Derivatives of the matrix of x, px, y, py through a lattice with respect to the orbit at its start.

    Raises
    ------
    InputError
        The orbit does not reach the end.
    """
    program, column = turn_program(lattice), np.arange(_COLUMNS)
    coordinates = np.ascontiguousarray(np.repeat(np.asarray(orbit, dtype=float)[:, None], _COLUMNS, axis=1))
    lost = np.zeros(_COLUMNS, np.int32), np.full(_COLUMNS, -1, np.int64), np.full(_COLUMNS, -1, np.int32)
    particles = Particles(coordinates, *lost)
    tangents, cotangents, rates = np.zeros((3, 6, _COLUMNS))
    tangents[column % 4, column] = 1.0
    cotangents[column // 4, column] = 1.0
    launch = Launch(program, lattice.require_reference(), 0, 1, _LIMIT, make_records([], _COLUMNS, np))
    still = np.zeros(len(program.constants)), np.zeros(len(ReferenceValues._fields))
    HostBackend(1).step_tangent(particles, Tangents(tangents, *still), launch)
    if particles.loss_code.any() or not np.isfinite(particles.coordinates).all():
        raise InputError(f"Lattice {lattice.name!r}: the orbit {list(map(float, orbit))} does not reach the end")
    sweep_matrices(particles, tangents, launch, cotangents, rates, np.zeros(1), np.zeros(1))
    return rates.T.reshape(4, 4, 6)
