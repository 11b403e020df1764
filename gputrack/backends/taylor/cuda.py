"""Maps of a lattice as truncated power series on a GPU: a warp for each map, all of a program in one launch."""

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
SLOTS, MORE_SLOTS = 96, 128  # series under way in one map; where constants are series too
TEAMS = 132 * 16  # maps at a time: sixteen warps on each multiprocessor of an H100
ROOM_BYTES = 2**30  # of all maps at a time, at most


@cache
def module(space: Space, kinds: frozenset[MapKind]) -> Any:
    """The kernel for one space whose switch holds only the given kinds of maps."""
    code = flattened("cuda/taylor.h", kinds, generated=series_rows_text(space))
    return module_named("cupy").RawModule(code=code, options=options_of(space))


def options_of(space: Space) -> tuple[str, ...]:
    """What NVRTC is given."""
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
    """Carry maps once through programs; twin of `gputrack.backends.taylor.host.run_series`.

    Parameters
    ----------
    maps : float64 CuPy array (n, 6, space.size)
        They say on which device, too.

    Returns
    -------
    (CuPy array (n, 6, size), CuPy array (n, places, 6, size))

    Raises
    ------
    BackendError
        The maps of an element need more series at a time than a team has slots for.
    """
    tables = SeriesTables.of(space, programs, reference, slopes)
    xp = module_named("cupy")
    with on_device(maps):
        final, records = xp.array(maps), xp.zeros((len(maps), places, 6, space.size))
        doubles = room_doubles(space, tables.most)
        blocks = blocks_for(len(maps), doubles)
        rooms, missing = xp.empty(blocks * (THREADS // MAP_THREADS) * doubles), xp.zeros(1, dtype=xp.int32)
        given = [xp.asarray(array) for array in (tables.ops, tables.constants, tables.slopes, tables.members)]
        ops, constants, rates, members = (array.data.ptr for array in given)
        run = SERIES_RUN.memory(
            ops, len(tables.ops), constants, tables.own_constants, rates, tables.own_slopes, members,
            tables.constants.shape[-1], final.data.ptr, records.data.ptr, places, tables.most,
        )  # fmt: skip
        teams = TEAM_RUN.memory(run, len(maps), rooms.data.ptr, doubles, missing.data.ptr)
        kernel = module(space, programs[0].kinds).get_function("gputrack_series")
        kernel((blocks,), (THREADS,), TEAM_RUN.arguments(teams))
        if int(missing[0]):
            raise BackendError(
                f"backend 'cuda': a map has more than {slots_of(space)} series at a time; use backend='host'"
            )
    return final, records


def slots_of(space: Space) -> int:
    """Series that a team has room for."""
    return MORE_SLOTS if space.parameters else SLOTS


def room_doubles(space: Space, most: int) -> int:
    """Numbers in the room of one map: its slots, and the constants of one op where they are series."""
    return slots_of(space) * space.size + (most * (space.size + 2) if space.parameters else 0)


def blocks_for(n: int, doubles: int) -> int:
    """Blocks for so many maps: all of them at a time, or as many as the device runs and their rooms have memory."""
    teams = THREADS // MAP_THREADS
    fit = max(1, ROOM_BYTES // (8 * doubles * teams))
    return min(-(-n // teams), -(-TEAMS // teams), fit)
