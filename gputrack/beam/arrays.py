"""Validation of the arrays of a beam: shape, type, device and range; NumPy arrays become read-only."""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.base.arrays import Array, is_cupy, is_traced, namespace, require_coordinates
from gputrack.base.checks import require_unmasked, short
from gputrack.base.errors import InputError
from gputrack.base.losses import LossCode


def beam_coordinates(value: Array) -> Array:
    """Coordinates (6, n) as float64 on their device; NumPy arrays become read-only copies.

    Traced arrays are returned unchanged, so that gradients propagate through a beam.

    Raises
    ------
    InputError
        See `gputrack.base.arrays.require_coordinates`.
    """
    if is_traced(value):
        if len(value.shape) != 2 or value.shape[0] != 6:
            raise InputError(f"coordinates must have shape (6, n), got {tuple(value.shape)}")
        return value
    return frozen(require_coordinates(value), value)


def beam_vector(name: str, value: Any, default: float, coordinates: Array, dtype: str) -> Array:
    """One number per particle on the device of the coordinates; a scalar applies to all particles.

    Raises
    ------
    InputError
        The value is on another device, has another shape, or cannot be converted to `dtype`.
    """
    require_unmasked("Beam", name, value)
    n = coordinates.shape[1]
    on_cupy = is_cupy(coordinates)
    xp = namespace(coordinates) if on_cupy else np
    if value is None:
        value = default
    if on_cupy != is_cupy(value) and isinstance(getattr(value, "shape", None), tuple) and value.shape:
        have, want = ("NumPy", "CuPy") if on_cupy else ("CuPy", "NumPy")
        raise InputError(f"Beam: {name} is a {have} array but the coordinates are {want}; move one of them")
    try:
        array = xp.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"Beam: {name} must be {n} numbers, got {short(value)}") from error
    kinds = "iuf" if dtype == "float64" else "iu"
    if array.dtype.kind not in kinds:
        wanted = "numbers" if dtype == "float64" else "integers"
        raise InputError(f"Beam: {name} must be {wanted}, got dtype {array.dtype}")
    if array.ndim == 0:
        array = xp.full(n, array.item(), dtype=array.dtype)
    if array.shape != (n,):
        raise InputError(f"Beam: {name} must have shape ({n},), one per particle, got {tuple(array.shape)}")
    _require_range(name, array, dtype)
    return frozen(xp.ascontiguousarray(array, dtype=dtype), value)


def _require_range(name: str, array: Array, dtype: str) -> None:
    """Require that integers fit `dtype`; the conversion would wrap around silently."""
    if dtype == "float64":
        return
    limits = np.iinfo(dtype)
    low, high = int(array.min()), int(array.max())
    if low < limits.min or high > limits.max:
        worst = low if low < limits.min else high
        raise InputError(f"Beam: {name} must fit {dtype}, got {worst}")


def require_weights(weights: Array) -> None:
    """Require finite weights > 0."""
    xp = namespace(weights)
    good = xp.isfinite(weights) & (weights > 0.0)
    if not bool(xp.all(good)):
        i = int(xp.argmin(good))
        raise InputError(f"Beam: weights must be finite and > 0, particle {i} has {float(weights[i])!r}")


def require_codes(loss_code: Array) -> None:
    """Require loss codes of `LossCode`."""
    low, high = int(loss_code.min()), int(loss_code.max())
    for code in (low, high):
        if not 0 <= code <= max(LossCode):
            raise InputError(f"Beam: loss_code must be 0 to {max(LossCode):d}, got {code}")


def require_finite(coordinates: Array, alive: Array) -> None:
    """Require finite coordinates of the surviving particles."""
    if is_traced(coordinates):
        return
    xp = namespace(coordinates)
    good = xp.all(xp.isfinite(coordinates), axis=0) | ~alive
    if not bool(xp.all(good)):
        i = int(xp.argmin(good))
        raise InputError(
            f"Beam: coordinates of particle {i} are not finite ({short(coordinates[:, i].tolist())}); "
            f"drop it, or mark it lost with loss_code {LossCode.NOT_FINITE:d}"
        )


def frozen(array: Array, original: Any) -> Array:
    """Read-only NumPy array that shares no memory with `original`; CuPy arrays, which have no such flag, unchanged."""
    if not isinstance(array, np.ndarray):
        return array
    if array.flags.writeable or array.base is not None:
        if array is original or array.base is not None:
            array = array.copy()
        array.flags.writeable = False
    return array
