"""autograd boxes for CuPy arrays, which support tracking, moments and transfer to the host, and no other operation.

The coordinates of a beam stay on their device in the forward and the backward sweep; autograd itself supports NumPy
arrays only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd.extend import Box, VSpace, defjvp, defvjp

from gputrack.base.arrays import is_cupy, is_traced, module_named, namespace, untraced
from gputrack.base.primitive import primitive
from gputrack.base.sealed_array import DeviceArray, opened, refusal

_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_UNSUPPORTED = (
    "getitem", "iter", "contains", "bool", "float", "int", "index", "array", "array_function", "array_ufunc", "neg",
    "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge", *_BINARY, *(f"r{name}" for name in _BINARY),
)  # fmt: skip


def _unsupported(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        operation = args[0].__name__ if name.startswith("array_") else name
        raise refusal(f"{operation} of a traced CuPy array (coordinates of a beam or of a record)")

    return method


_METHODS = {f"__{name}__": _unsupported(name) for name in _UNSUPPORTED}
_Unsupported: Any = type("_Unsupported", (), {"__slots__": ()} | _METHODS)


class DeviceBox(_Unsupported, Box):  # type: ignore[misc]
    """autograd's box of a `DeviceArray`: it has a shape and can be copied to the host with `get`."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    shape = property(lambda self: self._value.array.shape)
    ndim = property(lambda self: self._value.array.ndim)
    size = property(lambda self: self._value.array.size)
    dtype = property(lambda self: self._value.array.dtype)
    device = property(lambda self: self._value.array.device)

    def __len__(self) -> int:
        return len(self._value.array)

    def get(self) -> Any:
        """Copy to the host, as `cupy.ndarray.get`; the copy is traced and supports all of ``autograd.numpy``."""
        return to_host(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise refusal(f".{name} of a traced CuPy array")


class DeviceSpace(VSpace):  # type: ignore[misc]
    """Vector space of the CuPy arrays of one shape."""

    def __init__(self, value: DeviceArray) -> None:
        self.shape, self.size, self.device = value.array.shape, value.array.size, value.array.device
        self.xp = namespace(value)

    def zeros(self) -> DeviceArray:  # noqa: D102 (autograd's interface, as are the following methods)
        with self.device:
            return DeviceArray(self.xp.zeros(self.shape))

    def ones(self) -> DeviceArray:  # noqa: D102
        with self.device:
            return DeviceArray(self.xp.ones(self.shape))

    def standard_basis(self) -> Any:  # noqa: D102
        raise refusal("the Jacobian of a CuPy array")

    def _add(self, x: DeviceArray, y: DeviceArray) -> DeviceArray:
        with self.device:
            return DeviceArray(x.array + y.array)

    def _mut_add(self, x: DeviceArray, y: DeviceArray) -> DeviceArray:
        with self.device:
            x.array += y.array
        return x

    def _scalar_mul(self, x: DeviceArray, a: float) -> DeviceArray:
        with self.device:
            return DeviceArray(x.array * a)

    def _inner_prod(self, x: DeviceArray, y: DeviceArray) -> float:
        with self.device:
            return float(self.xp.sum(x.array * y.array))


DeviceBox.register(DeviceArray)
VSpace.register(DeviceArray, DeviceSpace)


@primitive
def to_host(values: DeviceArray) -> np.ndarray:
    """Copy to the host; cotangents return to the device."""
    copy: np.ndarray = values.array.get()
    return copy


@primitive
def to_gpu(values: np.ndarray) -> DeviceArray:
    """Copy to the current device; cotangents return to the host."""
    return DeviceArray(module_named("cupy").asarray(values))


def _upload(values: DeviceArray, cotangent: np.ndarray) -> DeviceArray:
    with values.array.device:
        return DeviceArray(namespace(values).asarray(cotangent))


defvjp(to_host, lambda answer, values: lambda g: _upload(values, g))
defjvp(to_host, lambda g, answer, values: to_host(g))
defvjp(to_gpu, lambda answer, values: to_host)
defjvp(to_gpu, lambda g, answer, values: _upload(answer, g))


def to_cupy(value: Any) -> Any:
    """Copy of an array, traced or not, on the current GPU.

    Raises
    ------
    BackendError
        CuPy is not installed.
    """
    if isinstance(value, DeviceBox):
        return value
    cupy = module_named("cupy")
    return to_gpu(value) if is_traced(value) else cupy.asarray(value)


def sealed(value: Any) -> Any:
    """Wrap CuPy arrays as `DeviceArray` for autograd, also inside lists, tuples and dictionaries."""
    return _map_leaves(value, lambda a: DeviceArray(a) if is_cupy(a) and a is untraced(a) else a)


def unsealed(value: Any) -> Any:
    """Unwrap the result of `sealed`."""
    return _map_leaves(value, opened)


def _map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_map_leaves(item, change) for item in value)
    if type(value) is dict:
        return {key: _map_leaves(item, change) for key, item in value.items()}
    return change(value)
