"""Maps of the whole beam by CUDA kernels, on the particles' device and its current stream."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.collective import KERNELS
from gputrack.backends.generated import flattened_alone
from gputrack.backends.pipe_tables import adjoint_table, constant_bars, kick_table, modes, padded, strength
from gputrack.base.arrays import module_named
from gputrack.collective.pipe_modes import PipeModes
from gputrack.elements.collective_map import Bars, Bunch
from gputrack.elements.map import ReferenceValues

THREADS = 128
BLOCKS = 1056  # of a deposition at most: eight for each of 132 multiprocessors
ENTRY = "cuda/pipe_modes.h"


def options(horizontal: int, vertical: int) -> tuple[str, ...]:
    """What NVRTC is told: numbers of modes are constants of the kernels."""
    return "-std=c++17", f"-DGT_THREADS={THREADS}", f"-DGT_HORIZONTAL={horizontal}", f"-DGT_VERTICAL={vertical}"


@cache
def module(horizontal: int, vertical: int) -> Any:
    """The kernels for numbers of modes that are rounded up."""
    return module_named("cupy").RawModule(code=flattened_alone(ENTRY), options=options(horizontal, vertical))


class PipeKick:
    """Kicks of `gputrack.PipeModes`, in place. Only sums over all particles cross to the host: a number per mode."""

    def __init__(self, threads: None = None) -> None:
        self._cupy = module_named("cupy")

    def step(self, bunch: Bunch, op: Any, ref: ReferenceValues, backwards: bool) -> Any:
        """See `gputrack.backends.collective.Kernel`."""
        xp, c = self._cupy, -strength(op, ref) if backwards else strength(op, ref)
        with bunch.coordinates.device:
            table = kick_table(op.what, self._deposited(bunch, op.what, None)[0], bunch.total)
            lost, one = xp.zeros(bunch.weights.shape[0], dtype=xp.int8), xp.zeros(1, dtype=xp.int32)
            last = np.uint64(_address(lost)), np.uint64(_address(one))
            self._for_all(op.what, "pipe_kick", bunch, None, table, c, *last)
            return lost if int(one[0]) else None

    def undo_adjoint(self, bunch: Bunch, op: Any, ref: ReferenceValues, bar: Any) -> Bars:
        """See `gputrack.backends.collective.Kernel`."""
        c = strength(op, ref)
        with bunch.coordinates.device:
            table, c_bar = adjoint_table(op.what, self._deposited(bunch, op.what, bar), bunch.total, c)
            self._for_all(op.what, "pipe_kick_adjoint", bunch, bar, table, c, np.uint64(0))
        return Bars(bar, *constant_bars(op, ref, c_bar))

    def _deposited(self, bunch: Bunch, what: PipeModes, bar: Any) -> np.ndarray:
        """Sums over all particles (1 or 3, horizontal, vertical) on the host."""
        horizontal, vertical = map(padded, what.modes)
        kernels, n = module(horizontal, vertical), bunch.weights.shape[0]
        size = horizontal * vertical * (1 if bar is None else 3)
        blocks = min(-(-n // THREADS), BLOCKS)
        rows, total = self._cupy.empty((blocks, size)), self._cupy.empty(size)
        arguments = (*_arguments(bunch, what, bar, None, 0.0), np.uint64(0), np.uint64(rows.data.ptr))
        name = "pipe_deposit" if bar is None else "pipe_deposit_adjoint"
        kernels.get_function(name)((blocks,), (THREADS,), arguments)
        arguments = (np.uint64(rows.data.ptr), np.int32(blocks), np.int64(size), np.uint64(total.data.ptr))
        kernels.get_function("pipe_sum_rows")((-(-size // THREADS),), (THREADS,), arguments)
        result: np.ndarray = total.get()
        return result.reshape(-1, horizontal, vertical)

    def _for_all(
        self, what: PipeModes, name: str, bunch: Bunch, bar: Any, table: np.ndarray, c: float, *last: np.generic
    ) -> None:
        """One particle per thread; returns when it is done."""
        kx, on_device = self._cupy.asarray(modes(what)[0]), self._cupy.asarray(table)
        arguments = (*_arguments(bunch, what, bar, (kx, on_device), c), *last)
        blocks = -(-bunch.weights.shape[0] // THREADS)
        module(*map(padded, what.modes)).get_function(name)((blocks,), (THREADS,), arguments)
        self._cupy.cuda.get_current_stream().synchronize()


def _arguments(bunch: Bunch, what: PipeModes, bar: Any, tables: Any, c: float) -> tuple[Any, ...]:
    """Members of `PipeRun` but for the last one, each with its C type."""
    kx, table = (None, None) if tables is None else tables
    first = [np.uint64(_address(array)) for array in (bunch.coordinates, bar, bunch.weights)]
    widths = [np.float64(1.0 / width) for width in what.pipe]
    last = np.float64(c), np.float64(1.0 / bunch.total)
    return *first, np.int64(bunch.weights.shape[0]), *widths, *(np.uint64(_address(a)) for a in (kx, table)), *last


def _address(array: Any) -> int:
    if array is None:
        return 0
    assert array.flags.c_contiguous
    address: int = array.data.ptr
    return address


KERNELS["cuda", "pipe_kick"] = PipeKick
