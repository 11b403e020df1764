"""Derivatives of power-series maps on the host: kernels of the backward sweep, built for each space."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache

import numpy as np

from gputrack.backends.generated import flattened, host_kinds
from gputrack.backends.structs import SERIES_RUN, SERIES_SWEEP
from gputrack.backends.taylor.products_source import series_adjoint_text, series_text
from gputrack.base.c_struct import address_of
from gputrack.base.compiler import build
from gputrack.elements.map import MapKind, ReferenceValues
from gputrack.lattice.program import Program
from gputrack.tpsa.space import Space

#: series and functionals on the stack in the adjoint of the largest map, including called functions
_FRAMES = 400
#: stack size of every thread [bytes]
_STACK = 2**21


@cache
def library(space: Space, kinds: frozenset[MapKind]) -> ctypes.CDLL:
    """Compiled sweep for one space without parameters; built at first use, cached on disk."""
    text = series_text(space) + series_adjoint_text(space)
    lib = build(flattened("host/taylor_adjoint.h", host_kinds(kinds), "#define GT_SCALAR\n", text))
    lib.gputrack_series_sweep.argtypes = [ctypes.POINTER(SERIES_SWEEP.memory), ctypes.c_void_p]
    lib.gputrack_series_sweep.restype = None
    lib.gputrack_functional_bytes.restype = ctypes.c_int64
    return lib


def sweep_series(
    space: Space,
    program: Program,
    reference: ReferenceValues,
    maps: np.ndarray,
    cotangents: np.ndarray,
    seeds: np.ndarray,
) -> np.ndarray:
    """Undo a program on a map, in place, and pull cotangents of its coefficients back.

    Parameters
    ----------
    space : Space
        With 6 variables, without parameters.
    program : Program
        With the records of one monitor, at which seeds are added.
    reference : ReferenceValues
    maps : float64 array (6, space.size)
        Coefficients after the program, replaced by those before it.
    cotangents : float64 array (6, space.size)
        Derivatives of a scalar with respect to these, likewise.
    seeds : float64 array (places, 6, space.size)
        Derivatives of the scalar with respect to the maps at the monitor's places.

    Returns
    -------
    float64 array (n_constants + 5,)
        Derivatives with respect to the program's constants, then to the members of `ReferenceValues`.
    """
    lib, count = library(space, program.build_kinds), len(program.constants)
    gradient = np.zeros(count + len(reference))
    most = int(np.diff(program.ops[:, 1], append=count).max(initial=0))
    scratch = np.zeros(max(1, most) * lib.gputrack_functional_bytes(), dtype=np.uint8)
    ops, constants, members, given = (
        np.ascontiguousarray(a) for a in (program.ops, program.constants, np.array(reference), seeds)
    )
    run = SERIES_RUN.memory(
        ops=address_of(ops), n_ops=len(program), constants=address_of(constants), reference=address_of(members),
        n_constants=count, maps=address_of(maps), places=len(seeds), max_constants=most,
    )  # fmt: skip
    sweep = SERIES_SWEEP.memory(
        run, address_of(cotangents), address_of(given), address_of(gradient), address_of(gradient[count:])
    )
    size = _FRAMES * lib.gputrack_functional_bytes()
    _on_stack(size, lambda: lib.gputrack_series_sweep(ctypes.byref(sweep), scratch.ctypes.data))
    return gradient


def _on_stack(size: int, call: Callable[[], None]) -> None:
    """Call a function that needs `size` bytes of stack, in a new thread if that exceeds the default."""
    if size < _STACK:
        return call()
    before = threading.stack_size(-(-2 * size // 4096) * 4096)
    try:
        thread = threading.Thread(target=call)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return None
