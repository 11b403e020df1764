"""CUDA kernels run by the host compiler, thread by thread: the text is the one that NVRTC gets.

The words of CUDA that it uses are defined as nothing, the grid as thread-local variables. What CuPy offers to build
and launch kernels is here with the same signatures; tests/fake_cupy.py offers the rest of it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from gputrack.backends.compiler import build

PRELUDE = """
#define GT_EMULATED_GPU
#include <math.h>
#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
struct Place { unsigned x, y, z; };
static thread_local Place blockIdx, blockDim, threadIdx;
extern "C" void stand_at(unsigned block, unsigned threads, unsigned thread) {
  blockIdx.x = block;
  blockDim.x = threads;
  threadIdx.x = thread;
}
"""

#: what CuPy passes for NumPy's scalars
_C_TYPES = {"float64": ctypes.c_double, "int64": ctypes.c_int64, "int32": ctypes.c_int32, "uint64": ctypes.c_uint64}


def host_source(code: str, options: tuple[str, ...]) -> str:
    """What the host compiler is given for CUDA source and NVRTC options."""
    defines = [option.removeprefix("-D").replace("=", " ") for option in options if option.startswith("-D")]
    return "".join(f"#define {define}\n" for define in defines) + PRELUDE + code


class RawModule:
    """Twin of `cupy.RawModule`."""

    def __init__(self, *, code: str, options: tuple[str, ...] = ()) -> None:
        self._library = build(host_source(code, options))

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self._library, name)


class RawKernel:
    """Twin of `cupy.RawKernel`; arguments are NumPy scalars, which carry their C types, or arrays."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self._library, self._name = library, name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
        assert len(grid) == len(block) == 1 and grid[0] >= 1 and 1 <= block[0] <= 1024
        kernel = self._library[self._name]
        kernel.restype = None
        values = [_c_value(value) for value in args]
        for i in range(grid[0]):
            for j in range(block[0]):
                self._library.stand_at(i, block[0], j)
                kernel(*values)


def _c_value(value: Any) -> Any:
    """A C value; plain Python numbers are refused, since their C type would be a guess."""
    assert isinstance(value, np.generic), f"kernel argument {value!r} does not say its C type"
    return _C_TYPES[value.dtype.name](value.item())
