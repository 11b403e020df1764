"""GTPSA and DACE for benchmarks/tpsa.py; and functions in C, called many times without Python in between."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gputrack.base.compiler import build
from gputrack.tpsa import Space

Calls = dict[str, Callable[[], object]]
Loops = dict[str, Callable[[int], object]]


def dace_calls(space: Space, a: np.ndarray, b: np.ndarray) -> Calls:
    """Operations of `daceypy`; empty if it is not installed."""
    try:
        from daceypy import DA, array
    except ImportError:
        return {}
    DA.init(space.order, space.dimensions)

    def series(coefficients: np.ndarray) -> Any:
        made = DA(0.0)
        for powers, value in zip(space.exponents.tolist(), coefficients, strict=True):
            made.setCoefficient(powers, float(value))
        return made

    first, second = [series(row) for row in a], [series(row) for row in b]
    x, y = first[0] + 1.3, second[0] + 1.3
    outer, inner = array(first), array(second)
    return {
        "multiply": lambda: x * y,
        "div": lambda: x / y,
        "exp": lambda: x.exp(),
        "sincos": lambda: (x.sin(), x.cos()),
        "compose": lambda: outer.eval(inner),
    }


def gtpsa_calls(space: Space, a: np.ndarray, b: np.ndarray) -> tuple[Calls, Loops]:
    """Operations of `madng-tpsa` from Python, and those of its C library; empty if it is not installed."""
    try:
        import madng_tpsa
    except ImportError:
        return {}, {}
    descriptor = madng_tpsa.Descriptor(space.variables, space.order)

    def series(coefficients: np.ndarray) -> Any:
        made = descriptor.zero()
        for powers, value in zip(space.exponents.tolist(), coefficients, strict=True):
            made.set(powers, float(value))
        return made

    first, second = [series(row) for row in a], [series(row) for row in b]
    x, y = first[0] + 1.3, second[0] + 1.3
    python = {
        "multiply": lambda: x * y, "div": lambda: x / y, "exp": lambda: x.exp(), "sincos": lambda: x.sincos(),
    }  # fmt: skip
    out = [descriptor.zero() for _ in first]
    library, held = ctypes.CDLL(str(madng_tpsa.core_library())), (first, second, x, y, out)

    def pointer(one: Any) -> int:
        return int(madng_tpsa.ffi.cast("uintptr_t", one.ptr))

    def pointers(many: list[Any]) -> Any:
        return (ctypes.c_void_p * len(many))(*map(pointer, many))

    def call(name: str, *arguments: Any) -> Callable[[int], object]:
        return repeated(getattr(library, f"mad_tpsa_{name}"), arguments, held)

    n, first_row, second_row, out_row = len(first), pointers(first), pointers(second), pointers(out)
    c = {
        "multiply": call("mul", pointer(x), pointer(y), pointer(out[0])),
        "div": call("div", pointer(x), pointer(y), pointer(out[0])),
        "exp": call("exp", pointer(x), pointer(out[0])),
        "sincos": call("sincos", pointer(x), pointer(out[0]), pointer(out[1])),
        "compose": call("compose", n, first_row, n, second_row, out_row),
        "inverse": call("minv", n, first_row, n, out_row),
    }
    return python, c


@cache
def _repeat() -> Any:
    """Loop around a C function with up to six integers or addresses as arguments."""
    source = """
        extern "C" void repeat(long (*f)(long, long, long, long, long, long), long n, const long* a) {
          for (long i = 0; i < n; ++i) f(a[0], a[1], a[2], a[3], a[4], a[5]);
        }"""
    return build(source).repeat


def repeated(function: Any, arguments: tuple[Any, ...], held: object = None) -> Callable[[int], object]:
    """Function that calls a C function a number of times; `held` is referenced as long as it exists."""
    values = [v if isinstance(v, int) else ctypes.addressof(v) for v in arguments]
    array = (ctypes.c_long * 6)(*values)
    address = ctypes.cast(function, ctypes.c_void_p)
    return lambda times: (_repeat()(address, ctypes.c_long(times), array), held, arguments)
