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
from numpy.lib.mixins import NDArrayOperatorsMixin
from support.emulation import emulated_cuda, fake_streams
from support.emulation.fake_streams import Device, get_current_stream

_METHODS = ("all", "any", "argmax", "argmin", "astype", "copy", "max", "mean", "min", "ravel", "sum")


class ndarray(NDArrayOperatorsMixin):
    """Twin of `cupy.ndarray`."""

    def __init__(self, host: Any) -> None:
        self._host = np.asarray(host)
        self.device = Device()
        fake_streams.counted(self._host)

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
        get_current_stream().synchronize()
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
    data = property(lambda self: fake_streams.MemoryPointer(self._host))

    def get(self) -> np.ndarray:
        get_current_stream().synchronize()
        return self._host.copy()

    def reshape(self, *shape: Any) -> ndarray:
        return ndarray(self._host.reshape(*shape))

    def view(self, dtype: Any) -> ndarray:
        return ndarray(self._host.view(dtype))

    def fill(self, value: Any) -> None:
        get_current_stream().queue(lambda: self._host.fill(value))

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
        get_current_stream().synchronize()  # immediate operations follow all earlier ones on the stream
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
    """Uninitialised memory: NaN if the type has it."""
    array = np.empty(*args, **kwargs)
    if array.dtype.kind in "fc":
        array[...] = np.nan
    return ndarray(array)


class RawModule(emulated_cuda.RawModule):
    """Twin of `cupy.RawModule`, on streams."""

    def get_function(self, name: str) -> Callable[..., None]:
        kernel = super().get_function(name)

        def launch(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
            pointers = [int(value) for value in args if getattr(value, "dtype", None) == np.uint64]
            get_current_stream().queue(lambda: fake_streams.require_allocated(pointers) and kernel(grid, block, args))

        return launch


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
    device = _module("cupy.cuda.device", Device=Device)
    memory = _module("cupy.cuda.memory", OutOfMemoryError=fake_streams.OutOfMemoryError)
    runtime = _module(
        "cupy.cuda.runtime", CUDARuntimeError=fake_streams.CUDARuntimeError,
        getDeviceCount=lambda: fake_streams.DEVICES,
    )  # fmt: skip
    cuda = _module(
        "cupy.cuda", device=device, memory=memory, runtime=runtime, Device=Device, Stream=fake_streams.Stream,
        Event=fake_streams.Event, is_available=lambda: True, get_current_stream=get_current_stream,
        alloc_pinned_memory=fake_streams.alloc_pinned_memory,
    )  # fmt: skip
    linalg, fft = _module("cupy.linalg", **_functions(np.linalg)), _module("cupy.fft", **_functions(np.fft))
    makers = {name: _from_host(getattr(np, name)) for name in ("array", "asarray", "ascontiguousarray")}
    own = dict(ndarray=ndarray, empty=_empty, linalg=linalg, fft=fft, cuda=cuda, RawModule=RawModule)
    own["get_default_memory_pool"] = fake_streams.Pool
    cupy = _module("cupy", **(_functions(np) | makers | own))
    return {module.__name__: module for module in (cupy, cuda, device, memory, runtime, linalg, fft)}


def install(patch: pytest.MonkeyPatch) -> None:
    """Let ``import cupy`` find the stand-in until the patch is undone; skips where CuPy itself is installed."""
    modules = make_cupy()
    if sys.modules.get("cupy") is not modules["cupy"] and importlib.util.find_spec("cupy") is not None:
        pytest.skip("CuPy is installed: backend cuda itself is tested")
    for name, module in modules.items():
        patch.setitem(sys.modules, name, module)
