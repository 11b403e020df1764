"""Demonstration: tracking of a beam larger than the acceptance of the bundled ring."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gputrack.app.tables import emittance_table, lattice_table, loss_table, optics_table, particle_turns, reference_text
from gputrack.app.track_command import prepare
from gputrack.base.errors import TrackingInterrupted, TrackingStopped
from gputrack.beam.beam import Beam
from gputrack.lattice.demo_ring import storage_ring
from gputrack.lattice.lattice import Lattice
from gputrack.optics import Twiss, linear_optics
from gputrack.tracking.run import Tracked
from gputrack.tracking.track import track

EMITTANCES = (4e-6, 6e-7)  # m; much larger than in a light source, so that particles are lost
SIGMA_DELTA = 2e-3
SHOWN_CELLS = 3


def demo_beam(ring: Lattice, optics: Twiss, particles: int, seed: int = 1) -> Beam:
    """Beam matched in all planes."""
    # sigma_z / sigma_delta of matched small amplitudes, from the longitudinal block of the one-turn matrix
    ratio = np.sqrt(abs(optics.matrix[4, 5] / optics.matrix[5, 4]))
    return Beam.gaussian(
        particles, ring.require_reference(), emit=EMITTANCES, twiss=optics.start, sigma_z=ratio * SIGMA_DELTA,
        sigma_delta=SIGMA_DELTA, seed=seed,
    )  # fmt: skip


def run_demo(
    console: Console, particles: int, turns: int, output: Path, threads: int | None = None, backend: str | None = None
) -> Tracked:
    """Track a beam in the bundled ring, print tables and save a picture.

    Raises
    ------
    InputError
        A number is out of range, or the picture cannot be written.
    TrackingInterrupted
        Ctrl-C, after the tables and the picture of the completed turns.
    TrackingStopped
        Another error during the turns, likewise.
    """
    ring = storage_ring()
    console.print(lattice_table(ring))
    about = f"circumference {ring.length:.12g} m; {reference_text(ring.reference)}"
    console.print(about, highlight=False, soft_wrap=True)
    optics = linear_optics(ring)
    console.print(optics_table(optics))
    beam = demo_beam(ring, optics, particles)
    backend_text = prepare(console, beam, backend, threads)
    start = time.perf_counter()
    stopped: TrackingInterrupted | TrackingStopped | None = None
    try:
        after: Any = track(ring, beam, turns=turns, progress=True, backend=backend, threads=threads)
    except (TrackingInterrupted, TrackingStopped) as error:
        if error.result is None:
            raise
        stopped, after = error, error.result
    seconds = time.perf_counter() - start
    speed = particle_turns(after, beam.turn, after.turn - beam.turn) / seconds
    console.print(emittance_table(beam, after))
    console.print(loss_table(ring, after))
    speed_text = f"{speed:.3g} particle-turns/s"
    console.print(f"{after.turn} turns in {seconds:.1f} s: {speed_text} ({backend_text})", highlight=False)
    _picture(ring, optics, beam, after, f"{backend_text}, {speed_text}", output)
    console.print(f"picture: {output}", highlight=False, soft_wrap=True, markup=False)
    if stopped is not None:
        raise stopped
    result: Tracked = after
    return result


def _picture(ring: Lattice, optics: Twiss, before: Beam, after: Beam, backend_text: str, output: Path) -> None:
    from gputrack.app import plot  # matplotlib takes half a second to import
    from gputrack.optics import plotting

    turns = after.turn - before.turn
    title = f"gputrack demo: {before.n} particles, {turns} turns of a {ring.length:.6g} m ring; {backend_text}"
    end = SHOWN_CELLS * ring.length / 20.0
    plotting.save(plot.run_figure(ring, optics, before, after, title, end), output)
