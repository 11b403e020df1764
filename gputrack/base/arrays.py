"""Array libraries: namespaces, devices, tracing by autograd, elementary functions."""

from __future__ import annotations

import math
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat
import numpy as np

from gputrack.base.errors import BackendError, InputError
from gputrack.base.sealed_array import DeviceArray, opened

Array = Any

_BOXED_CUPY = "gputrack.autodiff.cupy_box"  # module of the boxes around CuPy arrays
_NUMPY = array_api_compat.array_namespace(np.zeros(0))
_TRACERS = ("autograd.", _BOXED_CUPY)  # modules of all boxes


def namespace(*values: Array) -> Any:
    """Array namespace of the first array among `values`; NumPy if all are plain numbers.

    For arrays traced by autograd it is `autograd.numpy`, so that maps written for the
    returned namespace can be differentiated unchanged.
    """
    found = None
    for value in values:
        if type(value) is np.ndarray:
            found = value if found is None else found
            continue
        module = type(value).__module__
        if module.startswith("autograd."):
            return sys.modules["autograd.numpy"]
        if module == _BOXED_CUPY or isinstance(value, DeviceArray):
            value = untraced(value)
        if found is None and array_api_compat.is_array_api_obj(value):
            found = value
    if type(found) is np.ndarray:
        return _NUMPY
    return np if found is None else array_api_compat.array_namespace(found)


def sqrt(value: Array) -> Array:
    """Square root of a Python number, an array, a traced array or a truncated power series.

    Python numbers give Python numbers, which every array library accepts as factors.
    """
    return _elementary("sqrt", value)


def sin(value: Array) -> Array:
    """Sine, dispatched as `sqrt` is."""
    return _elementary("sin", value)


def cos(value: Array) -> Array:
    """Cosine, dispatched as `sqrt` is."""
    return _elementary("cos", value)


def exp(value: Array) -> Array:
    """Exponential function, dispatched as `sqrt` is."""
    return _elementary("exp", value)


def tan(value: Array) -> Array:
    """Tangent, dispatched as `sqrt` is."""
    return _elementary("tan", value)


def arctan(value: Array) -> Array:
    """Inverse tangent, dispatched as `sqrt` is (`atan` in the array API, `arctan` elsewhere)."""
    return _elementary("arctan", value, standard="atan")


def log(value: Array) -> Array:
    """Natural logarithm, dispatched as `sqrt` is."""
    return _elementary("log", value)


def log1p(value: Array) -> Array:
    """log(1 + value), accurate where the value is small, dispatched as `sqrt` is."""
    return _elementary("log1p", value)


def arcsinh(value: Array) -> Array:
    """Inverse hyperbolic sine, dispatched as `sqrt` is (`asinh` in the array API)."""
    return _elementary("arcsinh", value, standard="asinh")


def arctan2(y: Array, x: Array) -> Array:
    """Angle of (x, y) between -pi and pi, dispatched as `sqrt` is (`atan2` in the array API).

    Complex arguments, as of complex steps, choose the branch by their real parts.
    """
    if all(type(value) in (float, int) for value in (y, x)):
        return math.atan2(y, x)
    if hasattr(y, "arctan2") or hasattr(x, "arctan2"):
        return (y if hasattr(y, "arctan2") else y + 0.0 * x).arctan2(x)
    if any(untraced(value).dtype.kind == "c" for value in (y, x) if hasattr(value, "dtype")):
        return _complex_angle(y, x)
    xp = namespace(y, x)
    return (xp.atan2 if hasattr(xp, "atan2") else xp.arctan2)(y, x)


def _complex_angle(y: Array, x: Array) -> Array:
    """Angle of the nearest axis, plus the arc tangent of y/x or -x/y."""
    across, up = plain_values(x), plain_values(y)
    xp = namespace(across, up)
    steep = abs(up) > abs(across)
    axis = xp.arctan2(xp.copysign(xp.where(steep, 1.0, 0.0), up), xp.where(steep, 0.0, across))
    return axis + arctan(xp.where(steep, -x, y) / xp.where(steep, y, x))


def _elementary(name: str, value: Array, standard: str | None = None) -> Array:
    """Elementary function by name: NumPy's for Python numbers, else the value's method or its library's function."""
    if type(value) in (float, int, complex):
        return getattr(np, name)(value).item()
    own = getattr(value, name, None)
    if own is not None:
        return own()
    xp = namespace(value)
    return getattr(xp, standard if standard and hasattr(xp, standard) else name)(value)


def python_number(value: Array) -> Array:
    """Python number from a NumPy scalar, a factor that every array library accepts; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def ratio_or_zero(numerator: Array, denominator: Array) -> Array:
    """Quotient, 0 where the denominator is 0; of Python numbers a Python number."""
    divides = plain_values(denominator) != 0.0
    if isinstance(divides, bool):
        return numerator / denominator if divides else 0.0 * numerator
    xp = namespace(numerator, denominator)
    return xp.where(divides, numerator, 0.0) / xp.where(divides, denominator, 1.0)


def is_cupy(value: Array) -> bool:
    """Whether `value` is a CuPy array, traced or not (False where CuPy is not installed)."""
    return type(value) is not np.ndarray and bool(array_api_compat.is_cupy_array(untraced(value)))


def on_device(value: Array) -> AbstractContextManager[Any]:
    """Context in which new CuPy arrays are created on the GPU of `value`; no effect for arrays on the host."""
    device: AbstractContextManager[Any] = untraced(value).device if is_cupy(value) else nullcontext()
    return device


def out_of_memory() -> tuple[type[Exception], ...]:
    """CuPy's out-of-memory error, for ``except``; an empty tuple if CuPy is not imported."""
    cupy = sys.modules.get("cupy")
    return () if cupy is None else (cupy.cuda.memory.OutOfMemoryError,)


def is_traced(value: Array) -> bool:
    """Whether `value` is a boxed array that autograd is tracing."""
    kind = type(value)
    return kind is not np.ndarray and kind is not float and kind.__module__.startswith(_TRACERS)


def untraced(value: Array) -> Array:
    """Plain array inside autograd's boxes; anything else unchanged."""
    while is_traced(value):
        value = value._value
    return opened(value)


def plain_values(value: Array) -> Array:
    """Untraced real part of a number or array, or constant part of a power series, for the choice between branches."""
    value = untraced(getattr(value, "constant", value))
    if is_cupy(value) or isinstance(value, (np.ndarray, np.generic, complex)):
        return value.real
    return value


def assembled(values: Any) -> Array:
    """A NumPy array of (nested lists of) numbers, traced where one of them is."""
    return _numpy_of(values).array(values)


def _numpy_of(values: Any) -> Any:
    if isinstance(values, (list, tuple)):
        return next((xp for xp in map(_numpy_of, values) if xp is not np), np)
    return namespace(values) if is_traced(values) else np


def to_numpy(value: Array) -> np.ndarray:
    """Array on the host: an explicit copy of a CuPy array; traced arrays stay traced."""
    array: np.ndarray = value.get() if is_cupy(value) else value if is_traced(value) else np.asarray(value)
    return array


def module_named(name: str) -> Any:
    """Array module by name, ``"numpy"`` or ``"cupy"``.

    Raises
    ------
    BackendError
        CuPy is requested but not installed.
    InputError
        Any other name.
    """
    if not isinstance(name, str):
        raise InputError(f"xp must be 'numpy' or 'cupy', got {type(name).__name__}")
    if name == "numpy":
        return np
    if name == "cupy":
        try:
            import cupy
        except ImportError as error:
            raise BackendError(
                "xp='cupy' needs CuPy: install gputrack[cuda12] or gputrack[cuda13]"
            ) from error
        return cupy
    raise InputError(f"xp must be 'numpy' or 'cupy', got {name!r}")


def require_coordinates(value: Array) -> Array:
    """Return `value` as a contiguous (6, n) float64 array on its own device, or raise.

    Raises
    ------
    InputError
        The shape is not (6, n), the type is not real, or n is 0.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError("coordinates must not have masked entries; remove these particles, or mark them lost")
    xp = np if not is_cupy(value) else namespace(value)
    try:
        array = xp.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"coordinates must be a (6, n) array of numbers: {error}") from error
    if array.ndim == 1 and array.shape[0] == 6:
        array = array[:, None]
    if array.ndim != 2 or array.shape[0] != 6 or array.shape[1] == 0:
        raise InputError(
            f"coordinates must have shape (6, n) with n >= 1, got {tuple(array.shape)}; "
            "rows are x, px, y, py, z, delta"
        )
    if array.dtype.kind not in "fiu":
        raise InputError(f"coordinates must be real numbers, got dtype {array.dtype}")
    return xp.ascontiguousarray(array, dtype=xp.float64)
