"""Derivatives of transfer matrices by the kernels: a backward sweep on dual numbers, on the host."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from gputrack.backends.derivatives import TangentCotangents, Tangents
from gputrack.backends.generated import flattened, host_kinds
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.structs import MATRIX_SWEEP, make_run
from gputrack.base.c_struct import address_of
from gputrack.base.compiler import build
from gputrack.elements.map import MapKind, ReferenceValues


@cache
def library(kinds: frozenset[MapKind]) -> ctypes.CDLL:
    """Compiled sweep; one register wide, as a matrix has only six columns, which builds ten times faster."""
    lib = build("#define GT_PARTS 1\n" + flattened("host/matrix_adjoint.h", host_kinds(kinds)))
    lib.gputrack_matrix_sweep.argtypes = [ctypes.POINTER(MATRIX_SWEEP.memory), ctypes.c_int64, ctypes.c_int64]
    lib.gputrack_matrix_sweep.restype = None
    return lib


def sweep_matrices(
    particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
) -> np.ndarray:
    """`step_tangent_adjoint` of the backend `host`."""
    program = launch.program
    gradient = np.zeros(len(program.constants) + len(ReferenceValues._fields))
    run = make_run(particles, launch, program.ops, program.constants, address_of)
    sweep = MATRIX_SWEEP.memory(
        run, address_of(tangents.coordinates), address_of(cotangents.tangents), address_of(cotangents.coordinates),
        address_of(gradient), address_of(gradient[len(program.constants) :]), address_of(cotangents.record_tangents),
        address_of(cotangents.records),
    )  # fmt: skip
    library(program.build_kinds).gputrack_matrix_sweep(ctypes.byref(sweep), 0, particles.coordinates.shape[1])
    return gradient
