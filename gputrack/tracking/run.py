"""Tracking run: stretches of turns, with monitors, progress and interruption in between."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gputrack.backends.launch import Launch, Particles, make_records
from gputrack.backends.protocol import Runner
from gputrack.base.arrays import namespace, out_of_memory
from gputrack.base.errors import TrackingInterrupted
from gputrack.base.interruption import PartialResult, Progress, interrupt_flag, progress_display
from gputrack.beam.beam import Beam
from gputrack.elements.map import ReferenceValues
from gputrack.elements.turn_memory import TurnMemory
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program
from gputrack.tracking.lost_frames import lost_places
from gputrack.tracking.memory_check import DeviceMemoryErrors, record_bytes
from gputrack.tracking.monitor import Record, Recorder

STRETCH_SECONDS = 0.25  # between updates of the progress bar and checks for Ctrl-C
SHORT = 1e5  # passages of particles through maps that take milliseconds
COPIES = 4  # least ratio of the time of a stretch to that of the copies of a streamed beam
RECORD_BYTES = 256 * 2**20  # largest size of the records of one stretch
LARGEST_LIMIT = 1e150  # its square does not overflow


class Tracked(Beam):
    """Beam after tracking, with the records of monitors.

    Attributes
    ----------
    records : tuple of Record
        In the order of the monitors.
    """

    records: tuple[Record, ...] = ()


class Run:
    """State of one call of `track`."""

    def __init__(
        self, lattice: Lattice, beam: Beam, program: Program, backend: Runner, recorders: list[Recorder],
        limit: float, backwards: bool, all_turns: bool = False,
    ) -> None:  # fmt: skip
        self.lattice, self.beam, self.program, self.backend = lattice, beam, program, backend
        self.recorders, self.limit, self.backwards = recorders, min(limit, LARGEST_LIMIT), backwards
        self.xp = xp = namespace(beam.coordinates)
        coordinates, loss_op = xp.array(beam.coordinates, copy=True, order="C"), beam.loss_code.copy()
        loss_op[...] = -1
        self.particles = Particles(coordinates, beam.loss_code.copy(), beam.loss_turn.copy(), loss_op)
        self.memory = TurnMemory(all_turns)
        self.done = 0
        self.pace = 0.0  # seconds per turn

    def all(self, turns: int, progress: Progress, until: int | None = None) -> None:
        """Run all turns, or the first ones `until` a later call, and show progress.

        Ctrl-C raises `TrackingInterrupted` after a whole stretch, errors raise `TrackingStopped`. Runs of milliseconds
        without progress do not handle Ctrl-C.
        """
        until = turns if until is None else until
        with self.partial_result(turns), DeviceMemoryErrors():
            if not progress and self._is_short(until - self.done):
                while self.done < until:
                    self.stretch(until)
            else:
                self._watched(turns, progress, until)

    def _is_short(self, turns: int) -> bool:
        passages = turns * len(self.program) * self.beam.n
        return passages <= SHORT and self.backend.name != "array" and not self.program.cuts

    def _watched(self, turns: int, progress: Progress, until: int) -> None:
        with interrupt_flag() as interrupted, progress_display(progress, turns) as show:
            while self.done < until:
                self.stretch(until)
                show(self.done, turns)
                if interrupted():
                    text = f"interrupted after {self.done} of {turns} turns; they are in the result"
                    raise TrackingInterrupted(text, self.result())

    def partial_result(self, turns: int) -> PartialResult:
        """Context that attaches the turns done to exceptions."""
        return PartialResult(lambda: self.done, f"{turns} turns", self._partial)

    def _partial(self) -> Tracked | None:
        """Present beam with its records; None if GPU memory does not suffice to concatenate these."""
        try:
            return self.result()
        except out_of_memory():
            return None

    def stretch(self, turns: int) -> None:
        """Run as many turns as fit in the interval between updates of progress and in the memory for records."""
        count = min(turns - self.done, self._turns_per_stretch())
        first = self.beam.turn + self.done if not self.backwards else self.beam.turn - self.done - count
        rows = [recorder.rows(first, count) for recorder in self.recorders]
        shapes = [(len(r), len(rec.places)) for r, rec in zip(rows, self.recorders, strict=True)]
        launch = self.launch(first, count, shapes)
        before = self.particles.copied() if self.done else None
        start = time.perf_counter()
        try:
            self.backend.step(self.particles, launch)
        except BaseException:  # possibly in the middle of a turn
            self.particles = before or self.particles
            raise
        self.pace = (time.perf_counter() - start) / count
        self.done += count
        self._record(launch, rows)

    def _record(self, launch: Launch, rows: list[list[int]]) -> None:
        """Pass the records of a stretch to the recorders."""
        order = slice(None, None, -1 if self.backwards else 1)
        failures = []
        for recorder, buffer, turns in zip(self.recorders, launch.records.views, rows, strict=True):
            try:
                recorder.take(buffer[order], turns[order], self.beam.weights)
            except Exception as error:  # the other recorders still receive these turns
                failures.append(error)
        if failures:
            raise failures[0]

    def launch(self, first: int, count: int, shapes: Sequence[tuple[int, int]] = ()) -> Launch:
        """Launch of `count` turns from `first` on, with buffers of the given shapes for the monitors."""
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
        """Present beam, which shares the run's arrays: the run must not be continued."""
        p, beam = self.particles, self.beam
        coordinates, elements = p.coordinates, beam.loss_element
        fresh = p.loss_op >= 0
        if bool(fresh.any()):
            xp = self.xp
            elements = xp.where(fresh, xp.asarray(self.program.elements)[xp.where(fresh, p.loss_op, 0)], elements)
            lost = lost_places(self.program, p, self.backwards)
            ref = ReferenceValues.of(self.lattice.require_reference())
            coordinates = coordinates if lost is None else lost.moved(coordinates, ref)
        out = Tracked.of_arrays(
            beam.reference, beam.turn + (-self.done if self.backwards else self.done), coordinates=coordinates,
            weights=beam.weights, loss_code=p.loss_code, loss_turn=p.loss_turn, loss_element=elements,
        )  # fmt: skip
        out.records = tuple(recorder.record() for recorder in self.recorders)
        return out
