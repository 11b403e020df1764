"""Sums over rows on a GPU, in their order."""

from __future__ import annotations

from typing import Any

from gputrack.backends.structs import ROW_SUMS


def sum_rows(kernels: Any, rows: Any, total: Any, threads: int) -> None:
    """Have the current stream write ``rows.sum(axis=0)`` to `total`, first row first.

    Parameters
    ----------
    kernels : CuPy module
        Built from a text that includes ``kernels/cuda/row_sums.h``.
    rows : float64 array (count, size)
    total : float64 array (size,)
    threads : int
        In each block, as the module was built.
    """
    count, size = rows.shape
    sums = ROW_SUMS.memory(rows.data.ptr, count, size, total.data.ptr)
    kernels.get_function("gputrack_sum_rows")((-(-size // threads),), (threads,), ROW_SUMS.arguments(sums))
