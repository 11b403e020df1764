"""Slices of large traced arrays; autograd's own rule for slices adds cotangents entry by entry, which is slow."""

from __future__ import annotations

from typing import Any

import numpy as np
from autograd.extend import defvjp

from gputrack.autodiff.second_derivatives import require_first_derivatives
from gputrack.base.arrays import Array
from gputrack.base.primitive import primitive


def part(array: Array, index: Any) -> Array:
    """``array[index]`` for an index of slices and integers."""
    return array[index] if type(array) is np.ndarray else _part(array, index)  # a primitive costs some microseconds


@primitive
def _part(array: Array, index: Any) -> Array:
    return array[index]


def _spread(shape: tuple[int, ...], index: Any, bar: Any) -> np.ndarray:
    require_first_derivatives(bar)
    whole = np.zeros(shape, dtype=np.asarray(bar).dtype)
    whole[index] = bar
    return whole


defvjp(_part, lambda answer, array, index: lambda bar: _spread(array.shape, index, bar), argnums=(0,))
