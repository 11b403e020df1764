"""The command `track`: model and beam from options, tracking, tables and the beam file."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gputrack.app.tables import emittance_table, loss_table, optics_table, particle_turns
from gputrack.backends import choose_backend
from gputrack.base.errors import InputError, TrackingInterrupted, TrackingStopped
from gputrack.beam.beam import Beam
from gputrack.elements.models import DriftKick, Exact, Expanded, FullEdge, LinearEdge, MatrixKick, Model, PTCEdge
from gputrack.lattice.lattice import Lattice
from gputrack.optics import linear_optics
from gputrack.tracking.track import track

INTEGRATORS = {"matrix-kick": MatrixKick, "drift-kick": DriftKick}
HAMILTONIANS = {"exact": Exact, "expanded": Expanded}
EDGES = {"full": FullEdge, "ptc": PTCEdge, "linear": LinearEdge}
Sizes = tuple[float | None, float | None, float | None, float | None]


def model_with_options(
    model: Model,
    integrator: str | None = None,
    order: int | None = None,
    slices: int | None = None,
    hamiltonian: str | None = None,
    edge: str | None = None,
) -> Model:
    """Model of the lattice with the changes of the options."""
    kind = type(model.integrator) if integrator is None else _choice("--integrator", integrator, INTEGRATORS)
    changes = {name: value for name, value in (("order", order), ("slices", slices)) if value is not None}
    integrator_before = model.integrator if kind is type(model.integrator) else kind()
    steps = replace(integrator_before, **changes)
    energy = model.hamiltonian if hamiltonian is None else _choice("--hamiltonian", hamiltonian, HAMILTONIANS)()
    ends = model.edge if edge is None else _choice("--edge", edge, EDGES)()
    return Model(steps, energy, ends)


def _choice(option: str, value: str, choices: Mapping[str, type]) -> Any:
    if value not in choices:
        raise InputError(f"{option} must be {' or '.join(choices)}, got {value!r}")
    return choices[value]


def make_beam(
    ring: Lattice, particles: int, emit: tuple[float, float], sizes: Sizes, sigma_z: float, sigma_delta: float,
    seed: int, out: Console,
) -> Beam:  # fmt: skip
    """Gaussian beam of given rms sizes, or matched to the linear optics of the ring."""
    reference = ring.require_reference()
    if any(size is not None for size in sizes):
        if any(size is None for size in sizes):
            raise InputError("give all of --sigma-x, --sigma-px, --sigma-y and --sigma-py, or none")
        sigma = np.diag(np.array([*sizes, sigma_z, sigma_delta], dtype=float) ** 2)
        return Beam.from_sigma(particles, reference, sigma, seed=seed)
    try:
        optics = linear_optics(ring.without_radiation())
    except InputError as error:
        raise InputError(
            f"{error}; no beam can be matched: give --sigma-x, --sigma-px, --sigma-y and --sigma-py"
        ) from error
    out.print(optics_table(optics))
    return Beam.gaussian(
        particles, reference, emit=emit, twiss=optics.start, sigma_z=sigma_z, sigma_delta=sigma_delta, seed=seed,
        centroid=[getattr(optics, name)[0] for name in ("x", "px", "y", "py", "z", "delta")],
    )  # fmt: skip


def track_to_file(
    ring: Lattice, beam: Beam, turns: int, output: Path, threads: int | None, backend: str | None, out: Console
) -> None:
    """Track with a progress bar, print tables of the beam and write it; on a GPU the beam is streamed in chunks.

    Raises
    ------
    TrackingInterrupted
        Ctrl-C, after the file with the completed turns has been written.
    TrackingStopped
        Another error during the turns, likewise.
    InputError
        The file cannot be written; the message names the temporary file with the particles.
    """
    backend_text = prepare(out, beam, backend, threads)
    start = time.perf_counter()
    try:
        after: Beam = track(ring, beam, turns=turns, progress=True, threads=threads, backend=backend)
    except (TrackingInterrupted, TrackingStopped) as stopped:
        if stopped.result is None:
            raise
        _finish(ring, beam, stopped.result, start, backend_text, output, out)  # type: ignore[arg-type]
        raise
    _finish(ring, beam, after, start, backend_text, output, out)


def prepare(out: Console, beam: Beam, backend: str | None, threads: int | None) -> str:
    """Load the kernels before the time measurement; return the description of the backend."""
    with out.status("preparing the kernels (compiled once, then cached)"):
        runner = choose_backend(backend, beam.coordinates, threads)
    count = runner.threads
    return f"backend {runner.name}" + (f", {count} thread{'s' if count > 1 else ''}" if count else "")


def _finish(
    ring: Lattice, before: Beam, after: Beam, start: float, backend_text: str, output: Path, out: Console
) -> None:
    seconds = time.perf_counter() - start
    done = after.turn - before.turn
    out.print(emittance_table(before, after))
    out.print(loss_table(ring, after))
    speed = particle_turns(after, before.turn, done) / seconds
    out.print(f"{done} turns in {seconds:.1f} s: {speed:.3g} particle-turns/s ({backend_text})", highlight=False)
    save_somewhere(after.to_device("numpy"), output)
    out.print(f"written: {output} ({after.n} particles after turn {after.turn})", soft_wrap=True, markup=False)


def save_somewhere(beam: Beam, output: Path) -> None:
    """Write the beam; if that fails, write it to the temporary folder, so that no result is lost.

    Raises
    ------
    InputError
        It could not be written to `output`; the message gives the path of the temporary file.
    """
    try:
        beam.save(output)
    except InputError as error:
        handle, name = tempfile.mkstemp(prefix=f"{output.stem}-", suffix=".h5")
        os.close(handle)
        try:
            beam.save(name)
        except InputError as second_error:
            Path(name).unlink(missing_ok=True)
            raise InputError(f"{error}; {second_error}: the particles are lost") from error
        raise InputError(f"{error}; the particles after turn {beam.turn} are in {name} instead") from error
