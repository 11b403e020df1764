"""One launch of a backend: particles, records of monitors, and the stretch of turns to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gputrack.base.arrays import Array, namespace
from gputrack.base.reference import ReferenceParticle
from gputrack.elements.turn_memory import TurnMemory
from gputrack.lattice.program import Program


@dataclass
class Particles:
    """Working arrays of a run, changed in place by a backend.

    Attributes
    ----------
    coordinates : float64 array (6, n)
    loss_code, loss_op : int32 arrays (n,)
        0 and -1 for survivors.
    loss_turn : int64 array (n,)
    """

    coordinates: Array
    loss_code: Array
    loss_turn: Array
    loss_op: Array

    @classmethod
    def alive(cls, coordinates: Array) -> Particles:
        """Particles, none of them lost, with coordinates (6, n) to be changed in place."""
        xp, n = namespace(coordinates), coordinates.shape[1]
        lost = xp.zeros(n, dtype=xp.int32), xp.full(n, -1, dtype=xp.int64), xp.full(n, -1, dtype=xp.int32)
        return cls(coordinates, *lost)

    def copied(self) -> Particles:
        """Copy with arrays of its own."""
        return Particles(*(array.copy() for array in vars(self).values()))


@dataclass(frozen=True)
class Records:
    """Buffers of all monitors in one array.

    Attributes
    ----------
    flat : float64 array
        All buffers, concatenated.
    starts : int64 array (monitors,)
        Index of the first number of each; -1 for monitors without a buffer.
    views : list of float64 arrays (recorded turns, places, 6, n)
        Views of `flat`, one per monitor; NaN for lost particles.
    """

    flat: Array
    starts: Array
    views: list[Array]


def make_records(shapes: Sequence[tuple[int, int] | None], n: int, xp: Any) -> Records:
    """Buffers filled with NaN for monitors of given (recorded turns, places) and `n` particles; none for None."""
    if not shapes:
        return _no_records(xp)
    sizes = [0 if shape is None else shape[0] * shape[1] * 6 * n for shape in shapes]
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    starts = [-1 if shape is None else end - size for end, size, shape in zip(ends, sizes, shapes, strict=True)]
    flat = xp.full(sum(sizes), xp.nan)
    views = [
        flat[end - size : end].reshape(*(shape or (0, 0)), 6, n)
        for end, size, shape in zip(ends, sizes, shapes, strict=True)
    ]
    return Records(flat, xp.asarray(starts, dtype=xp.int64), views)


@cache
def _no_records(xp: Any) -> Records:
    """Records of a run without monitors."""
    return Records(xp.empty(0), xp.empty(0, dtype=xp.int64), [])


def shapes_of(records: Records) -> list[tuple[int, int] | None]:
    """Shapes for which `make_records` made the records."""
    starts = records.starts.tolist()
    return [view.shape[:2] if start >= 0 else None for view, start in zip(records.views, starts, strict=True)]


def views_of(records: Records, flat: Array) -> list[Array]:
    """Views of another array laid out as ``records.flat``, one per monitor; empty without a buffer."""
    starts = [max(0, start) for start in records.starts.tolist()]
    return [flat[a : a + view.size].reshape(view.shape) for a, view in zip(starts, records.views, strict=True)]


@dataclass(frozen=True)
class Launch:
    """A stretch of turns to run.

    Attributes
    ----------
    program : Program
    reference : ReferenceParticle
    first_turn, turns : int
    limit : float
        Limit on |x| and |y| [m], beyond which particles are lost.
    records : Records
        Filled with the coordinates of surviving particles.
    backwards : bool
        Undo the turns and the ops in reverse order.
    ops : (first, end), optional
        Range of ops to apply; by default all.
    weights : float64 array (n,), optional
        Real particles per macroparticle; required by collective maps.
    memory : TurnMemory, optional
        States of collective maps from turn to turn, shared by all launches of a run.
    """

    program: Program
    reference: ReferenceParticle
    first_turn: int
    turns: int
    limit: float
    records: Records
    backwards: bool = False
    ops: tuple[int, int] | None = None
    weights: Any = None
    memory: TurnMemory | None = None

    @property
    def first_op(self) -> int:
        """First op to apply."""
        return 0 if self.ops is None else self.ops[0]

    @property
    def end_op(self) -> int:
        """Op after the last one to apply."""
        return len(self.program) if self.ops is None else self.ops[1]

    @property
    def constants_range(self) -> tuple[int, int]:
        """First index and end of these ops' constants in the program's table."""
        starts = (*self.program.ops[self.first_op : self.first_op + 1, 1], len(self.program.constants))
        ends = (*self.program.ops[self.end_op : self.end_op + 1, 1], len(self.program.constants))
        return int(starts[0]), int(ends[0])
