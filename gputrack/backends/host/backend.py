"""Backend `host`: the kernels, built by the host compiler, on CPU threads."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np

from gputrack.backends.derivatives import Cotangents, MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.generated import flattened, host_kinds
from gputrack.backends.host.matrix_adjoint import sweep_matrices
from gputrack.backends.host.matrix_derivatives import pass_rates, sweep_rates
from gputrack.backends.host.pipe_modes import PipeKick
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.segments import Segmented
from gputrack.backends.structs import REFERENCE, RUN, SWEEP, TANGENT_RUN, make_run, moment_members
from gputrack.base.arrays import Array
from gputrack.base.c_struct import address_of
from gputrack.base.compiler import build
from gputrack.collective.pipe_modes import PIPE_KICK
from gputrack.elements.collective_map import CollectiveKind
from gputrack.elements.map import MapKind, ReferenceValues

Part = TypeVar("Part")
ADJOINT_PARTS = 16  # buffers for derivatives with respect to the program's constants


def available_threads() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@cache
def library(kinds: frozenset[MapKind]) -> ctypes.CDLL:
    """Compiled kernels with their signatures, built at first use."""
    lib = build(flattened("host/track.h", host_kinds(kinds)))
    lib.gputrack_track.argtypes = [ctypes.POINTER(RUN.memory), ctypes.c_int64, ctypes.c_int64, ctypes.c_int]
    lib.gputrack_track.restype = None
    lib.gputrack_lanes.restype = ctypes.c_int
    return lib


@cache
def adjoint_library(kinds: frozenset[MapKind]) -> ctypes.CDLL:
    """Compiled backward sweep, built separately because it takes longer and few runs need it."""
    lib = build(flattened("host/adjoint.h", host_kinds(kinds)))
    lib.gputrack_sweep.argtypes = [ctypes.POINTER(SWEEP.memory), ctypes.c_int64, ctypes.c_int64]
    lib.gputrack_sweep.restype = None
    return lib


@cache
def tangent_library(kinds: frozenset[MapKind]) -> ctypes.CDLL:
    """Compiled kernels on dual numbers, built separately as well."""
    lib = build("#define GT_PARTS 2\n" + flattened("host/tangent.h", host_kinds(kinds)))
    lib.gputrack_tangent.argtypes = [ctypes.POINTER(TANGENT_RUN.memory), ctypes.c_int64, ctypes.c_int64]
    lib.gputrack_tangent.restype = None
    return lib


class HostBackend(Segmented):
    """Blocks of particles on threads; the interpreter lock is released while kernels run.

    Parameters
    ----------
    threads : int, optional
        By default all cores available to the process.
    """

    name = "host"
    stream = None

    def __init__(self, threads: int | None = None) -> None:
        self.threads: int = threads or available_threads()
        self._library = library(frozenset())

    def collective_kernel(self, kind: CollectiveKind) -> PipeKick | None:
        """See `gputrack.backends.protocol.Backend`."""
        return PipeKick(self.threads) if kind is PIPE_KICK else None

    def segment(self, particles: Particles, launch: Launch) -> None:
        """`step` of a launch without collective maps."""
        program = launch.program
        run = make_run(particles, launch, program.ops, program.constants, address_of)
        track = library(program.build_kinds).gputrack_track
        self._over_parts(particles, lambda part: track(ctypes.byref(run), *part, int(launch.backwards)))

    def segment_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Array:
        """`step_tangent` of such a launch."""
        program, records = launch.program, np.zeros_like(launch.records.flat)
        run = make_run(particles, launch, program.ops, program.constants, address_of)
        constants = np.stack([program.constants, tangents.constants], axis=-1)
        reference = REFERENCE.memory(*tangents.reference)
        dual = TANGENT_RUN.memory(
            run, address_of(tangents.coordinates), address_of(constants), reference, address_of(records)
        )
        carry = tangent_library(program.build_kinds).gputrack_tangent
        self._over_parts(particles, lambda part: carry(ctypes.byref(dual), *part))
        return records

    def _over_parts(self, particles: Particles, work: Callable[[tuple[int, int]], None]) -> None:
        """Call `work` for all ranges of particles, on threads."""
        self._on_threads(work, self._parts(particles.coordinates.shape[1]))

    def _on_threads(self, work: Callable[[Part], None], parts: Sequence[Part]) -> None:
        """Call `work` for all parts; without a thread pool if one thread suffices."""
        if self.threads == 1 or len(parts) == 1:
            for part in parts:
                work(part)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, parts))

    def segment_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """`step_adjoint` of such a launch; sums over particles do not depend on the number of threads."""
        program = launch.program
        run = make_run(particles, launch, program.ops, program.constants, address_of)
        parts = self._adjoint_parts(particles.coordinates.shape[1])
        first, end = launch.constants_range
        n_constants = end - first
        gradients = np.zeros((len(parts), n_constants + len(ReferenceValues._fields)))
        undo = adjoint_library(program.build_kinds).gputrack_sweep
        more = moment_members(cotangents.moments, launch, address_of)
        seed = None if cotangents.records is None else address_of(cotangents.records)

        def work(number: int) -> None:
            own = gradients[number]
            # kernels count from the first of all constants
            start = address_of(own) - first * own.itemsize
            sweep = SWEEP.memory(
                run, address_of(cotangents.coordinates), start, address_of(own[n_constants:]), seed, **more
            )
            undo(ctypes.byref(sweep), *parts[number])

        self._on_threads(work, range(len(parts)))
        total: np.ndarray = gradients[0]
        for part in gradients[1:]:
            total = total + part
        return total

    def step_tangent_adjoint(
        self, particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
    ) -> np.ndarray:
        """Undo one turn with tangents, in place, and pull cotangents of both back."""
        return sweep_matrices(particles, tangents, cotangents, launch)

    def step_rates(self, rates: MatrixRates, launch: Launch) -> Array:
        """Propagate rates of transfer matrices through one turn, in place; return the rates at the records."""
        return pass_rates(rates, launch)

    def step_rates_adjoint(self, rates: MatrixRates, cotangents: RateCotangents, launch: Launch) -> np.ndarray:
        """Undo one turn, in place, and pull cotangents of the rates back."""
        return sweep_rates(rates, cotangents, launch)

    def _adjoint_parts(self, n: int) -> list[tuple[int, int]]:
        """Ranges of particles, independent of the number of threads, whose sums are added in this order."""
        size: int = self._library.gputrack_lanes() * max(1, -(-n // (self._library.gputrack_lanes() * ADJOINT_PARTS)))
        return [(i, min(n, i + size)) for i in range(0, n, size)]

    def _parts(self, n: int) -> list[tuple[int, int]]:
        """Ranges of particles in whole packs of the kernel: one per thread, or a few if there are many packs."""
        if self.threads == 1:
            return [(0, n)]
        lanes: int = self._library.gputrack_lanes()
        packs = -(-n // lanes)
        several = 4 * self.threads  # to balance the load
        count = several if packs >= 8 * several else min(packs, self.threads)
        edges: list[Any] = [min(n, lanes * (packs * i // count)) for i in range(count + 1)]
        return [(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]
