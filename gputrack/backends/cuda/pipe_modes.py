"""Collective maps by CUDA kernels, on the particles' device and its current stream."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.cuda.address import address
from gputrack.backends.cuda.row_sums import sum_rows
from gputrack.backends.generated import flattened_alone
from gputrack.backends.pipe_tables import adjoint_table, constant_bars, kick_table, modes, padded, strength
from gputrack.backends.structs import PIPE_LAUNCH, PIPE_RUN
from gputrack.base.arrays import module_named
from gputrack.collective.pipe_modes import PipeModes
from gputrack.elements.collective_map import Bars, Bunch
from gputrack.elements.map import ReferenceValues

THREADS = 128
BLOCKS = 1056  # of a deposition at most: eight for each of 132 multiprocessors
ENTRY = "cuda/pipe_modes.h"


def options(horizontal: int, vertical: int) -> tuple[str, ...]:
    """Options of NVRTC: the numbers of modes are compile-time constants."""
    return "-std=c++17", f"-DGT_THREADS={THREADS}", f"-DGT_HORIZONTAL={horizontal}", f"-DGT_VERTICAL={vertical}"


@cache
def module(horizontal: int, vertical: int) -> Any:
    """Kernels for padded numbers of modes."""
    return module_named("cupy").RawModule(code=flattened_alone(ENTRY), options=options(horizontal, vertical))


class PipeKick:
    """Kicks of `gputrack.PipeModes`, in place. Only sums over all particles, one per mode, are copied to the host."""

    def __init__(self) -> None:
        self._cupy = module_named("cupy")

    def step(self, bunch: Bunch, op: Any, ref: ReferenceValues, backwards: bool) -> Any:
        """See `gputrack.backends.protocol.CollectiveKernel`."""
        xp, c = self._cupy, -strength(op, ref) if backwards else strength(op, ref)
        with bunch.coordinates.device:
            table = kick_table(op.effect, self._deposited(bunch, op.effect, None)[0], bunch.total)
            lost, any_lost = xp.zeros(bunch.weights.shape[0], dtype=xp.int8), xp.zeros(1, dtype=xp.int32)
            launch = _launch(bunch, op.effect, None, c)
            launch.run.lost, launch.any = address(lost), address(any_lost)
            self._for_all(op.effect, "pipe_kick", launch, table)
            return lost if int(any_lost[0]) else None

    def undo_adjoint(self, bunch: Bunch, op: Any, ref: ReferenceValues, bar: Any) -> Bars:
        """See `gputrack.backends.protocol.CollectiveKernel`."""
        c = strength(op, ref)
        with bunch.coordinates.device:
            table, c_bar = adjoint_table(op.effect, self._deposited(bunch, op.effect, bar), bunch.total, c)
            self._for_all(op.effect, "pipe_kick_adjoint", _launch(bunch, op.effect, bar, c), table)
        return Bars(bar, *constant_bars(op, ref, c_bar))

    def _deposited(self, bunch: Bunch, effect: PipeModes, bar: Any) -> np.ndarray:
        """Sums over all particles (1 or 3, horizontal, vertical) on the host."""
        horizontal, vertical = map(padded, effect.modes)
        kernels, n = module(horizontal, vertical), bunch.weights.shape[0]
        size = horizontal * vertical * (1 if bar is None else 3)
        blocks = min(-(-n // THREADS), BLOCKS)
        rows, total = self._cupy.empty((blocks, size)), self._cupy.empty(size)
        launch = _launch(bunch, effect, bar, 0.0)
        launch.rows = address(rows)
        name = "pipe_deposit" if bar is None else "pipe_deposit_adjoint"
        kernels.get_function(name)((blocks,), (THREADS,), PIPE_LAUNCH.arguments(launch))
        sum_rows(kernels, rows, total, THREADS)
        result: np.ndarray = total.get()
        return result.reshape(-1, horizontal, vertical)

    def _for_all(self, effect: PipeModes, name: str, launch: ctypes.Structure, table: np.ndarray) -> None:
        """Run a kernel with one particle per thread, to the end."""
        kx, on_device = self._cupy.asarray(modes(effect)[0]), self._cupy.asarray(table)
        launch.run.kx, launch.run.table = address(kx), address(on_device)
        kernel = module(*map(padded, effect.modes)).get_function(name)
        kernel((-(-launch.run.n // THREADS),), (THREADS,), PIPE_LAUNCH.arguments(launch))
        self._cupy.cuda.get_current_stream().synchronize()


def _launch(bunch: Bunch, effect: PipeModes, bar: Any, c: float) -> ctypes.Structure:
    """`PIPE_LAUNCH` without tables and results."""
    run = PIPE_RUN.memory(
        coordinates=address(bunch.coordinates), cotangents=None if bar is None else address(bar),
        weights=address(bunch.weights), n=bunch.weights.shape[0], inverse_width=1.0 / effect.pipe[0],
        inverse_height=1.0 / effect.pipe[1], strength=c, inverse_total=1.0 / bunch.total,
    )  # fmt: skip
    return PIPE_LAUNCH.memory(run)
