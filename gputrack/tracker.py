"""Tracking: the loop over stretches of turns, monitors, progress, interruption."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gputrack.arrays import namespace
from gputrack.backends import choose_backend
from gputrack.backends.base import Backend, Launch, Particles, make_records
from gputrack.beam import Beam
from gputrack.errors import InputError, TrackingInterrupted
from gputrack.lattice import Lattice
from gputrack.monitor import Monitor, Record, Recorder
from gputrack.program import Program, compile_program

STRETCH_SECONDS = 0.25  # between looks at the progress bar and at Ctrl-C
RECORD_BYTES = 256 * 2**20  # recorded at most in one stretch
LIMIT = 1.0

Progress = bool | Callable[[int, int], None]


class Tracked(Beam):
    """The beam after tracking, and what monitors recorded.

    Attributes
    ----------
    records : tuple of Record
        In the order of the monitors.
    """

    records: tuple[Record, ...] = ()


def track(
    lattice: Lattice,
    beam: Beam,
    turns: int = 1,
    *,
    monitors: Sequence[Monitor] = (),
    progress: Progress = False,
    backend: str | None = None,
    threads: int | None = None,
    limit: float = LIMIT,
    backwards: bool = False,
) -> Tracked:
    """Track a beam through a lattice; neither is changed.

    Parameters
    ----------
    lattice : Lattice
    beam : Beam
        Its arrays' library chooses the backend: NumPy `host`, CuPy `cuda`.
    turns : int
        Passes through the lattice, >= 0.
    monitors : sequence of Monitor
    progress : bool or callable
        Show a progress bar, or call ``progress(turns_done, turns)`` a few times a second.
    backend : {"array", "host", "cuda"}, optional
    threads : int, optional
        CPU threads; all cores that the process may use where not given.
    limit : float
        Particles beyond it in |x| or |y| [m] are lost.
    backwards : bool
        Undo the passes: from the exit to the entrance, each map inverted.

    Returns
    -------
    Tracked
        A new beam, with the monitors' records.

    Raises
    ------
    InputError
        An argument cannot be used.
    TrackingInterrupted
        Ctrl-C; its ``result`` is the beam after the last whole stretch of turns.
    """
    _check(lattice, beam, turns, limit)
    recorders = [Recorder(monitor, lattice) for monitor in monitors]
    runner = choose_backend(backend, beam.coordinates, threads)
    program = compile_program(lattice, [(r.monitor.every, r.places.tolist()) for r in recorders])
    run = _Run(lattice, beam, program, runner, recorders, limit, backwards)
    try:
        with _interrupts() as interrupted, _shown(progress, turns) as show:
            while run.done < turns:
                run.stretch(turns)
                show(run.done, turns)
                if interrupted():
                    text = f"interrupted after {run.done} of {turns} turns; they are kept in the result"
                    raise TrackingInterrupted(text, run.result())
        return run.result()
    finally:
        for recorder in recorders:
            recorder.close()


def _check(lattice: Lattice, beam: Beam, turns: int, limit: float) -> None:
    if not isinstance(lattice, Lattice):
        raise InputError(f"track: lattice must be a Lattice, got {type(lattice).__name__}")
    if not isinstance(beam, Beam):
        raise InputError(f"track: beam must be a Beam, got {type(beam).__name__}")
    if isinstance(turns, bool) or not isinstance(turns, int) or turns < 0:
        raise InputError(f"track: turns must be an integer >= 0, got {turns!r}")
    if not limit > 0:
        raise InputError(f"track: limit must be > 0 m, got {limit!r}")
    if lattice.require_reference() != beam.reference:
        raise InputError(
            f"track: the beam's reference {beam.reference} differs from the lattice's "
            f"{lattice.reference}; make the beam with lattice.reference"
        )


class _Run:
    """State of one call of `track`."""

    def __init__(
        self, lattice: Lattice, beam: Beam, program: Program, backend: Backend, recorders: list[Recorder],
        limit: float, backwards: bool,
    ) -> None:  # fmt: skip
        self.lattice, self.beam, self.program, self.backend = lattice, beam, program, backend
        self.recorders, self.limit, self.backwards = recorders, limit, backwards
        self.xp = namespace(beam.coordinates)
        xp = self.xp
        self.particles = Particles(
            xp.array(beam.coordinates, copy=True, order="C"),
            xp.array(beam.loss_code, dtype=xp.int32, copy=True),
            xp.array(beam.loss_turn, dtype=xp.int64, copy=True),
            xp.full(beam.n, -1, dtype=xp.int32),
        )
        self.done = 0
        self.pace = 0.0  # seconds per turn

    def stretch(self, turns: int) -> None:
        """Run a few turns, as many as fit the time between two looks and the memory for records."""
        count = min(turns - self.done, self._turns_per_stretch())
        first = self.beam.turn + self.done if not self.backwards else self.beam.turn - self.done - count
        rows = [recorder.rows(first, count) for recorder in self.recorders]
        shapes = [(len(r), len(rec.places)) for r, rec in zip(rows, self.recorders, strict=True)]
        records = make_records(shapes, self.beam.n, self.xp)
        reference = self.lattice.require_reference()
        start = time.perf_counter()
        self.backend.step(
            self.particles,
            Launch(self.program, reference, first, count, self.limit, records, self.backwards),
        )
        self.pace = (time.perf_counter() - start) / count
        self.done += count
        for recorder, buffer, kept in zip(self.recorders, records.views, rows, strict=True):
            recorder.take(buffer, kept, self.beam.weights)

    def _turns_per_stretch(self) -> int:
        count = max(1, int(STRETCH_SECONDS / self.pace)) if self.pace else 1
        per_turn = sum(len(r.places) / r.monitor.every for r in self.recorders) * 48.0 * self.beam.n
        return max(1, min(count, int(RECORD_BYTES / per_turn))) if per_turn else count

    def result(self) -> Tracked:
        """The beam as it is now."""
        p, xp = self.particles, self.xp
        fresh = p.loss_op >= 0
        elements = xp.asarray(self.program.elements) if len(self.program) else xp.zeros(1, dtype=xp.int32)
        where = xp.where(fresh, elements[xp.where(fresh, p.loss_op, 0)], self.beam.loss_element)
        turn = self.beam.turn + (-self.done if self.backwards else self.done)
        out = Tracked(
            p.coordinates, self.beam.reference, weights=self.beam.weights, loss_code=p.loss_code,
            loss_turn=p.loss_turn, loss_element=where, turn=turn,
        )  # fmt: skip
        out.records = tuple(recorder.record() for recorder in self.recorders)
        return out


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag that is looked at between stretches; a second one stops at once."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def _shown(progress: Progress, turns: int) -> Iterator[Callable[[int, int], None]]:
    """What is called after each stretch: nothing, the user's function, or a progress bar."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("tracking"), BarColumn(), MofNCompleteColumn(), TextColumn("turns"))
        with Bar(*columns, TimeRemainingColumn()) as bar:
            task = bar.add_task("tracking", total=turns)
            yield lambda done, total: bar.update(task, completed=done)


