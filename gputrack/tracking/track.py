"""Tracking of a beam through a lattice."""

from __future__ import annotations

from collections.abc import Sequence

from gputrack.backends import Choice, choose_backend
from gputrack.backends.choice import BACKEND
from gputrack.base.arguments import SWITCH, arguments, integer, optional
from gputrack.base.arrays import is_traced, on_device
from gputrack.base.interruption import Progress
from gputrack.beam.beam import Beam
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.tracking_program import tracking_program
from gputrack.tracking.arguments import check_arguments
from gputrack.tracking.memory_check import DeviceMemoryErrors, require_memory
from gputrack.tracking.monitor import Monitor, Recorder
from gputrack.tracking.primitive import differentiated_track
from gputrack.tracking.run import Run, Tracked

LIMIT = 1.0


@arguments(lattice=LATTICE, backend=BACKEND, threads=optional(integer(1)), backwards=SWITCH)
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

    The result is traced if knobs of the lattice, its reference or the beam are traced by autograd.

    Parameters
    ----------
    lattice : Lattice
    beam : Beam
        Its array library determines the backend: `host` for NumPy, `cuda` for CuPy.
    turns : int
        Passes through the lattice, >= 0.
    monitors : sequence of Monitor
    progress : bool or callable
        Show a progress bar, or call ``progress(turns_done, turns)`` a few times per second; an exception that it
        raises stops the run, see `TrackingStopped`.
    backend : {"array", "host", "cuda"} or Streamed, optional
        ``"cuda"`` streams a beam of NumPy arrays through the GPU in chunks, see `gputrack.Streamed`.
    threads : int, optional
        CPU threads; by default all cores available to the process.
    limit : float
        Limit on |x| and |y| [m], beyond which particles are lost; ``math.inf`` disables it.
    backwards : bool
        Undo the passes, last turn first, from the exit to the entrance, with inverse maps. Monitors record in
        the order of passage, and apertures are not checked. Collective effects do not include the field of particles
        lost in the forward run.

    Returns
    -------
    Tracked
        A new beam, with the monitors' records.

    Raises
    ------
    InputError
        An argument is invalid.
    DeviceMemoryError
        The run does not fit in GPU memory; nothing was tracked.
    TrackingInterrupted
        Ctrl-C; its ``result`` is the beam after the last whole stretch of turns.
    TrackingStopped
        Any other error after the first stretch: full disk or memory, a wake table that is too short, an exception from
        `progress`. Its ``result`` is the same, or None if GPU memory does not suffice; ``__cause__`` is the error.
    """
    if _is_traced(lattice, beam):
        return differentiated_track(
            lattice, beam, turns, monitors=monitors, progress=progress, backend=backend, threads=threads,
            limit=limit, backwards=backwards,
        )  # fmt: skip
    turns = check_arguments(lattice, beam, turns, monitors, progress, limit)
    runner = choose_backend(backend, beam.coordinates, threads)
    recorders: list[Recorder] = []
    try:
        for monitor in monitors:
            recorders.append(Recorder(monitor, lattice))
        program = tracking_program(lattice, [(m.every, m.select) for m in monitors])
        require_memory(runner, lattice, beam, program, recorders, turns, backwards=bool(backwards))
        with on_device(beam.coordinates), DeviceMemoryErrors():
            run = Run(lattice, beam, program, runner, recorders, float(limit), backwards)
            run.all(turns, progress)
            with run.partial_result(turns):
                for recorder in recorders:
                    recorder.close()
            return run.result()
    finally:
        for recorder in recorders:
            recorder.abandon()


def _is_traced(lattice: object, beam: object) -> bool:
    """Whether autograd traces the lattice or the beam."""
    if isinstance(lattice, Lattice) and lattice.traced:
        return True
    return isinstance(beam, Beam) and (is_traced(beam.coordinates) or beam.reference.traced)
