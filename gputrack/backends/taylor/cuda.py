"""Maps of a lattice as truncated power series on a GPU: one warp per map, the whole program in one launch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from gputrack.backends.generated import flattened
from gputrack.backends.structs import SERIES_RUN, TEAM_RUN
from gputrack.backends.taylor.products_source import series_rows_text
from gputrack.backends.taylor.tables import SeriesTables
from gputrack.base.arrays import Array, module_named, on_device
from gputrack.base.errors import BackendError
from gputrack.elements.map import MapKind
from gputrack.lattice.program import Program
from gputrack.tpsa.space import Space

THREADS = 128
MAP_THREADS = 32  # a warp works on one map
SLOTS, MORE_SLOTS = 96, 128  # intermediate series of one map; and if constants are series as well
TEAMS = 132 * 16  # maps at a time: sixteen warps on each multiprocessor of an H100
POOL_BYTES = 2**30  # largest memory for the pools of all maps at a time


@cache
def module(space: Space, kinds: frozenset[MapKind]) -> Any:
    """Kernel for one space and the given kinds of maps."""
    code = flattened("cuda/taylor.h", kinds, generated=series_rows_text(space))
    return module_named("cupy").RawModule(code=code, options=options_of(space))


def options_of(space: Space) -> tuple[str, ...]:
    """Options of NVRTC."""
    numbers = {"GT_THREADS": THREADS, "GT_TEAM": MAP_THREADS, "GT_SLOTS": slots_of(space)}
    return "-std=c++17", *(f"-D{name}={value}" for name, value in numbers.items())


def run_series_cuda(
    space: Space,
    programs: Sequence[Program],
    reference: np.ndarray,
    maps: Array,
    places: int = 0,
    slopes: np.ndarray | None = None,
) -> tuple[Array, Array]:
    """Propagate maps once through programs; twin of `gputrack.backends.taylor.host.run_series`.

    Parameters
    ----------
    maps : float64 CuPy array (n, 6, space.size)
        On the device that runs the programs.

    Returns
    -------
    (CuPy array (n, 6, size), CuPy array (n, places, 6, size))

    Raises
    ------
    BackendError
        The map of an element needs more intermediate series than a team has slots.
    """
    tables = SeriesTables.of(space, programs, reference, slopes)
    xp = module_named("cupy")
    with on_device(maps):
        final, records = xp.array(maps), xp.zeros((len(maps), places, 6, space.size))
        doubles = pool_doubles(space, tables.most)
        blocks = blocks_for(len(maps), doubles)
        pools, missing = xp.empty(blocks * (THREADS // MAP_THREADS) * doubles), xp.zeros(1, dtype=xp.int32)
        given = [xp.asarray(array) for array in (tables.ops, tables.constants, tables.slopes, tables.members)]
        ops, constants, rates, members = (array.data.ptr for array in given)
        run = SERIES_RUN.memory(
            ops, len(tables.ops), constants, tables.own_constants, rates, tables.own_slopes, members,
            tables.constants.shape[-1], final.data.ptr, records.data.ptr, places, tables.most,
        )  # fmt: skip
        teams = TEAM_RUN.memory(run, len(maps), pools.data.ptr, doubles, missing.data.ptr)
        kernel = module(space, programs[0].kinds).get_function("gputrack_series")
        kernel((blocks,), (THREADS,), TEAM_RUN.arguments(teams))
        if int(missing[0]):
            raise BackendError(
                f"backend 'cuda': a map needs more than {slots_of(space)} series at a time; use backend='host'"
            )
    return final, records


def slots_of(space: Space) -> int:
    """Number of intermediate series in the pool of a team."""
    return MORE_SLOTS if space.parameters else SLOTS


def pool_doubles(space: Space, most: int) -> int:
    """Size of a team's pool in numbers: its slots, and the constants of one op if they are series."""
    return slots_of(space) * space.size + (most * (space.size + 2) if space.parameters else 0)


def blocks_for(n: int, doubles: int) -> int:
    """Number of blocks for `n` maps: for all at a time, limited by the device and by `POOL_BYTES`."""
    teams = THREADS // MAP_THREADS
    fit = max(1, POOL_BYTES // (8 * doubles * teams))
    return min(-(-n // teams), -(-TEAMS // teams), fit)
