"""Commands with their options; each calls the function that does its work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gputrack.app.options import (
    BackendOption,
    DeltaOption,
    InitialOption,
    LatticeArgument,
    ParticlesOption,
    SequenceOption,
    ThreadsOption,
    TurnsOption,
)
from gputrack.app.terminal import FAILED, console, load_lattice, note, partial_results, require_writable
from gputrack.base.errors import InputError


def doctor() -> None:
    """Describe this machine and compare every kernel with the array maps, with its speed; takes about a minute."""
    from gputrack.app.doctor_command import run_doctor

    if not run_doctor(console()):
        raise typer.Exit(FAILED)


def demo(
    particles: ParticlesOption = 10_000,
    turns: TurnsOption = 1000,
    output: Annotated[Path, typer.Option(help="Picture to write: .png, .pdf or .svg.")] = Path("demo.png"),
    threads: ThreadsOption = None,
    backend: BackendOption = None,
) -> None:
    """Track the bundled storage ring; print optics, emittances and losses, and save a picture."""
    from gputrack.app.demo import run_demo

    require_writable(output)
    with partial_results("in the picture"):
        run_demo(console(), particles, turns, output, threads, backend)


def info(lattice: LatticeArgument, sequence: SequenceOption = None) -> None:
    """Show the contents of a lattice file: classes, circumference, reference particle, ignored items."""
    from gputrack.app.tables import lattice_table, reference_text

    (ring, ignored), out = load_lattice(lattice, sequence), console()
    out.print(lattice_table(ring))
    out.print(f"circumference {ring.length:.12g} m", soft_wrap=True, highlight=False)
    out.print(f"reference     {reference_text(ring.reference)}", soft_wrap=True, highlight=False, markup=False)
    for item in ignored:
        out.print(f"ignored       {item}", soft_wrap=True, highlight=False, markup=False)


def twiss(
    lattice: LatticeArgument,
    sequence: SequenceOption = None,
    delta: DeltaOption = 0.0,
    initial: InitialOption = None,
    slices: Annotated[int | None, typer.Option(min=1, help="Rows per element in the tables.")] = None,
    csv: Annotated[Path | None, typer.Option(help="File with all columns, comma-separated.")] = None,
    tfs: Annotated[Path | None, typer.Option(help="File with all columns in MAD-X's TFS format.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture to write: .png, .pdf or .svg.")] = None,
) -> None:
    """Twiss parameters of a ring: tunes, chromaticities, beta functions, dispersion, closed orbit.

    With --initial, those of a beam line.
    """
    from gputrack.app.match_command import initial_of
    from gputrack.app.twiss_command import run_twiss

    for name, path in (("--csv", csv), ("--tfs", tfs), ("--plot", plot)):
        if path is not None:
            require_writable(path, name)
    out, (ring, _) = console(), load_lattice(lattice, sequence)
    run_twiss(out, ring, initial_of(initial), delta, slices, csv, tfs, plot)


def match(
    lattice: LatticeArgument,
    vary: Annotated[list[str], typer.Option(help="Knobs, separated by commas, as 'qf.k1,qd.k1'; globs vary families.")],
    target: Annotated[
        list[str],
        typer.Option(help="As qx=14.2, 'betx@bpm*<=20', dx@q1/q9=0 (from q1 to q9), betx@end=5; repeatable."),
    ],
    bound: Annotated[
        list[str] | None, typer.Option(help="Bounds of a knob, as qf.k1=1.5,1.9 (either may be empty); repeatable.")
    ] = None,
    sequence: SequenceOption = None,
    delta: DeltaOption = 0.0,
    initial: InitialOption = None,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Largest deviation of a target that is met.")] = 1e-9,
    steps: Annotated[int, typer.Option(min=1, help="Maximum number of evaluations of the optics.")] = 100,
    output: Annotated[Path | None, typer.Option(help="File for the matched lattice (.json).")] = None,
) -> None:
    """Find values of knobs such that all targets are met; exit status 1 if one is not.

    Targets are tunes qx, qy, qs, chromaticities dqx, dqy, columns of the Twiss table at elements, entries r11 to r66
    of the transfer matrix, and driving terms as h21000.
    """
    from gputrack.app import match_command

    if output is not None:
        require_writable(output)
        if output.suffix.lower() != ".json":
            raise InputError(f"--output {output}: must end in .json")
    targets, start = match_command.targets_of(target), match_command.initial_of(initial)
    out, (ring, _) = console(), load_lattice(lattice, sequence)
    knobs = match_command.knobs_of(ring, vary)
    bounds = match_command.bounds_of(knobs, bound or [])
    result = match_command.run_match(out, ring, knobs, targets, bounds, start, delta, tolerance, steps, output)
    if not result.success:
        raise typer.Exit(note(f"match failed: {result.failure}", FAILED))


def track(
    lattice: LatticeArgument,
    output: Annotated[Path, typer.Option(help="HDF5 file for the particles after the last turn (openPMD).")],
    sequence: SequenceOption = None,
    particles: ParticlesOption = 1000,
    turns: TurnsOption = 100,
    emit_x: Annotated[float, typer.Option(min=0.0, help="Horizontal rms emittance [m].")] = 1e-8,
    emit_y: Annotated[float, typer.Option(min=0.0, help="Vertical rms emittance [m].")] = 1e-9,
    sigma_z: Annotated[float, typer.Option(min=0.0, help="Rms bunch length [m].")] = 5e-3,
    sigma_delta: Annotated[float, typer.Option(min=0.0, help="Rms relative momentum spread.")] = 1e-3,
    sigma_x: Annotated[float | None, typer.Option(min=0.0, help="Rms x [m], for a beam that is not matched.")] = None,
    sigma_px: Annotated[float | None, typer.Option(min=0.0, help="Rms px, likewise.")] = None,
    sigma_y: Annotated[float | None, typer.Option(min=0.0, help="Rms y [m], likewise.")] = None,
    sigma_py: Annotated[float | None, typer.Option(min=0.0, help="Rms py, likewise.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")] = 1,
    integrator: Annotated[str | None, typer.Option(help="matrix-kick or drift-kick.")] = None,
    order: Annotated[int | None, typer.Option(help="Order of the integrator: 2, 4 or 6.")] = None,
    slices: Annotated[int | None, typer.Option(help="Slices per magnet.")] = None,
    hamiltonian: Annotated[str | None, typer.Option(help="exact or expanded.")] = None,
    edge: Annotated[str | None, typer.Option(help="Edges of bends: full, ptc or linear.")] = None,
    radiation: Annotated[bool, typer.Option("--radiation", help="Mean energy loss by synchrotron radiation.")] = False,
    threads: ThreadsOption = None,
    backend: BackendOption = None,
) -> None:
    """Track a Gaussian beam, matched to the ring, for many turns and write it to a file.

    After Ctrl-C or an error the file contains the completed turns. Give all four of --sigma-x, --sigma-px, --sigma-y
    and --sigma-py for a beam that is not matched, for example in a beam line.
    """
    from gputrack.app import track_command

    require_writable(output)
    out, (ring, _) = console(), load_lattice(lattice, sequence)
    ring = ring.with_model(track_command.model_with_options(ring.model, integrator, order, slices, hamiltonian, edge))
    sizes = (sigma_x, sigma_px, sigma_y, sigma_py)
    beam = track_command.make_beam(ring, particles, (emit_x, emit_y), sizes, sigma_z, sigma_delta, seed, out)
    ring = ring.with_radiation() if radiation else ring
    with partial_results(f"in {output}"):
        track_command.track_to_file(ring, beam, turns, output, threads, backend, out)
