"""Differentiable tracking run: forwards, with a reverse sweep, or with tangents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.autodiff.cupy_box import sealed, unsealed
from gputrack.backends import Choice, choose_backend
from gputrack.backends.cuda.memory import Kind
from gputrack.base.arrays import is_cupy, namespace, on_device, untraced
from gputrack.base.errors import BackendError, InputError
from gputrack.base.interruption import Progress
from gputrack.beam.beam import Beam
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.knob_adjoint import knob_gradient
from gputrack.lattice.knob_trace import effective_traces
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program
from gputrack.lattice.tracking_program import tracking_program
from gputrack.tracking.arguments import check_arguments
from gputrack.tracking.lost_frames import lost_places
from gputrack.tracking.memory_check import DeviceMemoryErrors, require_memory
from gputrack.tracking.moment_recorder import MomentRecorder, moment_cotangents, moment_record
from gputrack.tracking.monitor import Monitor, Record, Recorder
from gputrack.tracking.reverse_sweep import CHECKPOINTS, Checkpoint, FinishedRun, sweep
from gputrack.tracking.run import Run, Tracked
from gputrack.tracking.tangent_run import Directions, carrier


class DifferentiatedRun:
    """Forward run with the data for its reverse sweep, or with tangents along `directions`.

    Attributes
    ----------
    traces : list of (Knobs, traced array)
        Traced knobs.
    directions : Directions, or None
    tangents : tuple of arrays
        Tangents of the results of `run` along the directions.
    """

    directions: Directions | None = None
    tangents: tuple[Any, ...]

    def __init__(
        self, lattice: Lattice, beam: Beam, turns: int, monitors: Sequence[Monitor], progress: Progress,
        backend: Choice, threads: int | None, limit: float,
    ) -> None:  # fmt: skip
        self.lattice, self.plain_lattice, self.plain_beam = lattice, _plain_lattice(lattice), plain_beam(beam)
        turns = check_arguments(self.plain_lattice, self.plain_beam, turns, monitors, progress, limit)
        if any(monitor.path is not None for monitor in monitors):
            raise InputError("track: a monitor that streams to a file cannot be differentiated; omit its path=")
        self.beam, self.turns, self.progress, self.limit = beam, turns, progress, limit
        self.reference = lattice.require_reference() if lattice.require_reference().traced else beam.reference
        self.traces = effective_traces(lattice)
        self.recorders = [(MomentRecorder if m.moments else Recorder)(m, lattice) for m in monitors]
        self.backend = choose_backend(backend, self.plain_beam.coordinates, threads)
        if self.backend.name == "array" and is_cupy(self.plain_beam.coordinates):
            raise BackendError(
                "gradients on backend 'array' need NumPy arrays; omit backend=, or use beam.to_device('numpy')"
            )

    def reference_values(self) -> Any:
        """(5,) `ReferenceValues`, traced if the momentum of the reference particle is."""
        return anp.array(list(ReferenceValues.of(self.reference)))

    def run(self) -> tuple[Any, ...]:
        """Track; return the coordinates, then each monitor's coordinates (t, p, 6, n) or moments (t, p, 7, 6)."""
        with on_device(self.plain_beam.coordinates), DeviceMemoryErrors():
            return self._run() if self.directions is None else self._run_along(self.directions)

    def _program(self, kind: Kind) -> Program:
        """Program of the lattice, after a check that the run fits in device memory."""
        program = tracking_program(self.lattice, [(r.monitor.every, r.monitor.select) for r in self.recorders])
        require_memory(
            self.backend, self.plain_lattice, self.plain_beam, program, self.recorders, self.turns, kind,
            checkpoints=CHECKPOINTS if kind is Kind.SWEEP else 0,
        )  # fmt: skip
        return program

    def _run_along(self, directions: Directions) -> tuple[Any, ...]:
        program, start = self._program(Kind.TANGENT), self.plain_beam.coordinates
        moments = [isinstance(recorder, MomentRecorder) for recorder in self.recorders]
        push = carrier(self.backend, program, start, directions, [knobs for knobs, _ in self.traces], moments)
        run = Run(
            self.plain_lattice, self.plain_beam, program, push, self.recorders, self.limit, backwards=False
        )
        run.all(self.turns, self.progress)
        self.plain = run.result()
        recorded = [push.record(i, len(recorder.places)) for i, recorder in enumerate(self.recorders)]
        t, lost = push.tangents, lost_places(program, run.particles)
        ref = ReferenceValues.of(self.plain_lattice.require_reference())
        moved = t.coordinates
        if lost is not None:
            moved = lost.pushed(run.particles.coordinates, ref, moved, t.constants, t.reference)
        self.tangents = sealed((moved, *recorded))
        return self._parts()

    def _run(self) -> tuple[Any, ...]:
        run = Run(
            self.plain_lattice, self.plain_beam, self._program(Kind.SWEEP), self.backend, self.recorders, self.limit,
            backwards=False, all_turns=True,
        )  # fmt: skip
        checkpoints = [Checkpoint(self.plain_beam.turn, run.particles.coordinates.copy())]
        spacing = max(1, -(-self.turns // CHECKPOINTS))
        while run.done < self.turns:
            progress = self.progress if callable(self.progress) else False
            run.all(self.turns, progress, until=min(self.turns, run.done + spacing))
            if run.done < self.turns:
                checkpoints.append(Checkpoint(self.plain_beam.turn + run.done, run.particles.coordinates.copy()))
        self.plain = run.result()
        # monitors of moments need no buffers of coordinates in the sweep
        places = [None if isinstance(r, MomentRecorder) else len(r.places) for r in self.recorders]
        self.pass_ = FinishedRun(
            self.backend, run.launch(self.plain_beam.turn, self.turns), run.particles, checkpoints, places,
            [r.monitor.every for r in self.recorders],
        )  # fmt: skip
        return self._parts()

    def _parts(self) -> tuple[Any, ...]:
        parts: tuple[Any, ...] = sealed((self.plain.coordinates, *map(self._recorded, self.recorders)))
        return parts

    def _recorded(self, recorder: Recorder) -> Any:
        """Array of a monitor's records, of the right shape also without turns."""
        if isinstance(recorder, MomentRecorder):
            return recorder.moments()
        empty = namespace(self.plain.coordinates).zeros((0, len(recorder.places), 6, self.beam.n))
        return recorder.arrays().get("coordinates", empty)

    def result(self, parts: Any) -> Tracked:
        """Outgoing beam and records with traced arrays."""
        plain = self.plain
        out = Tracked.of_arrays(
            self.reference, plain.turn, coordinates=parts[0], weights=self.beam.weights, loss_code=plain.loss_code,
            loss_turn=plain.loss_turn, loss_element=plain.loss_element,
        )  # fmt: skip
        out.records = tuple(_record(recorder, parts[1 + i]) for i, recorder in enumerate(self.recorders))
        return out

    def backward(self, cotangents: tuple[Any, ...]) -> tuple[Any, np.ndarray, list[np.ndarray]]:
        """Derivatives with respect to the coordinates, `ReferenceValues` and each set of knobs."""
        seed, *seeds = unsealed(cotangents)
        program, ends = self.pass_.launch.program, self.pass_.particles
        bars = np.zeros(len(program.constants) + len(ReferenceValues._fields))
        with on_device(seed), DeviceMemoryErrors():
            lost = lost_places(program, ends)
            if lost is not None:
                ref = ReferenceValues.of(self.pass_.launch.reference)
                seed, own = lost.pulled(ends.coordinates, ref, seed)
                bars += own
            moments = moment_cotangents(self.recorders, seeds, self.pass_.launch.first_turn, namespace(seed))
            coordinates, constants = sweep(self.pass_, seed, seeds, moments)
        bars += constants
        knob_bars = [knob_gradient(program, bars, knobs) for knobs, _ in self.traces]
        return sealed(coordinates), bars[len(program.constants) :], knob_bars


def _record(recorder: Recorder, recorded: Any) -> Record:
    """Record with traced arrays."""
    moments = isinstance(recorder, MomentRecorder)
    return moment_record(recorder, recorded) if moments else recorder.record_of(coordinates=recorded)


def _plain_lattice(lattice: Lattice) -> Lattice:
    """Lattice with an untraced reference; other objects are returned unchanged, for validation."""
    if not isinstance(lattice, Lattice) or lattice.reference is None:
        return lattice
    return lattice.with_reference(lattice.reference.plain)


def plain_beam(beam: Beam) -> Beam:
    """Beam without traces."""
    if not isinstance(beam, Beam):
        return beam
    return beam.replaced(coordinates=untraced(beam.coordinates), reference=beam.reference.plain)
