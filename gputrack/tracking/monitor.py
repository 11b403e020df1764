"""Monitors: records of coordinates or moments at chosen elements, in memory or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gputrack.base.arrays import is_traced, namespace, untraced
from gputrack.base.checks import require_flag, require_integer, short
from gputrack.base.errors import InputError
from gputrack.beam.moment_rules import mean_and_sigma
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.monitor_file import MonitorFile


@dataclass(frozen=True)
class Monitor:
    """Monitor at the exits of selected elements.

    Parameters
    ----------
    select : str
        Glob over element names.
    every : int
        Record in turns 0, every, 2 every, ...
    moments : bool
        Record mean and covariance of the surviving particles instead of all coordinates. The memory for their
        derivatives does not depend on the number of particles.
    path : str or Path, optional
        Stream to this HDF5 file instead of holding the record in memory.
    """

    select: str
    every: int = field(default=1, kw_only=True)
    moments: bool = field(default=False, kw_only=True)
    path: str | Path | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.select, str) or not self.select:
            raise InputError(f"Monitor: select must be a glob over element names, got {self.select!r}")
        every = require_integer(f"Monitor {self.select!r}", "every", self.every, at_least=1)
        object.__setattr__(self, "every", every)
        require_flag(f"Monitor {self.select!r}", "moments", self.moments)
        if self.path is not None and not isinstance(self.path, (str, Path)):
            raise InputError(f"Monitor {self.select!r}: path must be text or a Path, got {short(self.path)}")


@dataclass(frozen=True)
class Record:
    """Record of a monitor.

    Attributes
    ----------
    monitor : Monitor
    places : int array (p,)
        Places of the elements in the lattice.
    names : list of str
    s : float array (p,)
        Positions of their exits [m].
    turns : int array (t,)
        Recorded turns in the order of passage, counted as `Beam.turn` is.
    coordinates : float array (t, p, 6, n), or None
        Lost particles are NaN from the place of their loss on.
    mean : float array (t, p, 6), or None
    sigma : float array (t, p, 6, 6), or None
        Weighted mean and covariance of surviving particles on the host, if moments are recorded.
    """

    monitor: Monitor
    places: np.ndarray
    names: list[str]
    s: np.ndarray
    turns: np.ndarray
    coordinates: Any = None
    mean: Any = None
    sigma: Any = None

    def __repr__(self) -> str:
        arrays = {name: getattr(self, name) for name in ("coordinates", "mean", "sigma")}
        shapes = "".join(f"; {name} {tuple(v.shape)}" for name, v in arrays.items() if v is not None)
        return f"<Record of {self.monitor.select!r}: {len(self.turns)} turns, {len(self.places)} places{shapes}>"


class Recorder:
    """Collects the records of one monitor, stretch by stretch."""

    def __init__(self, monitor: Monitor, lattice: Lattice) -> None:
        self.monitor = monitor
        self.places = np.array(lattice.places(monitor.select))
        names = lattice.names
        self.names = [names[i] for i in self.places]
        self.s = lattice.positions[self.places + 1]
        self._turns: list[int] = []
        self._parts: list[dict[str, Any]] = []
        self._file = open_stream(monitor, self) if monitor.path is not None else None

    def rows(self, first_turn: int, turns: int) -> list[int]:
        """Turns to be recorded among `turns` turns starting with `first_turn`."""
        every = self.monitor.every
        first = -(-first_turn // every) * every
        return list(range(first, first_turn + turns, every))

    def take(self, buffer: Any, turns: Sequence[int], weights: Any) -> None:
        """Add the records of a stretch, `buffer` (len(turns), places, 6, n)."""
        if not turns:
            return
        part = self.reduced(buffer, weights)
        if self._file is not None:
            self._file.append(turns, part)
            return
        self._turns += turns
        self._parts.append(part)

    def reduced(self, buffer: Any, weights: Any) -> dict[str, Any]:
        """Arrays to store for coordinates (turns, places, 6, n)."""
        return moments_of(buffer, weights) if self.monitor.moments else {"coordinates": buffer}

    def arrays(self) -> dict[str, Any]:
        """All records so far; empty before the first turn, or with a file."""
        if len(self._parts) > 1:
            self._parts = [{name: _joined(self._parts, name) for name in list(self._parts[0])}]
        return self._parts[0] if self._parts else {}

    def record(self) -> Record:
        """All records so far; with a file, names and places only."""
        return self.record_of(**self.arrays())

    def record_of(self, **arrays: Any) -> Record:
        """Record of these arrays at the turns recorded so far."""
        turns = np.array(self._turns if self._file is None else self._file.turns, dtype=np.int64)
        return Record(self.monitor, self.places, self.names, self.s, turns, **arrays)

    def close(self) -> None:
        """Close the file, if any; raises `InputError` if it cannot be completed."""
        if self._file is not None:
            self._file.close()

    def abandon(self) -> None:
        """Close the file without errors: while another one is raised, or after `close`."""
        if self._file is not None:
            self._file.abandon()


def _joined(parts: list[dict[str, Any]], name: str) -> Any:
    """Parts concatenated; each part is freed in turn, so that a long record is not held twice."""
    first = parts[0][name]
    if is_traced(first):
        return namespace(first).concatenate([part.pop(name) for part in parts])
    whole = namespace(first).empty((sum(len(part[name]) for part in parts), *first.shape[1:]), dtype=first.dtype)
    end = 0
    for part in parts:
        values = part.pop(name)
        end += len(values)
        whole[end - len(values) : end] = values
    return whole


def moments_of(buffer: Any, weights: Any) -> dict[str, Any]:
    """Mean (t, p, 6) and covariance (t, p, 6, 6) of surviving particles from coordinates (t, p, 6, n), on the host."""
    plain = untraced(buffer)
    both = mean_and_sigma(buffer, weights, namespace(plain).isfinite(plain[:, :, 0, :]))
    return {"mean": both[:, :, 0, :], "sigma": both[:, :, 1:, :]}


def open_stream(monitor: Monitor, recorder: Recorder) -> MonitorFile:
    """File of a monitor that streams."""
    heading = {"select": monitor.select, "place": recorder.places, "name": recorder.names, "s": recorder.s}
    return MonitorFile(f"Monitor {monitor.select!r}", Path(monitor.path or ""), heading)
