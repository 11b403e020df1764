"""CUDA kernels run by the host compiler, thread by thread: the text is the one that NVRTC gets.

The words of CUDA that it uses are defined as nothing, the grid as thread-local variables. Each thread of a block is a
fiber with its own stack: at a barrier it waits until all others have come to the same one. What CuPy offers to build
and launch kernels is here with the same signatures; tests/support/emulation/fake_cupy.py offers the rest of it.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

import numpy as np

from gputrack.base.compiler import build

PRELUDE = """
#define GT_EMULATED_GPU
#include <math.h>
#include <stdlib.h>
#include <ucontext.h>
#define __device__
#define __global__
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
struct Place { unsigned x, y, z; };
static thread_local Place gridDim, blockIdx, blockDim, threadIdx;

namespace emulation {
struct Fiber {
  ucontext_t context;
  int barrier;  // line at which it waits for its block, minus that where for its warp; 0 where it is done
  int shuffles;
  char* stack;
};
constexpr unsigned MOST = 1024, WARP = 32, STACK = 256 * 1024;
static Fiber fibers[MOST];
static double slots[2][MOST];
static ucontext_t scheduler;
static unsigned order;
static void (*body)();

static void enter() {
  body();
  fibers[threadIdx.x].barrier = 0;
}

static __attribute__((noinline)) void wait(int barrier) {
  Fiber& own = fibers[threadIdx.x];
  own.barrier = barrier;
  swapcontext(&own.context, &scheduler);
}

// Two sets of slots in turn: no thread overwrites values that another still needs. All threads of a warp must call it.
[[maybe_unused]] static __attribute__((noinline)) double shuffle_down(
    double value, unsigned delta, unsigned width, int line) {
  const unsigned thread = threadIdx.x;
  double* const slot = slots[fibers[thread].shuffles++ % 2];
  slot[thread] = value;
  wait(-line);
  return thread % width + delta < width ? slot[thread + delta] : value;
}

// The value of one thread of the warp.
[[maybe_unused]] static __attribute__((noinline)) double shuffle(double value, unsigned from, int line) {
  const unsigned thread = threadIdx.x;
  double* const slot = slots[fibers[thread].shuffles++ % 2];
  slot[thread] = value;
  wait(-line);
  return slot[thread / WARP * WARP + from];
}

[[maybe_unused]] static __attribute__((noinline)) bool any(bool value, int line) {
  const unsigned thread = threadIdx.x, first = thread / WARP * WARP;
  double* const slot = slots[fibers[thread].shuffles++ % 2];
  slot[thread] = value;
  wait(-line);
  bool found = false;
  for (unsigned i = first; i < first + WARP && i < blockDim.x; ++i) found = found || slot[i] != 0.0;
  return found;
}

static void start(Fiber& fiber) {
  if (!fiber.stack) fiber.stack = (char*)malloc(STACK);
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK;
  fiber.context.uc_link = &scheduler;
  fiber.shuffles = 0;
  makecontext(&fiber.context, enter, 0);
}

// Runs a warp until it waits for others or is done; false where its threads stand at different barriers. Between
// barriers of the warp its threads come in one order or the other, by chance: a missing barrier changes results.
static bool run_warp(unsigned first, unsigned threads) {
  const unsigned end = first + WARP < threads ? first + WARP : threads;
  do {
    const bool back = (order = 1103515245u * order + 12345u) >> 16 & 1u;
    for (unsigned n = 0; n < end - first; ++n) {
      const unsigned i = back ? end - 1 - n : first + n;
      threadIdx = {i, 0, 0};
      swapcontext(&scheduler, &fibers[i].context);
    }
    for (unsigned i = first; i < end; ++i)
      if (fibers[i].barrier != fibers[first].barrier) return false;
  } while (fibers[first].barrier < 0);
  return true;
}

// 0 when all threads of all blocks are done, 1 where threads of a block stand at different barriers. Warps run one
// after the other from barrier to barrier: the next one sees values that one writes too early.
static int run(unsigned blocks, unsigned threads) {
  gridDim = {blocks, 1, 1};
  blockDim = {threads, 1, 1};
  for (unsigned block = 0; block < blocks; ++block) {
    blockIdx = {block, 0, 0};
    for (unsigned i = 0; i < threads; ++i) start(fibers[i]);
    do {
      for (unsigned first = 0; first < threads; first += WARP)
        if (!run_warp(first, threads) || fibers[first].barrier != fibers[0].barrier) return 1;
    } while (fibers[0].barrier);
  }
  return 0;
}

template <class T>
static T argument(void**& next) { return *(T*)*next++; }

static void** arguments;
template <auto kernel, class... T>
static void call(void (*)(T...)) {
  void** next = arguments;
  struct Call { Call(T... values) { kernel(values...); } };
  Call{argument<T>(next)...};  // braces: from left to right
}

template <auto kernel>
static int launch(unsigned blocks, unsigned threads, void** values) {
  arguments = values;
  body = [] { call<kernel>(kernel); };
  return run(blocks, threads);
}
}
#define __syncthreads() emulation::wait(__LINE__)
#define __syncwarp() emulation::wait(-__LINE__)
#define __shfl_sync(mask, value, from) emulation::shuffle(value, from, __LINE__)
#define __any_sync(mask, value) emulation::any(value, __LINE__)
#define __ffs(bits) __builtin_ffs(bits)
#define __shfl_down_sync(mask, value, delta, width) emulation::shuffle_down(value, delta, width, __LINE__)
"""
_KERNEL = re.compile(r'extern "C" __global__ void __launch_bounds__\([^)]*\)\s+(\w+)\(')
_LAUNCHER = (
    'extern "C" int launch_{0}(unsigned blocks, unsigned threads, void** values) '
    "{{ return emulation::launch<{0}>(blocks, threads, values); }}\n"
)

#: C types that CuPy passes for NumPy's scalars
_C_TYPES = {"float64": ctypes.c_double, "int64": ctypes.c_int64, "int32": ctypes.c_int32, "uint64": ctypes.c_uint64}


def host_source(code: str, options: tuple[str, ...]) -> str:
    """Source and options for the host compiler, from CUDA source and NVRTC options."""
    defines = [option.removeprefix("-D").replace("=", " ") for option in options if option.startswith("-D")]
    launchers = "".join(map(_LAUNCHER.format, _KERNEL.findall(code)))
    return "".join(f"#define {define}\n" for define in defines) + PRELUDE + code + launchers


class RawModule:
    """Twin of `cupy.RawModule`."""

    def __init__(self, *, code: str, options: tuple[str, ...] = ()) -> None:
        self._library = build(host_source(code, options), "-O1")  # built in half of the time

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self._library, name)


class RawKernel:
    """Twin of `cupy.RawKernel`; arguments are NumPy scalars, which carry their C types, or arrays."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self._launch, self._name = library[f"launch_{name}"], name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
        assert len(grid) == len(block) == 1 and grid[0] >= 1 and 1 <= block[0] <= 1024
        values = [_c_value(value) for value in args]
        addresses = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        failed = self._launch(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), addresses)
        assert not failed, f"{self._name}: threads of a block stand at different barriers"


def _c_value(value: Any) -> Any:
    """A C value; plain Python numbers are refused, since their C type would be a guess."""
    assert isinstance(value, np.generic), f"kernel argument {value!r} does not say its C type"
    return _C_TYPES[value.dtype.name](value.item())
