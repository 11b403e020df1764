"""Derivatives of transfer matrices along displaced orbits, by the kernels on nested dual numbers, on the host."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from gputrack.backends.derivatives import MatrixRates, RateCotangents
from gputrack.backends.generated import flattened, host_kinds
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.structs import RATES_RUN, make_run
from gputrack.base.c_struct import address_of
from gputrack.base.compiler import build
from gputrack.elements.map import MapKind, ReferenceValues

#: kernel file and function of each direction
_ENTRIES = {
    False: ("host/matrix_derivatives.h", "gputrack_matrix_rates"),
    True: ("host/matrix_derivatives_adjoint.h", "gputrack_matrix_rates_sweep"),
}


@cache
def library(backwards: bool, kinds: frozenset[MapKind]) -> ctypes.CDLL:
    """Compiled passage or sweep, one register wide for few columns; built separately, as the sweep takes longer."""
    header, entry = _ENTRIES[backwards]
    lib = build("#define GT_PARTS 1\n" + flattened(header, host_kinds(kinds)))
    function = getattr(lib, entry)
    function.argtypes = [ctypes.POINTER(RATES_RUN.memory)]
    function.restype = None
    return lib


def pass_rates(rates: MatrixRates, launch: Launch) -> np.ndarray:
    """`step_rates` of the backend `host`."""
    records: np.ndarray = np.zeros_like(launch.records.flat)
    particles = Particles.alive(rates.orbits)  # whose arrays the kernel is given
    run = _run(particles, rates, launch)
    run.record_rates = address_of(records)
    library(False, launch.program.build_kinds).gputrack_matrix_rates(ctypes.byref(run))
    return records


def sweep_rates(rates: MatrixRates, cotangents: RateCotangents, launch: Launch) -> np.ndarray:
    """`step_rates_adjoint` of the backend `host`."""
    gradient = np.zeros(len(launch.program.constants) + len(ReferenceValues._fields))
    particles = Particles.alive(rates.orbits)  # whose arrays the kernel is given
    run = _run(particles, rates, launch)
    run.cotangents, run.orbit_cotangents = address_of(cotangents.rates), address_of(cotangents.orbits)
    run.along_cotangents = address_of(cotangents.along)
    run.gradient, run.reference = address_of(gradient), address_of(gradient[len(launch.program.constants) :])
    run.seeds = None if cotangents.records is None else address_of(cotangents.records)
    library(True, launch.program.build_kinds).gputrack_matrix_rates_sweep(ctypes.byref(run))
    return gradient


def _run(particles: Particles, rates: MatrixRates, launch: Launch) -> ctypes.Structure:
    program = launch.program
    run = make_run(particles, launch, program.ops, program.constants, address_of)
    return RATES_RUN.memory(run, *map(address_of, (rates.tangents, rates.along, rates.rates)))
