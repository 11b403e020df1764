"""What the commands `track` and `twiss` do between reading their options and exiting."""

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

from gputrack.app.tables import (
    emittance_table,
    loss_table,
    optics_table,
    turns_lived,
)
from gputrack.backends import choose_backend
from gputrack.base.errors import InputError, TrackingInterrupted, TrackingStopped
from gputrack.beam.beam import Beam
from gputrack.elements.models import DriftKick, Exact, Expanded, FullEdge, LinearEdge, MatrixKick, Model
from gputrack.lattice.lattice import Lattice
from gputrack.optics import linear_optics
from gputrack.tracking.track import track

INTEGRATORS = {"matrix-kick": MatrixKick, "drift-kick": DriftKick}
HAMILTONIANS = {"exact": Exact, "expanded": Expanded}
EDGES = {"full": FullEdge, "linear": LinearEdge}
Sizes = tuple[float | None, float | None, float | None, float | None]


def chosen_model(
    model: Model,
    integrator: str | None = None,
    order: int | None = None,
    slices: int | None = None,
    hamiltonian: str | None = None,
    edge: str | None = None,
) -> Model:
    """The lattice's model with what the options change."""
    kind = type(model.integrator) if integrator is None else _choice("--integrator", integrator, INTEGRATORS)
    asked = {name: value for name, value in (("order", order), ("slices", slices)) if value is not None}
    known = model.integrator if kind is type(model.integrator) else kind()
    steps = replace(known, **asked)
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
    """A Gaussian beam: of given sizes, or matched to the linear optics of the ring."""
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
            f"{error}; a beam cannot be matched to it: give --sigma-x, --sigma-px, --sigma-y and --sigma-py"
        ) from error
    out.print(optics_table(optics))
    return Beam.gaussian(
        particles, reference, emit=emit, twiss=optics.start, sigma_z=sigma_z, sigma_delta=sigma_delta, seed=seed,
        centroid=[getattr(optics, name)[0] for name in ("x", "px", "y", "py", "z", "delta")],
    )  # fmt: skip


def track_to_file(
    ring: Lattice, beam: Beam, turns: int, output: Path, threads: int | None, backend: str | None, out: Console
) -> None:
    """Track with a progress bar, print what became of the beam, and write it. A GPU is sent the beam in chunks.

    Raises
    ------
    TrackingInterrupted
        Ctrl-C, after the file of what was computed has been written.
    TrackingStopped
        Another error during the turns, likewise.
    InputError
        The file cannot be written; the message says where the particles are instead.
    """
    how = prepare(out, beam, backend, threads)
    start = time.perf_counter()
    try:
        after: Beam = track(ring, beam, turns=turns, progress=True, threads=threads, backend=backend)
    except (TrackingInterrupted, TrackingStopped) as stopped:
        if stopped.result is None:
            raise
        _finish(ring, beam, stopped.result, start, how, output, out)  # type: ignore[arg-type]
        raise
    _finish(ring, beam, after, start, how, output, out)


def prepare(out: Console, beam: Beam, backend: str | None, threads: int | None) -> str:
    """Have the kernels ready before the clock starts; what will run, in words."""
    with out.status("preparing the kernels (compiled once, then kept)"):
        runner = choose_backend(backend, beam.coordinates, threads)
    count = runner.threads
    return f"backend {runner.name}" + (f", {count} thread{'s' if count > 1 else ''}" if count else "")


def _finish(
    ring: Lattice, before: Beam, after: Beam, start: float, how: str, output: Path, out: Console
) -> None:
    seconds = time.perf_counter() - start
    done = after.turn - before.turn
    out.print(emittance_table(before, after))
    out.print(loss_table(ring, after))
    speed = turns_lived(after, before.turn, done) / seconds
    out.print(f"{done} turns in {seconds:.1f} s: {speed:.3g} particle-turns/s ({how})", highlight=False)
    save_somewhere(after.to_device("numpy"), output)
    out.print(f"written: {output} ({after.n} particles after turn {after.turn})", soft_wrap=True, markup=False)


def save_somewhere(beam: Beam, output: Path) -> None:
    """Write the beam; where that fails, to the folder for temporary files: hours of tracking may be in it.

    Raises
    ------
    InputError
        It could not be written to `output`; with the place where it is.
    """
    try:
        beam.save(output)
    except InputError as error:
        handle, name = tempfile.mkstemp(prefix=f"{output.stem}-", suffix=".h5")
        os.close(handle)
        try:
            beam.save(name)
        except InputError as again:
            Path(name).unlink(missing_ok=True)
            raise InputError(f"{error}; {again}: the particles are lost") from error
        raise InputError(f"{error}; the particles after turn {beam.turn} are in {name} instead") from error
