"""Tracking: the loop over stretches of turns, monitors, progress, interruption."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from gputrack.backends import Choice, choose_backend
from gputrack.backends.protocol import Backend, Launch, Particles, make_records
from gputrack.base.arrays import is_traced, namespace, on_device, out_of_memory
from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError, TrackingInterrupted
from gputrack.base.interruption import keeping
from gputrack.beam.beam import Beam
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program, cached_program
from gputrack.tracking.lost_frames import lost_places
from gputrack.tracking.memory_check import record_bytes, require_room, said_with_mend
from gputrack.tracking.monitor import Monitor, Record, Recorder

STRETCH_SECONDS = 0.25  # between looks at the progress bar and at Ctrl-C
COPIES = 4  # times as long as the copies of a streamed beam a stretch should take, so that they hardly count
RECORD_BYTES = 256 * 2**20  # recorded at most in one stretch
LIMIT = 1.0
LARGEST_LIMIT = 1e150  # its square is still a number

Progress = bool | Callable[[int, int], None]

#: runs `track` where lattice or beam are being differentiated; gputrack.tracking.primitive puts it here
differentiated: list[Callable[..., Tracked]] = []


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
    backend: Choice = None,
    threads: int | None = None,
    limit: float = LIMIT,
    backwards: bool = False,
) -> Tracked:
    """Track a beam through a lattice; neither is changed.

    Where knobs of the lattice, its reference or the beam are being differentiated, the result is traced as well.

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
        An error that it raises ends the run, see `TrackingStopped`.
    backend : {"array", "host", "cuda"} or Streamed, optional
        ``"cuda"`` for a beam of NumPy arrays streams it through the GPU, chunk by chunk, see `gputrack.Streamed`.
    threads : int, optional
        CPU threads; all cores that the process may use where not given.
    limit : float
        Particles beyond it in |x| or |y| [m] are lost; ``math.inf`` for (almost) none.
    backwards : bool
        Undo the passes: last turn first, from the exit to the entrance, each map inverted. Monitors record in
        the order of passage, and apertures are not checked. The field of particles that were lost on the way
        is missing in collective effects on the way back.

    Returns
    -------
    Tracked
        A new beam, with the monitors' records.

    Raises
    ------
    InputError
        An argument cannot be used.
    DeviceMemoryError
        The run does not fit the GPU's memory; nothing was tracked.
    TrackingInterrupted
        Ctrl-C; its ``result`` is the beam after the last whole stretch of turns.
    TrackingStopped
        Any other error once some turns are done: a full disk or memory, a wake's table that ends, what `progress`
        raised. Its ``result`` is the same, or None where a GPU has no memory left for it; its ``__cause__`` the error.
    """
    if _is_traced(lattice, beam) and differentiated:
        return differentiated[-1](
            lattice, beam, turns, monitors=monitors, progress=progress, backend=backend, threads=threads,
            limit=limit, backwards=backwards,
        )  # fmt: skip
    turns = check_arguments(lattice, beam, turns, monitors, progress, limit)
    runner = choose_backend(backend, beam.coordinates, threads)
    recorders: list[Recorder] = []
    try:
        for monitor in monitors:
            recorders.append(Recorder(monitor, lattice))
        program = cached_program(lattice, [(r.monitor.every, r.places.tolist()) for r in recorders])
        require_room(runner, lattice, beam, program, recorders, turns, backwards=bool(backwards))
        with on_device(beam.coordinates), said_with_mend():
            run = Run(lattice, beam, program, runner, recorders, float(limit), backwards)
            run.all(turns, progress)
            with run.keeping(turns):
                for recorder in recorders:
                    recorder.close()
            return run.result()
    finally:
        for recorder in recorders:
            recorder.abandon()


def _is_traced(lattice: object, beam: object) -> bool:
    """Whether anything that tracking depends on is being differentiated."""
    if isinstance(lattice, Lattice) and lattice.traced:
        return True
    return isinstance(beam, Beam) and (is_traced(beam.coordinates) or beam.reference.traced)


def check_arguments(
    lattice: Lattice, beam: Beam, turns: int, monitors: Sequence[Monitor], progress: Progress, limit: float
) -> int:
    """The number of turns, or an `InputError` that says which argument of `track` cannot be used."""
    _check(lattice, beam, limit)
    _check_watchers(monitors, progress)
    return require_integer("track", "turns", turns, at_least=0)


def _check(lattice: Lattice, beam: Beam, limit: float) -> None:
    if not isinstance(lattice, Lattice):
        raise InputError(f"track: lattice must be a Lattice, got {type(lattice).__name__}")
    if not isinstance(beam, Beam):
        raise InputError(f"track: beam must be a Beam, got {type(beam).__name__}")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
        raise InputError(f"track: limit must be > 0 m, got {limit!r}")
    if lattice.require_reference() != beam.reference:
        raise InputError(
            f"track: the beam's reference {beam.reference} differs from the lattice's "
            f"{lattice.reference}; make the beam with lattice.reference"
        )


def _check_watchers(monitors: Sequence[Monitor], progress: Progress) -> None:
    if isinstance(monitors, (Monitor, str)) or not isinstance(monitors, Sequence):
        raise InputError(f"track: monitors must be a list of gputrack.Monitor, got {short(monitors)}")
    for monitor in monitors:
        if not isinstance(monitor, Monitor):
            raise InputError(f"track: each monitor must be a gputrack.Monitor, got {short(monitor)}")
    require_progress("track", progress)


def require_progress(owner: str, progress: object) -> None:
    """An `InputError` where progress cannot be shown as `progress` says."""
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(f"{owner}: progress must be True, False or a function, got {short(progress)}")


class Run:
    """State of one call of `track`."""

    def __init__(
        self, lattice: Lattice, beam: Beam, program: Program, backend: Backend, recorders: list[Recorder],
        limit: float, backwards: bool,
    ) -> None:  # fmt: skip
        self.lattice, self.beam, self.program, self.backend = lattice, beam, program, backend
        self.recorders, self.limit, self.backwards = recorders, min(limit, LARGEST_LIMIT), backwards
        self.xp = namespace(beam.coordinates)
        xp = self.xp
        self.particles = Particles(
            xp.array(beam.coordinates, copy=True, order="C"),
            xp.array(beam.loss_code, dtype=xp.int32, copy=True),
            xp.array(beam.loss_turn, dtype=xp.int64, copy=True),
            xp.full(beam.n, -1, dtype=xp.int32),
        )
        self.memory: dict[Any, Any] = {}
        self.done = 0
        self.pace = 0.0  # seconds per turn

    def all(self, turns: int, progress: Progress, until: int | None = None) -> None:
        """Run all turns, or the first ones `until` a later call, with progress shown.

        Ctrl-C raises `TrackingInterrupted` after a whole stretch, errors `TrackingStopped`.
        """
        until = turns if until is None else until
        with self.keeping(turns), said_with_mend(), interrupts() as interrupted, shown(progress, turns) as show:
            while self.done < until:
                self.stretch(until)
                show(self.done, turns)
                if interrupted():
                    text = f"interrupted after {self.done} of {turns} turns; they are kept in the result"
                    raise TrackingInterrupted(text, self.result())

    def keeping(self, turns: int) -> AbstractContextManager[None]:
        """Errors carry the turns that are done."""
        return keeping(lambda: self.done, f"{turns} turns", self._kept)

    def _kept(self) -> Tracked | None:
        """The beam as it is now, if a GPU has memory enough to put its records together."""
        try:
            return self.result()
        except out_of_memory():
            return None

    def stretch(self, turns: int) -> None:
        """Run a few turns, as many as fit the time between two looks and the memory for records."""
        count = min(turns - self.done, self._turns_per_stretch())
        first = self.beam.turn + self.done if not self.backwards else self.beam.turn - self.done - count
        rows = [recorder.rows(first, count) for recorder in self.recorders]
        shapes = [(len(r), len(rec.places)) for r, rec in zip(rows, self.recorders, strict=True)]
        launch = self.launch(first, count, shapes)
        before = self.particles.copied() if self.done else None
        start = time.perf_counter()
        try:
            self.backend.run(self.particles, launch)
        except BaseException:  # somewhere between two turns
            self.particles = before or self.particles
            raise
        self.pace = (time.perf_counter() - start) / count
        self.done += count
        order = slice(None, None, -1 if self.backwards else 1)
        failures = []
        for recorder, buffer, kept in zip(self.recorders, launch.records.views, rows, strict=True):
            try:
                recorder.take(buffer[order], kept[order], self.beam.weights)
            except Exception as error:  # the others have these turns all the same
                failures.append(error)
        if failures:
            raise failures[0]

    def launch(self, first: int, count: int, shapes: Sequence[tuple[int, int]] = ()) -> Launch:
        """`count` turns from `first` on, with buffers of the given shapes for the monitors."""
        records = make_records(list(shapes), self.beam.n, self.xp)
        reference = self.lattice.require_reference()
        return Launch(
            self.program, reference, first, count, self.limit, records, self.backwards,
            weights=self.beam.weights, memory=self.memory,
        )  # fmt: skip

    def _turns_per_stretch(self) -> int:
        seconds = max(STRETCH_SECONDS, COPIES * self.backend.copying)
        count = max(1, int(seconds / self.pace)) if self.pace else 1
        per_turn = sum(len(r.places) / r.monitor.every for r in self.recorders) * 48.0 * self.beam.n
        if not per_turn:
            return count
        return max(1, min(count, int(record_bytes(self.beam.coordinates, count * per_turn, RECORD_BYTES) / per_turn)))

    def result(self) -> Tracked:
        """The beam as it is now."""
        p, xp = self.particles, self.xp
        fresh = p.loss_op >= 0
        elements = xp.asarray(self.program.elements) if len(self.program) else xp.zeros(1, dtype=xp.int32)
        where = xp.where(fresh, elements[xp.where(fresh, p.loss_op, 0)], self.beam.loss_element)
        turn = self.beam.turn + (-self.done if self.backwards else self.done)
        lost = lost_places(self.program, p, self.backwards)
        ref = ReferenceValues.of(self.lattice.require_reference())
        coordinates = p.coordinates if lost is None else lost.moved(p.coordinates, ref)
        out = Tracked(
            coordinates, self.beam.reference, weights=self.beam.weights, loss_code=p.loss_code,
            loss_turn=p.loss_turn, loss_element=where, turn=turn,
        )  # fmt: skip
        out.records = tuple(recorder.record() for recorder in self.recorders)
        return out


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
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
def shown(progress: Progress, turns: int) -> Iterator[Callable[[int, int], None]]:
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
