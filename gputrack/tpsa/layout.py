"""Memory layout of the coefficients of many series: tiles of eight maps side by side.

Public arrays are (..., rows). Kernels use (tiles, rows, lanes): one lane for a single map, eight on a CPU, as many as
there are maps on a GPU. Excess lanes repeat the last map, so that no invalid numbers occur there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gputrack.base import arrays
from gputrack.base.arrays import Array, is_cupy, is_traced, untraced

TILE = 8


def namespace(*values: Any) -> Any:
    """`gputrack.base.arrays.namespace`, with a shortcut for NumPy, since operations on small series are short."""
    for value in values:
        if type(value) is not np.ndarray:
            return arrays.namespace(*values)
    return np


def beside(table: np.ndarray, data: Any) -> Any:
    """Table from the host (rows to gather, factors) on the device of the data."""
    return arrays.namespace(data).asarray(table) if is_cupy(data) else table


def lanes_of(batch: tuple[int, ...], on_gpu: bool) -> tuple[int, int]:
    """Number of tiles and lanes for a batch of maps."""
    count = math.prod(batch)
    if count == 1:
        return 1, 1
    return (1, count) if on_gpu else (-(-count // TILE), TILE)


def packed(coefficients: Array) -> Array:
    """(tiles, rows, lanes) from (..., rows)."""
    *batch, rows = coefficients.shape
    tiles, lanes = lanes_of(tuple(batch), is_cupy(coefficients))
    xp = namespace(coefficients)
    count = math.prod(batch)
    flat = xp.reshape(coefficients, (count, rows))
    if tiles * lanes != count:
        flat = flat[beside(np.minimum(np.arange(tiles * lanes), count - 1), flat)]
    return contiguous(xp.swapaxes(xp.reshape(flat, (tiles, lanes, rows)), 1, 2))


def unpacked(data: Array, batch: tuple[int, ...]) -> Array:
    """(..., rows) from (tiles, rows, lanes)."""
    xp = namespace(data)
    tiles, rows, lanes = data.shape
    flat = xp.reshape(xp.swapaxes(data, 1, 2), (tiles * lanes, rows))
    return xp.reshape(flat[: math.prod(batch)], (*batch, rows))


def contiguous(data: Any) -> Any:
    """Contiguous array; traced arrays are unchanged and made contiguous when kernels are called."""
    return data if is_traced(data) else namespace(data).ascontiguousarray(data)


def padded(data: Array, rows: int) -> Array:
    """Data (..., rows, lanes) padded with zeros, or truncated, to a number of rows."""
    have = data.shape[-2]
    if have == rows:
        return data
    if have > rows:
        return contiguous(data[..., :rows, :])
    xp = namespace(data)
    zeros = xp.zeros((*data.shape[:-2], rows - have, data.shape[-1]), dtype=untraced(data).dtype)
    return xp.concatenate([data, zeros], axis=-2)
