"""autograd on GPUs: boxes for CuPy arrays that are carried, moved to the host and averaged, and nothing else.

The coordinates of a beam stay on their device through tracking, moments, and back; autograd itself knows NumPy only.
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
_REFUSED = (
    "getitem", "iter", "contains", "bool", "float", "int", "index", "array", "array_function", "array_ufunc", "neg",
    "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge", *_BINARY, *(f"r{name}" for name in _BINARY),
)  # fmt: skip


def _refusing(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        called = args[0].__name__ if name.startswith("array_") else name
        raise refusal(f"{called} of a traced CuPy array (coordinates of a beam, its x, px, ..., or those of a record)")

    return method


_Refusals: Any = type("_Refusals", (), {"__slots__": ()} | {f"__{name}__": _refusing(name) for name in _REFUSED})


class DeviceBox(_Refusals, Box):  # type: ignore[misc]
    """What autograd puts around a `DeviceArray`: it has a shape, and can be moved to the host with `get`."""

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
        """The array on the host, as that of `cupy.ndarray`: still traced, and open to all of ``autograd.numpy``."""
        return to_host(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise refusal(f".{name} of a traced CuPy array")


class DeviceSpace(VSpace):  # type: ignore[misc]
    """CuPy arrays of one shape as a vector space."""

    def __init__(self, value: DeviceArray) -> None:
        self.shape, self.size, self.device = value.array.shape, value.array.size, value.array.device
        self.xp = namespace(value)

    def zeros(self) -> DeviceArray:  # noqa: D102 (this and the following are autograd's)
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
    """The array on the host; cotangents go back to the device."""
    copy: np.ndarray = values.array.get()
    return copy


@primitive
def to_gpu(values: np.ndarray) -> DeviceArray:
    """The array on the current device; cotangents come back to the host."""
    return DeviceArray(module_named("cupy").asarray(values))


def _upload(values: DeviceArray, cotangent: np.ndarray) -> DeviceArray:
    with values.array.device:
        return DeviceArray(namespace(values).asarray(cotangent))


defvjp(to_host, lambda answer, values: lambda g: _upload(values, g))
defjvp(to_host, lambda g, answer, values: to_host(g))
defvjp(to_gpu, lambda answer, values: to_host)
defjvp(to_gpu, lambda g, answer, values: _upload(answer, g))


def to_cupy(value: Any) -> Any:
    """The array, or traced array, on the current GPU.

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
    """CuPy arrays under seal, also in lists, tuples and dictionaries, as autograd is given arguments; others as is."""
    return _each(value, lambda a: DeviceArray(a) if is_cupy(a) and a is untraced(a) else a)


def unsealed(value: Any) -> Any:
    """The opposite of `sealed`."""
    return _each(value, opened)


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if type(value) in (list, tuple):
        return type(value)(_each(item, change) for item in value)
    if type(value) is dict:
        return {key: _each(item, change) for key, item in value.items()}
    return change(value)
