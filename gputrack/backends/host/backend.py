"""Backend `host`: the kernels, built by the host compiler, on CPU threads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

import gputrack.backends.host.pipe_modes  # noqa: F401 - so that its kernels are known
from gputrack.backends.generated import flattened
from gputrack.backends.protocol import Launch, Particles, Tangents, available_threads
from gputrack.backends.segments import Segmented
from gputrack.backends.structs import REFERENCE, RUN, SWEEP, TANGENT_RUN, make_run
from gputrack.base.compiler import build
from gputrack.elements.map import MAPS, ReferenceValues

ADJOINT_PARTS = 16  # buffers for derivatives with respect to the program's constants


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels with their signatures; built at first use."""
    lib = build(flattened("host/track.h", MAPS))
    lib.gputrack_track.argtypes = [ctypes.POINTER(RUN.memory), ctypes.c_int64, ctypes.c_int64, ctypes.c_int]
    lib.gputrack_track.restype = None
    lib.gputrack_lanes.restype = ctypes.c_int
    return lib


@cache
def adjoint_library() -> ctypes.CDLL:
    """The compiled backward sweep, apart because it takes longer to build and few runs need it."""
    lib = build(flattened("host/adjoint.h", MAPS))
    lib.gputrack_sweep.argtypes = [ctypes.POINTER(SWEEP.memory), ctypes.c_int64, ctypes.c_int64]
    lib.gputrack_sweep.restype = None
    return lib


@cache
def tangent_library() -> ctypes.CDLL:
    """The compiled kernels on dual numbers, apart as the backward sweep is."""
    lib = build("#define GT_PARTS 2\n" + flattened("host/tangent.h", MAPS))
    lib.gputrack_tangent.argtypes = [ctypes.POINTER(TANGENT_RUN.memory), ctypes.c_int64, ctypes.c_int64]
    lib.gputrack_tangent.restype = None
    return lib


def _address(array: np.ndarray) -> int:
    assert array.flags.c_contiguous
    return array.ctypes.data


class HostBackend(Segmented):
    """Blocks of particles on threads; the interpreter lock is free while kernels run.

    Parameters
    ----------
    threads : int, optional
        All cores that the process may use where not given.
    """

    name = "host"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_threads()
        self._library = library()

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run one stretch of turns, in place."""
        program = launch.program
        if not len(program) or not launch.turns:
            return
        run = make_run(particles, launch, program.ops, program.constants, _address)
        self._over_parts(
            particles, lambda part: self._library.gputrack_track(ctypes.byref(run), *part, int(launch.backwards))
        )

    def step_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Any:
        """Run one stretch of turns forwards, in place, and carry tangents through it.

        Parameters
        ----------
        particles : Particles
        tangents : Tangents
            Those of the coordinates are changed in place, with the coordinates.
        launch : Launch

        Returns
        -------
        float64 array
            Tangents of what was recorded, laid out as ``launch.records.flat``; 0 where nothing was.
        """
        program, records = launch.program, np.zeros_like(launch.records.flat)
        if not len(program) or not launch.turns:
            return records
        run = make_run(particles, launch, program.ops, program.constants, _address)
        constants = np.stack([program.constants, tangents.constants], axis=-1)
        reference = REFERENCE.memory(*tangents.reference)
        dual = TANGENT_RUN.memory(
            run, _address(tangents.coordinates), _address(constants), reference, _address(records)
        )
        library = tangent_library()
        self._over_parts(particles, lambda part: library.gputrack_tangent(ctypes.byref(dual), *part))
        return records

    def _over_parts(self, particles: Particles, work: Callable[[tuple[int, int]], None]) -> None:
        """Do the work for all ranges of particles, on threads."""
        parts = self._parts(particles.coordinates.shape[1])
        if len(parts) == 1:
            work(parts[0])
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, parts))

    def step_adjoint(self, particles: Particles, cotangents: Any, launch: Launch, seeds: Any) -> Any:
        """Undo one stretch of turns, in place, pulling cotangents (6, n) back through it.

        Parameters
        ----------
        particles : Particles
            After the stretch; as they were before it when the call returns.
        cotangents : float64 array (6, n)
            Derivatives of a scalar with respect to the coordinates after; before, when the call returns.
        launch : Launch
            The stretch, as it was run forwards.
        seeds : float64 array, or None
            Derivatives with respect to what was recorded, laid out as ``launch.records.flat``.

        Returns
        -------
        float64 array (n_constants + 5,)
            Derivatives with respect to the constants of the launch's ops, then to the members of `ReferenceValues`,
            each taken by itself. Particles are added up in an order that does not depend on the number of threads.
        """
        program = launch.program
        run = make_run(particles, launch, program.ops, program.constants, _address)
        parts = self._adjoint_parts(particles.coordinates.shape[1])
        first, end = launch.constants_range
        n_constants = end - first
        gradients = np.zeros((len(parts), n_constants + len(ReferenceValues._fields)))
        library = adjoint_library()

        def work(number: int) -> None:
            seed = None if seeds is None else _address(seeds)
            own = gradients[number]
            # kernels count from the first of all constants
            start = _address(own) - first * own.itemsize
            sweep = SWEEP.memory(run, _address(cotangents), start, _address(own[n_constants:]), seed)
            library.gputrack_sweep(ctypes.byref(sweep), *parts[number])

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, range(len(parts))))
        total = gradients[0]
        for part in gradients[1:]:
            total = total + part
        return total

    def _adjoint_parts(self, n: int) -> list[tuple[int, int]]:
        """Ranges of particles that do not depend on the threads: their sums are added in this order."""
        size: int = self._library.gputrack_lanes() * max(1, -(-n // (self._library.gputrack_lanes() * ADJOINT_PARTS)))
        return [(i, min(n, i + size)) for i in range(0, n, size)]

    def _parts(self, n: int) -> list[tuple[int, int]]:
        """Ranges of particles, whole packs of the kernel: one per thread, or a few where there are many packs."""
        if self.threads == 1:
            return [(0, n)]
        lanes: int = self._library.gputrack_lanes()
        packs = -(-n // lanes)
        several = 4 * self.threads  # so that no thread waits long for another
        count = several if packs >= 8 * several else min(packs, self.threads)
        edges: list[Any] = [min(n, lanes * (packs * i // count)) for i in range(count + 1)]
        return [(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]
