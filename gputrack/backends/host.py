"""Backend `host`: the kernels, built by the host compiler, on CPU threads."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.base import Launch, Particles, available_threads
from gputrack.backends.compiler import build
from gputrack.backends.run import Run, make_run
from gputrack.backends.sources import flattened
from gputrack.elements.map import MAPS


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels with their signatures; built at first use."""
    lib = build(flattened("track_host.h", MAPS))
    lib.gputrack_track.argtypes = [ctypes.POINTER(Run), ctypes.c_int64, ctypes.c_int64, ctypes.c_int]
    lib.gputrack_track.restype = None
    lib.gputrack_lanes.restype = ctypes.c_int
    return lib


def _address(array: np.ndarray) -> int:
    assert array.flags.c_contiguous
    return array.ctypes.data


class HostBackend:
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
        run = make_run(particles, launch, program.ops, program.constants, _address)
        parts = self._parts(particles.coordinates.shape[1])

        def work(part: tuple[int, int]) -> None:
            self._library.gputrack_track(ctypes.byref(run), *part, int(launch.backwards))

        if len(parts) == 1:
            work(parts[0])
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, parts))

    def _parts(self, n: int) -> list[tuple[int, int]]:
        """Ranges of particles, whole blocks of the kernel, a few per thread so that none waits long."""
        if self.threads == 1:
            return [(0, n)]
        lanes: int = self._library.gputrack_lanes()
        blocks = -(-n // lanes)
        count = min(blocks, 4 * self.threads)
        edges: list[Any] = [min(n, lanes * (blocks * i // count)) for i in range(count + 1)]
        return [(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]
