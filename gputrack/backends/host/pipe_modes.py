"""Collective maps by compiled kernels on CPU threads."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.generated import flattened_alone
from gputrack.backends.pipe_tables import (
    adjoint_table,
    constant_bars,
    kick_table,
    modes,
    padded,
    strength,
)
from gputrack.backends.structs import PIPE_RUN
from gputrack.base.c_struct import address_of
from gputrack.base.compiler import build
from gputrack.collective.pipe_modes import PipeModes
from gputrack.elements.collective_map import Bars, Bunch
from gputrack.elements.map import ReferenceValues

ENTRY = "host/pipe_modes.h"
PARTS = 16  # of the particles; their sums are added in order, independent of the number of threads
UNIT = 64  # parts have multiples of this number of particles: whole packs and blocks of the kernels
WORTH = 1e-3  # work per thread [s], approximately, below which threads do not pay off
RATE = 1e-10  # seconds per particle and pair of modes


@cache
def library(horizontal: int, vertical: int) -> ctypes.CDLL:
    """Compiled kernels for padded numbers of modes, with their signatures; built at first use."""
    counts = f"#define GT_HORIZONTAL {horizontal}\n#define GT_VERTICAL {vertical}\n"
    lib = build(flattened_alone(ENTRY, "#define GT_PARTS 1\n" + counts))
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    run = ctypes.POINTER(PIPE_RUN.memory)
    lib.pipe_scratch.argtypes, lib.pipe_scratch.restype = [], integer
    lib.pipe_deposit.argtypes = [run, integer, integer, integer, ctypes.c_int, pointer, pointer]
    lib.pipe_kick.argtypes = lib.pipe_kick_adjoint.argtypes = [run, integer, integer, pointer]
    lib.pipe_deposit.restype, lib.pipe_kick.restype, lib.pipe_kick_adjoint.restype = None, integer, integer
    return lib


class PipeKick:
    """Kicks of `gputrack.PipeModes`, in place; results do not depend on the number of threads.

    Parameters
    ----------
    threads : int
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def step(self, bunch: Bunch, op: Any, ref: ReferenceValues, backwards: bool) -> np.ndarray | None:
        """See `gputrack.backends.protocol.CollectiveKernel`."""
        run, held = _run(bunch, op, -strength(op, ref) if backwards else strength(op, ref))
        table = kick_table(op.effect, self._deposited(op.effect, run, False)[0], bunch.total)
        lost = np.zeros(run.n, dtype=np.int8)
        run.table, run.lost = address_of(table), address_of(lost)
        count = self._over(op.effect, run, _library_of(op.effect).pipe_kick)
        del held  # the kernel is done with the arrays
        return lost if count else None

    def undo_adjoint(self, bunch: Bunch, op: Any, ref: ReferenceValues, bar: np.ndarray) -> Bars:
        """See `gputrack.backends.protocol.CollectiveKernel`."""
        c = strength(op, ref)
        run, held = _run(bunch, op, c)
        run.cotangents = address_of(bar)
        table, c_bar = adjoint_table(op.effect, self._deposited(op.effect, run, True), bunch.total, c)
        run.table = address_of(table)
        self._over(op.effect, run, _library_of(op.effect).pipe_kick_adjoint)
        del held
        return Bars(bar, *constant_bars(op, ref, c_bar))

    def _deposited(self, effect: PipeModes, run: ctypes.Structure, adjoint: bool) -> np.ndarray:
        """Sums over all particles (1 or 3, horizontal, vertical), see `pipe_deposit` in the kernels."""
        size = _whole(-(-run.n // PARTS), UNIT)
        count = -(-run.n // size)
        sums = np.empty((count, 3 if adjoint else 1, *map(padded, effect.modes)))
        deposit = _library_of(effect).pipe_deposit

        def work(first: int, end: int, scratch: int) -> None:
            deposit(ctypes.byref(run), size, first, end, int(adjoint), address_of(sums), scratch)

        self._on_threads(effect, run.n, count, 1, work)
        return _in_order(sums)

    def _over(self, effect: PipeModes, run: ctypes.Structure, function: Any) -> int:
        """Call a function for ranges of particles; return the sum of its results."""
        return sum(self._on_threads(effect, run.n, run.n, UNIT, lambda *part: function(ctypes.byref(run), *part)))

    def _on_threads(
        self, effect: PipeModes, n: int, count: int, unit: int, work: Callable[[int, int, int], Any]
    ) -> list[Any]:
        """Share `count` items in whole units among threads, each with scratch memory, for `n` particles."""
        seconds = RATE * n * math.prod(map(padded, effect.modes))
        shares = max(1, min(self.threads, int(seconds / WORTH), -(-count // unit)))
        edges = [min(count, _whole(count * i // shares, unit)) for i in range(shares)] + [count]
        size = _library_of(effect).pipe_scratch()
        buffers = [_aligned(size) for _ in range(shares)]
        parts = [(edges[i], edges[i + 1], address_of(buffers[i])) for i in range(shares)]
        if shares == 1:
            return [work(*parts[0])]
        with ThreadPoolExecutor(shares) as pool:
            return list(pool.map(lambda part: work(*part), parts))


def _library_of(effect: PipeModes) -> ctypes.CDLL:
    return library(*map(padded, effect.modes))


def _run(bunch: Bunch, op: Any, c: float) -> tuple[ctypes.Structure, list[np.ndarray]]:
    """Struct without the table, and the arrays to which it points."""
    kx = modes(op.effect)[0]
    run = PIPE_RUN.memory()
    weights = np.ascontiguousarray(bunch.weights)
    run.coordinates, run.weights = address_of(bunch.coordinates), address_of(weights)
    run.n = weights.shape[0]
    run.inverse_width, run.inverse_height = 1.0 / op.effect.pipe[0], 1.0 / op.effect.pipe[1]
    run.kx = address_of(kx)
    run.strength, run.inverse_total = c, 1.0 / bunch.total
    return run, [kx, weights]


def _whole(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _in_order(rows: np.ndarray) -> np.ndarray:
    """Sum over rows, first row first."""
    total: np.ndarray = rows[0]
    for row in rows[1:]:
        total = total + row
    return total


def _aligned(size: int) -> np.ndarray:
    """Memory for `size` numbers, aligned to a cache line."""
    raw = np.empty(size + 8)
    return raw[-(raw.ctypes.data // 8) % 8 :][:size]
