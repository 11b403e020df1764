"""A stand-in for CuPy on machines without it: arrays that are NumPy's inside and, as CuPy's, never become so silently.

As in CuPy, functions and operators refuse NumPy arrays, implicit conversion raises, and reductions give 0-d arrays.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from emulated_cuda import RawModule
from numpy.lib.mixins import NDArrayOperatorsMixin

_METHODS = ("all", "any", "argmax", "argmin", "astype", "copy", "max", "mean", "min", "ravel", "reshape", "sum")


class ndarray(NDArrayOperatorsMixin):
    """Twin of `cupy.ndarray`."""

    def __init__(self, host: Any) -> None:
        self._host = np.asarray(host)
        self.device = Device()

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return on_host(getattr(ufunc, method))(*inputs, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(f"the stand-in for cupy.ndarray has no {name!r}")
        return on_host(getattr(self._host, name))

    def __getitem__(self, key: Any) -> ndarray:
        return ndarray(self._host[to_host(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._host[to_host(key)] = to_host(value)

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[ndarray]:
        return (ndarray(row) for row in self._host)

    def __bool__(self) -> bool:
        return bool(self._host)

    def __int__(self) -> int:
        return int(self._host)

    def __index__(self) -> int:
        return self._host.__index__()

    def __float__(self) -> float:
        return float(self._host)

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: ndarray(self._host.T))
    data = property(lambda self: types.SimpleNamespace(ptr=self._host.ctypes.data))

    def get(self) -> np.ndarray:
        return self._host.copy()

    def item(self) -> Any:
        return self._host.item()

    def tolist(self) -> Any:
        return self._host.tolist()


def to_host(value: Any) -> Any:
    """Arguments of a function with NumPy arrays in place of ours; NumPy arrays themselves are refused."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(to_host(item) for item in value)
    return value


def to_device(value: Any) -> Any:
    """Results of a function with our arrays in place of NumPy's."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(value)
    if isinstance(value, (list, tuple)):
        return type(value)(*map(to_device, value)) if hasattr(value, "_fields") else tuple(map(to_device, value))
    return value


def on_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy as one of our arrays."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):  # CuPy never warns
            return to_device(function(*map(to_host, args), **{key: to_host(v) for key, v in kwargs.items()}))

    return call


def _from_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """`array` and `asarray` alone take NumPy arrays: the one way to the device."""

    def call(value: Any, *args: Any, **kwargs: Any) -> ndarray:
        own = isinstance(value, ndarray)
        result = function(value._host if own else np.array(value), *args, **kwargs)
        return value if own and result is value._host else ndarray(result)

    return call


def _empty(*args: Any, **kwargs: Any) -> ndarray:
    """Memory in which nothing is said to be: NaN, where the type has it."""
    array = np.empty(*args, **kwargs)
    if array.dtype.kind in "fc":
        array[...] = np.nan
    return ndarray(array)


class Device:
    """Twin of `cupy.cuda.Device`: a number that new arrays carry."""

    current = 0

    def __init__(self, device: int | None = None) -> None:
        self.id = Device.current if device is None else device
        self._outside: list[int] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __enter__(self) -> Device:
        self._outside.append(Device.current)
        Device.current = self.id
        return self

    def __exit__(self, *args: object) -> None:
        Device.current = self._outside.pop()


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__path__ = []  # a package: other modules import from below it
    vars(module).update(members)
    return module


def _functions(source: Any) -> dict[str, Any]:
    """Everything public of a module of NumPy, functions as ones of our arrays."""
    kinds = (np.ufunc, types.FunctionType, types.BuiltinFunctionType, type(np.sum))
    members = {name: getattr(source, name) for name in source.__all__}
    return {name: on_host(value) if isinstance(value, kinds) else value for name, value in members.items()}


@cache
def make_cupy() -> dict[str, types.ModuleType]:
    """The modules that ``import cupy`` and imports from below it find."""
    stream = types.SimpleNamespace(synchronize=lambda: None)
    device = _module("cupy.cuda.device", Device=Device)
    cuda = _module(
        "cupy.cuda", device=device, Device=Device, is_available=lambda: True, get_current_stream=lambda: stream
    )
    linalg, fft = _module("cupy.linalg", **_functions(np.linalg)), _module("cupy.fft", **_functions(np.fft))
    makers = {name: _from_host(getattr(np, name)) for name in ("array", "asarray", "ascontiguousarray")}
    own = dict(ndarray=ndarray, empty=_empty, linalg=linalg, fft=fft, cuda=cuda, RawModule=RawModule)
    cupy = _module("cupy", **(_functions(np) | makers | own))
    return {module.__name__: module for module in (cupy, cuda, device, linalg, fft)}


def install(patch: pytest.MonkeyPatch) -> None:
    """Let ``import cupy`` find the stand-in until the patch is undone; skips where CuPy itself is installed."""
    modules = make_cupy()
    if sys.modules.get("cupy") is not modules["cupy"] and importlib.util.find_spec("cupy") is not None:
        pytest.skip("CuPy is installed: backend cuda itself is tested")
    for name, module in modules.items():
        patch.setitem(sys.modules, name, module)
