"""Addresses of arrays on a GPU."""

from __future__ import annotations

from gputrack.base.arrays import Array


def address(array: Array) -> int:
    """Address of a contiguous CuPy array."""
    assert array.flags.c_contiguous
    found: int = array.data.ptr
    return found
