"""Gradients of whatever is computed from tracked particles, by reverse mode; tracking's rules for both modes.

Tracking is one primitive of autograd, in the knobs of the lattice, the values of the reference particle and the
coordinates of the beam. Everything around it may be any expression of ``autograd.numpy``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defjvp_argnums, defvjp_argnums

from gputrack.autodiff.cupy_box import sealed, unsealed
from gputrack.backends import Choice, choose_backend
from gputrack.backends.cuda.memory import Kind
from gputrack.base.arrays import is_cupy, is_traced, namespace, on_device, untraced
from gputrack.base.errors import BackendError, InputError
from gputrack.base.interruption import Progress
from gputrack.base.primitive import primitive
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
from gputrack.tracking.monitor import Monitor, Record, Recorder, moments_of
from gputrack.tracking.reverse_sweep import CHECKPOINTS, Checkpoint, Pass, sweep
from gputrack.tracking.run import Run, Tracked
from gputrack.tracking.tangent_run import Directions, carrier, directions_of


def differentiated_track(
    lattice: Lattice, beam: Beam, turns: int, *, monitors: Sequence[Monitor], progress: Progress,
    backend: Choice, threads: int | None, limit: float, backwards: bool,
) -> Tracked:  # fmt: skip
    """What `gputrack.track` does where its lattice or its beam are being differentiated."""
    if backwards:
        raise InputError("track: gradients of backwards tracking are not available; track forwards")
    forward = _Forward(lattice, beam, turns, monitors, progress, backend, threads, limit)
    arguments = beam.coordinates, forward.reference_values(), *(box for _, box in forward.traces)
    forward.directions = directions_of(*arguments)
    return forward.result(_tracked(forward, *arguments))


class _Forward:
    """A forward run that remembers what its backward sweep needs, or carries tangents along `directions`."""

    directions: Directions | None = None
    tangents: tuple[Any, ...]

    def __init__(
        self, lattice: Lattice, beam: Beam, turns: int, monitors: Sequence[Monitor], progress: Progress,
        backend: Choice, threads: int | None, limit: float,
    ) -> None:  # fmt: skip
        self.lattice, self.plain_lattice, self.plain_beam = lattice, _plain_lattice(lattice), plain_beam(beam)
        turns = check_arguments(self.plain_lattice, self.plain_beam, turns, monitors, progress, limit)
        if any(monitor.path is not None for monitor in monitors):
            raise InputError("track: a monitor that streams to a file cannot be differentiated; drop its path")
        self.beam, self.turns, self.progress, self.limit = beam, turns, progress, limit
        self.reference = lattice.require_reference() if lattice.require_reference().traced else beam.reference
        self.traces = effective_traces(lattice)
        self.monitors = list(monitors)
        self.recorders = [Recorder(Monitor(m.select, every=m.every), lattice) for m in monitors]
        self.backend = choose_backend(backend, self.plain_beam.coordinates, threads)
        if self.backend.name == "array" and is_cupy(self.plain_beam.coordinates):
            raise BackendError("backend 'array' has gradients on NumPy arrays only; leave it out, or move the beam")

    def reference_values(self) -> Any:
        """What maps need of the reference particle, (5,): traced where its momentum is."""
        return anp.array(list(ReferenceValues.of(self.reference)))

    def run(self) -> tuple[Any, ...]:
        """Track; return the coordinates and those of each record."""
        with on_device(self.plain_beam.coordinates), DeviceMemoryErrors():
            return self._run() if self.directions is None else self._run_along(self.directions)

    def _program(self, kind: Kind) -> Program:
        """The lattice as a program, once it is clear that its run fits the device."""
        program = tracking_program(self.lattice, [(m.every, m.select) for m in self.monitors])
        require_memory(
            self.backend, self.plain_lattice, self.plain_beam, program, self.recorders, self.turns, kind,
            checkpoints=CHECKPOINTS if kind is Kind.SWEEP else 0,
        )  # fmt: skip
        return program

    def _run_along(self, directions: Directions) -> tuple[Any, ...]:
        program, start = self._program(Kind.TANGENT), self.plain_beam.coordinates
        push = carrier(self.backend, program, start, directions, [knobs for knobs, _ in self.traces])
        run = Run(
            self.plain_lattice, self.plain_beam, program, push, self.recorders, self.limit, backwards=False
        )
        run.all(self.turns, self.progress)
        self.plain = run.result()
        recorded = [push.record(i, len(record.places)) for i, record in enumerate(self.plain.records)]
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
            backwards=False,
        )  # fmt: skip
        run.memory["all"] = True
        checkpoints = [Checkpoint(self.plain_beam.turn, run.particles.coordinates.copy())]
        spacing = max(1, -(-self.turns // CHECKPOINTS))
        while run.done < self.turns:
            told = self.progress if callable(self.progress) else False
            run.all(self.turns, told, until=min(self.turns, run.done + spacing))
            if run.done < self.turns:
                checkpoints.append(Checkpoint(self.plain_beam.turn + run.done, run.particles.coordinates.copy()))
        self.plain = run.result()
        self.pass_ = Pass(
            self.backend, run.launch(self.plain_beam.turn, self.turns), run.particles, checkpoints,
            [len(r.places) for r in self.recorders], [r.monitor.every for r in self.recorders],
        )  # fmt: skip
        return self._parts()

    def _parts(self) -> tuple[Any, ...]:
        recorded = [self._recorded(record) for record in self.plain.records]
        parts: tuple[Any, ...] = sealed((self.plain.coordinates, *recorded))
        return parts

    def _recorded(self, record: Record) -> Any:
        """Coordinates (turns, places, 6, n) of a record, also where it has no turns."""
        if record.coordinates is not None:
            return record.coordinates
        return namespace(self.plain.coordinates).zeros((0, len(record.places), 6, self.beam.n))

    def result(self, parts: Any) -> Tracked:
        """The outgoing beam with its records, of traced arrays."""
        plain = self.plain
        out = Tracked.of_arrays(
            self.reference, plain.turn, coordinates=parts[0], weights=self.beam.weights, loss_code=plain.loss_code,
            loss_turn=plain.loss_turn, loss_element=plain.loss_element,
        )  # fmt: skip
        records = []
        for i, (monitor, record) in enumerate(zip(self.monitors, plain.records, strict=True)):
            records.append(_record(monitor, record, parts[1 + i], self.beam.weights))
        out.records = tuple(records)
        return out

    def backward(self, cotangents: tuple[Any, ...]) -> tuple[Any, np.ndarray, list[np.ndarray]]:
        """Derivatives with respect to the coordinates, the reference's values and each set of knobs."""
        seed, *seeds = unsealed(cotangents)
        program, ends = self.pass_.launch.program, self.pass_.particles
        bars = np.zeros(len(program.constants) + len(ReferenceValues._fields))
        with on_device(seed), DeviceMemoryErrors():
            lost = lost_places(program, ends)
            if lost is not None:
                ref = ReferenceValues.of(self.pass_.launch.reference)
                seed, own = lost.pulled(ends.coordinates, ref, seed)
                bars += own
            coordinates, constants = sweep(self.pass_, seed, seeds)
        bars += constants
        knob_bars = [knob_gradient(program, bars, knobs) for knobs, _ in self.traces]
        return sealed(coordinates), bars[len(program.constants) :], knob_bars


def _plain_lattice(lattice: Lattice) -> Lattice:
    """The lattice without traces of its reference; what is none is left for the checks."""
    if not isinstance(lattice, Lattice) or lattice.reference is None:
        return lattice
    return lattice.with_reference(lattice.reference.plain)


def plain_beam(beam: Beam) -> Beam:
    """The beam without traces."""
    if not isinstance(beam, Beam):
        return beam
    return beam.replaced(coordinates=untraced(beam.coordinates), reference=beam.reference.plain)


def _record(monitor: Monitor, record: Record, coordinates: Any, weights: Any) -> Record:
    parts = moments_of(coordinates, weights) if monitor.moments else {"coordinates": coordinates}
    return Record(monitor, record.places, record.names, record.s, record.turns, **parts)


@primitive
def _tracked(forward: _Forward, coordinates: Any, reference_values: Any, *values: Any) -> tuple[Any, ...]:
    return forward.run()


def _pull_back(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    forward: _Forward = arguments[0]
    shapes = [np.shape(untraced(value)) for value in arguments[3:]]

    def pull(cotangent: Any) -> tuple[Any, ...]:
        if is_traced(cotangent):
            raise InputError("track: second derivatives by reverse mode over reverse mode are not available")
        coordinates, reference, knobs = forward.backward(cotangent)
        bars = [None, coordinates, reference, *(k.reshape(shape) for k, shape in zip(knobs, shapes, strict=True))]
        return tuple(bars[i] for i in argnums)

    return pull


def _push_forward(argnums: Sequence[int], tangents: Any, answer: Any, arguments: Any, _: Any) -> tuple[Any, ...]:
    forward: _Forward = arguments[0]
    if forward.directions is None or any(is_traced(value) for value in arguments[1:]):
        raise InputError("track: second derivatives by forward mode over another mode are not available")
    return forward.tangents


defvjp_argnums(_tracked, _pull_back)
defjvp_argnums(_tracked, _push_forward)
