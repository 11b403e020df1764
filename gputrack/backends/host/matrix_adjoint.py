"""Derivatives of transfer matrices by the kernels: a backward sweep on dual numbers, on the host."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.generated import flattened
from gputrack.backends.protocol import Launch, Particles
from gputrack.backends.structs import MATRIX_SWEEP, make_run
from gputrack.base.compiler import build
from gputrack.elements.map import MAPS, ReferenceValues


@cache
def library() -> ctypes.CDLL:
    """The compiled sweep; one register wide, since a matrix has six columns, and that builds ten times faster."""
    lib = build("#define GT_PARTS 1\n" + flattened("host/matrix_adjoint.h", MAPS))
    lib.gputrack_matrix_sweep.argtypes = [ctypes.POINTER(MATRIX_SWEEP.memory), ctypes.c_int64, ctypes.c_int64]
    lib.gputrack_matrix_sweep.restype = None
    return lib


def sweep_matrices(
    particles: Particles,
    tangents: np.ndarray,
    launch: Launch,
    cotangents: np.ndarray,
    orbit_cotangents: np.ndarray,
    seeds: np.ndarray,
    orbit_seeds: np.ndarray,
) -> np.ndarray:
    """Undo one turn for orbits with tangents, all in place, and pull cotangents of both back.

    Parameters
    ----------
    particles : Particles
        Orbits (6, n) after the turn, none of them lost; before it when the call returns.
    tangents : float64 array (6, n)
        Columns J v after the turn; v when the call returns.
    launch : Launch
        The turn, as it was run forwards.
    cotangents, orbit_cotangents : float64 arrays (6, n)
        Derivatives of a scalar with respect to J v and to the orbits after the turn. When the call returns,
        `orbit_cotangents` are those with respect to the orbits before it, and `cotangents` to v.
    seeds, orbit_seeds : float64 arrays
        The same at the records, laid out as ``launch.records.flat``.

    Returns
    -------
    float64 array (n_constants + 5,)
        Derivatives with respect to the program's constants, then to the members of `ReferenceValues`.
    """
    program = launch.program
    gradient = np.zeros(len(program.constants) + len(ReferenceValues._fields))
    run = make_run(particles, launch, program.ops, program.constants, _address)
    sweep = MATRIX_SWEEP.memory(
        run, _address(tangents), _address(cotangents), _address(orbit_cotangents), _address(gradient),
        _address(gradient[len(program.constants) :]), _address(seeds), _address(orbit_seeds),
    )  # fmt: skip
    library().gputrack_matrix_sweep(ctypes.byref(sweep), 0, particles.coordinates.shape[1])
    return gradient


def _address(array: Any) -> int:
    assert array.flags.c_contiguous
    address: int = array.ctypes.data
    return address
