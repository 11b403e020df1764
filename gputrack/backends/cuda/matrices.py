"""Transfer matrices on a GPU: adjoint of tangents, rates along displaced orbits and their adjoint.

One thread per column and one block for all columns, so that sums over columns have a fixed order. One turn takes as
long as for a few thousand particles: a GPU pays off for many lattices, not for one.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.cuda.address import address
from gputrack.backends.derivatives import MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.generated import flattened
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.structs import MATRIX_SWEEP, RATES_RUN, make_run
from gputrack.base.arrays import Array, namespace
from gputrack.elements.map import MapKind, ReferenceValues

THREADS = 32  # of a block: a matrix has six columns
OPTIONS = ("-std=c++17", f"-DGT_THREADS={THREADS}")

#: ops and constants of a program on the device
Tables = tuple[Array, Array]


@cache
def module(entry: str, kinds: frozenset[MapKind], constants: int) -> Any:
    """Kernels of an entry file such as ``cuda/matrix_adjoint.h``; `constants` is the largest number of an op."""
    import cupy

    return cupy.RawModule(code=flattened(entry, kinds), options=(*OPTIONS, f"-DGT_CONSTANTS={constants}"))


def sweep_matrices(
    particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch, tables: Tables,
    constants: int,
) -> np.ndarray:  # fmt: skip
    """`step_tangent_adjoint` of the backend `cuda`, on the current device."""
    total = _zeros(launch, particles.coordinates)
    sweep = MATRIX_SWEEP.memory(
        make_run(particles, launch, *tables, address), address(tangents.coordinates), address(cotangents.tangents),
        address(cotangents.coordinates), *_parts(total, launch), address(cotangents.record_tangents),
        address(cotangents.records),
    )  # fmt: skip
    kernels = module("cuda/matrix_adjoint.h", launch.program.kinds, constants)
    kernels.get_function("gputrack_matrix_sweep")((1,), (THREADS,), MATRIX_SWEEP.arguments(sweep))
    return _of_launch(total, launch)


def pass_rates(rates: MatrixRates, launch: Launch, tables: Tables, constants: int) -> Array:
    """`step_rates` of the backend `cuda`, on the current device; queued on the current stream."""
    records = namespace(rates.rates).zeros(launch.records.flat.shape)
    particles = Particles.alive(rates.orbits)  # whose arrays the kernel is given
    run = _run(particles, rates, launch, tables)
    run.record_rates = address(records)
    kernels = module("cuda/matrix_derivatives.h", launch.program.kinds, constants)
    blocks = -(-rates.rates.shape[1] // THREADS)
    kernels.get_function("gputrack_matrix_rates")((blocks,), (THREADS,), RATES_RUN.arguments(run))
    return records


def sweep_rates(
    rates: MatrixRates, cotangents: RateCotangents, launch: Launch, tables: Tables, constants: int
) -> np.ndarray:
    """`step_rates_adjoint` of the backend `cuda`, on the current device."""
    total, particles = _zeros(launch, rates.rates), Particles.alive(rates.orbits)
    run = _run(particles, rates, launch, tables)
    run.cotangents, run.orbit_cotangents = address(cotangents.rates), address(cotangents.orbits)
    run.along_cotangents = address(cotangents.along)
    run.gradient, run.reference = _parts(total, launch)
    run.seeds = None if cotangents.records is None else address(cotangents.records)
    cotangents.along[...], cotangents.orbits[...] = 0.0, 0.0
    kernels = module("cuda/matrix_derivatives_adjoint.h", launch.program.kinds, constants)
    kernels.get_function("gputrack_matrix_rates_sweep")((1,), (THREADS,), RATES_RUN.arguments(run))
    return _of_launch(total, launch)


def _run(particles: Particles, rates: MatrixRates, launch: Launch, tables: Tables) -> ctypes.Structure:
    run = make_run(particles, launch, *tables, address)
    return RATES_RUN.memory(run, *map(address, (rates.tangents, rates.along, rates.rates)))


def _zeros(launch: Launch, like: Array) -> Array:
    """Derivatives with respect to all constants of the program, then to the members of `ReferenceValues`."""
    return namespace(like).zeros(len(launch.program.constants) + len(ReferenceValues._fields))


def _parts(total: Array, launch: Launch) -> tuple[int, int]:
    """Addresses of the derivatives with respect to constants and to the reference."""
    start = address(total)
    return start, start + 8 * len(launch.program.constants)


def _of_launch(total: Array, launch: Launch) -> np.ndarray:
    """Derivatives with respect to the constants of the launch's ops and the reference, on the host."""
    (first, end), result = launch.constants_range, total.get()
    return np.concatenate([result[first:end], result[len(launch.program.constants) :]])
