"""How transfer matrices change with the orbit, by the kernels on nested dual numbers, on the host."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.generated import flattened
from gputrack.backends.protocol import Launch, Particles
from gputrack.backends.structs import RATES_RUN, make_run
from gputrack.base.compiler import build
from gputrack.elements.map import MAPS, ReferenceValues

#: kernel file and function of each direction
_ENTRIES = {
    False: ("host/matrix_derivatives.h", "gputrack_matrix_rates"),
    True: ("host/matrix_derivatives_adjoint.h", "gputrack_matrix_rates_sweep"),
}


@cache
def library(backwards: bool) -> ctypes.CDLL:
    """The compiled passage, one register wide as there are few columns; the sweep apart: it takes longer to build."""
    header, entry = _ENTRIES[backwards]
    lib = build("#define GT_PARTS 1\n" + flattened(header, MAPS))
    function = getattr(lib, entry)
    function.argtypes = [ctypes.POINTER(RATES_RUN.memory)]
    function.restype = None
    return lib


@dataclass
class Parts:
    """Parts of nested dual numbers, (6, n) each: orbits o, J v, J d, and J'[d] v; changed in place."""

    orbits: np.ndarray
    tangents: np.ndarray
    along: np.ndarray
    rates: np.ndarray

    def copied(self) -> Parts:
        """The same in memory of its own."""
        return Parts(*(np.array(part, order="C") for part in self.__dict__.values()))


def pass_rates(parts: Parts, launch: Launch) -> np.ndarray:
    """Carry parts once through a program, in place; the rates at its records, laid out as ``launch.records.flat``."""
    records: np.ndarray = np.zeros_like(launch.records.flat)
    run = _run(parts, launch)
    run.record_rates = _address(records)
    library(False).gputrack_matrix_rates(ctypes.byref(run))
    return records


@dataclass(frozen=True)
class RatesGradient:
    """Derivatives of a scalar function of rates.

    Attributes
    ----------
    orbits, along : (6, n) arrays
        With respect to the orbit and to d at the start, a column's share each.
    constants : array (n_constants + 5,)
        With respect to the program's constants, then to the members of `ReferenceValues`.
    """

    orbits: np.ndarray
    along: np.ndarray
    constants: np.ndarray


def sweep_rates(parts: Parts, launch: Launch, cotangents: np.ndarray, seeds: np.ndarray | None) -> RatesGradient:
    """Undo one passage, in place, and pull cotangents of the rates back.

    Parameters
    ----------
    parts : Parts
        After the passage; before it when the call returns.
    launch : Launch
    cotangents : (6, n) array
        Of the rates after the passage.
    seeds : float64 array, optional
        Of those at the records, laid out as ``launch.records.flat``.
    """
    gradient = np.zeros(len(launch.program.constants) + len(ReferenceValues._fields))
    values, orbits, along = np.array(cotangents, order="C"), np.zeros_like(cotangents), np.zeros_like(cotangents)
    run = _run(parts, launch)
    run.cotangents, run.orbit_cotangents, run.along_cotangents = map(_address, (values, orbits, along))
    run.gradient, run.reference = _address(gradient), _address(gradient[len(launch.program.constants) :])
    run.seeds = None if seeds is None else _address(seeds)
    library(True).gputrack_matrix_rates_sweep(ctypes.byref(run))
    return RatesGradient(orbits, along, gradient)


def _run(parts: Parts, launch: Launch) -> ctypes.Structure:
    n = parts.orbits.shape[1]
    alive = np.zeros(n, np.int32), np.full(n, -1, np.int64), np.full(n, -1, np.int32)
    run = make_run(Particles(parts.orbits, *alive), launch, launch.program.ops, launch.program.constants, _address)
    return RATES_RUN.memory(run, *map(_address, (parts.tangents, parts.along, parts.rates)))


def _address(array: Any) -> int:
    assert array.flags.c_contiguous
    address: int = array.ctypes.data
    return address
