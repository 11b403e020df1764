"""Sums over rows on a GPU, in order."""

from __future__ import annotations

from typing import Any

from gputrack.backends.structs import ROW_SUMS


def sum_rows(kernels: Any, rows: Any, total: Any, threads: int) -> None:
    """Queue the sum over rows, first row first, on the current stream; `total` receives it.

    Parameters
    ----------
    kernels : CuPy module
        Built from a text that includes ``kernels/cuda/row_sums.h``.
    rows : float64 array (count, size)
    total : float64 array (size,)
    threads : int
        Threads per block for which the module was built.
    """
    count, size = rows.shape
    sums = ROW_SUMS.memory(rows.data.ptr, count, size, total.data.ptr)
    kernels.get_function("gputrack_sum_rows")((-(-size // threads),), (threads,), ROW_SUMS.arguments(sums))
