"""Maps of a lattice as truncated power series on the host: kernels with series as numbers, built for each space."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.generated import flattened, host_kinds
from gputrack.backends.structs import SERIES_RUN
from gputrack.backends.taylor.products_source import series_text
from gputrack.backends.taylor.tables import SeriesTables
from gputrack.base.compiler import build
from gputrack.elements.map import MapKind
from gputrack.lattice.program import Program
from gputrack.tpsa.space import Space


@cache
def library(space: Space, several: bool, kinds: frozenset[MapKind]) -> ctypes.CDLL:
    """Compiled maps for one space; built at first use, cached on disk.

    With `several`, maps are propagated side by side in one vector register; more would not fit in the L1 cache.
    """
    defines = "#define GT_PARTS 1\n" if several else "#define GT_SCALAR\n"
    lib = build(flattened("host/taylor.h", host_kinds(kinds), defines, series_text(space)))
    lib.gputrack_series.argtypes = [ctypes.POINTER(SERIES_RUN.memory), ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    lib.gputrack_series.restype = None
    lib.gputrack_constant_bytes.restype = ctypes.c_int64
    return lib


def run_series(
    space: Space,
    programs: Sequence[Program],
    reference: np.ndarray,
    maps: np.ndarray,
    places: int = 0,
    slopes: np.ndarray | None = None,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Propagate maps once through programs.

    Parameters
    ----------
    space : Space
        With 6 variables, and parameters.
    programs : sequence of Program
        One for all maps, or one for each; they may differ only in the constants.
    reference : float64 array (5, 1 + parameters)
        Members of `ReferenceValues`, and their derivatives along the parameters.
    maps : float64 array (n, 6, space.size)
        Coefficients of the incoming coordinates.
    places : int
        Number of places of the programs' only monitor.
    slopes : float64 array (n_constants, parameters) or (n, n_constants, parameters), optional
        Derivatives of the constants along the parameters, for all maps or for each.
    threads : int

    Returns
    -------
    (array (n, 6, size), array (n, places, 6, size))
        Outgoing maps, and those at the monitor's places.
    """
    tables, n = SeriesTables.of(space, programs, reference, slopes), len(maps)
    lib = library(space, n > 1, programs[0].build_kinds)
    lanes: int = lib.gputrack_lanes()
    tiles = -(-n // lanes)
    state = _tiled(maps, tiles, lanes)
    shape = (tiles, places, 6, space.size, lanes)
    records = _aligned(8 * math.prod(shape)).view(np.float64).reshape(shape)
    constants, rates = (_tiled(t, tiles if len(t) > 1 else 1, lanes) for t in (tables.constants, tables.slopes))
    members, most = _spread(tables.members, lanes), tables.most
    run = SERIES_RUN.memory(
        tables.ops.ctypes.data, len(tables.ops), constants.ctypes.data, tables.own_constants, rates.ctypes.data,
        tables.own_slopes, members.ctypes.data, tables.constants.shape[1], state.ctypes.data, records.ctypes.data,
        places, most,
    )  # fmt: skip
    width = lib.gputrack_constant_bytes()

    def work(tile: int) -> None:
        scratch = _aligned(max(most, 1) * width)
        lib.gputrack_series(ctypes.byref(run), tile, tile + 1, scratch.ctypes.data)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        list(pool.map(work, range(tiles)))
    return _untiled(state, n), _untiled(records, n)


def _aligned(size: int) -> np.ndarray:
    """Memory aligned to 64 bytes."""
    raw = np.zeros(size + 64, dtype=np.uint8)
    skip = -raw.ctypes.data % 64
    return raw[skip : skip + size]


def _spread(values: np.ndarray, lanes: int) -> np.ndarray:
    """(n, lanes) The same numbers for all lanes, lanes contiguous."""
    out = _aligned(8 * lanes * values.size).view(np.float64).reshape(values.size, lanes)
    out[:] = values.reshape(-1, 1)
    return out


def _tiled(values: np.ndarray, tiles: int, lanes: int) -> np.ndarray:
    """(n, ...) as (tiles, ..., lanes); excess lanes repeat the last map."""
    rows = np.minimum(np.arange(tiles * lanes), len(values) - 1)
    moved: Any = np.moveaxis(values[rows].reshape(tiles, lanes, *values.shape[1:]), 1, -1)
    out = _aligned(8 * moved.size).view(np.float64).reshape(moved.shape)
    out[:] = moved
    return out


def _untiled(values: np.ndarray, n: int) -> np.ndarray:
    """Inverse of `_tiled`."""
    moved = np.moveaxis(values, -1, 1)
    return np.ascontiguousarray(moved.reshape(len(values) * values.shape[-1], *moved.shape[2:])[:n])
