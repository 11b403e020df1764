"""What every backend is given and gives back."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gputrack.base.reference import ReferenceParticle
from gputrack.lattice.program import Program


@dataclass
class Particles:
    """Working arrays of a run, changed in place by a backend.

    Attributes
    ----------
    coordinates : float64 array (6, n)
    loss_code, loss_op : int32 arrays (n,)
        0 and -1 while alive.
    loss_turn : int64 array (n,)
    """

    coordinates: Any
    loss_code: Any
    loss_turn: Any
    loss_op: Any

    def copied(self) -> Particles:
        """The same in memory of their own."""
        return Particles(*(array.copy() for array in vars(self).values()))


@dataclass(frozen=True)
class Records:
    """Buffers of all monitors in one array.

    Attributes
    ----------
    flat : float64 array
        All buffers, one after the other.
    starts : int64 array (monitors,)
        Place of the first number of each.
    views : list of float64 arrays (recorded turns, places, 6, n)
        The same memory, one per monitor; lost particles stay NaN.
    """

    flat: Any
    starts: Any
    views: list[Any]


def make_records(shapes: list[tuple[int, int]], n: int, xp: Any) -> Records:
    """Buffers filled with NaN for monitors of given (recorded turns, places) and `n` particles."""
    sizes = [rows * places * 6 * n for rows, places in shapes]
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    starts = [end - size for end, size in zip(ends, sizes, strict=True)]
    flat = xp.full(sum(sizes), xp.nan)
    views = [
        flat[start : start + size].reshape(rows, places, 6, n)
        for start, size, (rows, places) in zip(starts, sizes, shapes, strict=True)
    ]
    return Records(flat, xp.asarray(starts, dtype=xp.int64), views)


@dataclass(frozen=True)
class Launch:
    """One stretch of turns.

    Attributes
    ----------
    program : Program
    reference : ReferenceParticle
    first_turn, turns : int
    limit : float
        Particles beyond it in |x| or |y| [m] are lost.
    records : Records
        The backend writes living particles.
    backwards : bool
        Undo the turns, last one first, and in each the ops, last one first.
    ops : (first, end), optional
        Only these ops act; all of them where not given.
    weights : float64 array (n,), optional
        Real particles that each one stands for; maps of the whole beam need them.
    memory : dict, optional
        What maps of the whole beam keep from turn to turn; the same one for all launches of a run.
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
    memory: dict[Any, Any] | None = None

    @property
    def first_op(self) -> int:
        """The first op that acts."""
        return 0 if self.ops is None else self.ops[0]

    @property
    def end_op(self) -> int:
        """The op behind the last one that acts."""
        return len(self.program) if self.ops is None else self.ops[1]

    @property
    def constants_range(self) -> tuple[int, int]:
        """Where the constants of these ops stand in the program's table."""
        starts = (*self.program.ops[self.first_op : self.first_op + 1, 1], len(self.program.constants))
        ends = (*self.program.ops[self.end_op : self.end_op + 1, 1], len(self.program.constants))
        return int(starts[0]), int(ends[0])


@dataclass
class Tangents:
    """Derivatives along one direction of what goes into a run, and of what comes out.

    Attributes
    ----------
    coordinates : float64 array (6, n)
        Changed in place by a backend. Who is lost keeps the tangent of its last coordinates.
    constants : float64 NumPy array (n_constants,)
        Of the program's constants.
    reference : float64 NumPy array (5,)
        Of `ReferenceValues`.
    """

    coordinates: Any
    constants: np.ndarray
    reference: np.ndarray


class Backend(Protocol):
    """A way to run a program.

    Attributes
    ----------
    name : str
    copying : float
        Seconds of the last launch that do not depend on its turns, spent on copies between host and device.
    """

    name: str

    @property
    def copying(self) -> float: ...  # noqa: D102 (above)

    def run(self, particles: Particles, launch: Launch) -> None:
        """Run one stretch of turns, in place."""
        ...


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
