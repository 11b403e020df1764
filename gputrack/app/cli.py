"""The command line: gputrack demo, info, twiss, match, track and doctor."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gputrack.base.errors import GputrackError, InputError, TrackingInterrupted, TrackingStopped
from gputrack.lattice.lattice import Lattice

FAILED, USAGE, INTERRUPTED = 1, 2, 130
RING = "demo"
#: ClickException, which typer raises for wrong options and does not name: click itself, or its own copy of it
WRONG_USAGE: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="gputrack",
    help="Beam dynamics in particle accelerators, on CPUs and GPUs, with exact gradients.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
LatticeArgument = Annotated[
    str,
    typer.Argument(metavar="LATTICE", help=f"MAD-X (.madx, .seq, .mad) or .json file, or '{RING}', the bundled ring."),
]
SequenceOption = Annotated[
    str | None, typer.Option(help="Sequence or line of the file; needed where it has several.")
]
DeltaOption = Annotated[float, typer.Option(help="Relative momentum deviation.")]
InitialOption = Annotated[
    str | None, typer.Option(help="For a beam line: values at its start, as betx=5,bety=7,alfx=0.1,dx=0.2.")
]
ParticlesOption = Annotated[int, typer.Option(min=1, help="Number of particles.")]
TurnsOption = Annotated[int, typer.Option(min=1, help="Number of turns.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores where not given.")]
BackendOption = Annotated[
    str | None, typer.Option(help="array, host or cuda; host (compiled kernels) where not given.")
]


def console() -> Console:
    """Where results are printed: standard output as it is now."""
    return Console()


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from gputrack import __version__

        typer.echo(f"gputrack {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that stand before a command; the help where there is none."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def doctor() -> None:
    """What this machine has, and every kernel on it against the array maps, with its speed; in about a minute."""
    from gputrack.app.doctor_command import run_doctor

    if not run_doctor(console()):
        raise typer.Exit(FAILED)


@app.command()
def demo(
    particles: ParticlesOption = 10_000,
    turns: TurnsOption = 1000,
    output: Annotated[Path, typer.Option(help="Picture to write: .png, .pdf or .svg.")] = Path("demo.png"),
    threads: ThreadsOption = None,
    backend: BackendOption = None,
) -> None:
    """Track the bundled storage ring; print optics, emittances and losses, save a picture."""
    from gputrack.app.demo import run_demo

    require_writable(output)
    with saying_what_was_kept("in the picture"):
        run_demo(console(), particles, turns, output, threads, backend)


@app.command()
def info(lattice: LatticeArgument, sequence: SequenceOption = None) -> None:
    """Show what a lattice file contains: classes, circumference, reference particle, ignored items."""
    from gputrack.app.tables import lattice_table, reference_text

    (ring, ignored), out = load_lattice(lattice, sequence), console()
    out.print(lattice_table(ring))
    out.print(f"circumference {ring.length:.12g} m", soft_wrap=True, highlight=False)
    out.print(f"reference     {reference_text(ring.reference)}", soft_wrap=True, highlight=False, markup=False)
    for item in ignored:
        out.print(f"ignored       {item}", soft_wrap=True, highlight=False, markup=False)


@app.command()
def twiss(
    lattice: LatticeArgument,
    sequence: SequenceOption = None,
    delta: DeltaOption = 0.0,
    initial: InitialOption = None,
    slices: Annotated[int | None, typer.Option(min=1, help="Rows of the tables per element.")] = None,
    csv: Annotated[Path | None, typer.Option(help="File for all columns, comma-separated.")] = None,
    tfs: Annotated[Path | None, typer.Option(help="File for all columns, as MAD-X writes them.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture to write: .png, .pdf or .svg.")] = None,
) -> None:
    """Twiss parameters of a ring: tunes, chromaticities, beta functions, dispersion, closed orbit.

    Of a beam line with --initial.
    """
    from gputrack.app.match_command import initial_of
    from gputrack.app.twiss_command import run_twiss

    for name, path in (("--csv", csv), ("--tfs", tfs), ("--plot", plot)):
        if path is not None:
            require_writable(path, name)
    out, (ring, _) = console(), load_lattice(lattice, sequence)
    run_twiss(out, ring, initial_of(initial), delta, slices, csv, tfs, plot)


@app.command()
def match(
    lattice: LatticeArgument,
    vary: Annotated[list[str], typer.Option(help="Knobs between commas, as 'qf.k1,qd.k1'; globs drive families.")],
    target: Annotated[
        list[str],
        typer.Option(help="As qx=14.2, 'betx@bpm*<=20', dx@q1/q9=0 (from q1 to q9), betx@end=5; give it many times."),
    ],
    bound: Annotated[
        list[str] | None, typer.Option(help="Of a knob, as qf.k1=1.5,1.9 (empty: none); give it many times.")
    ] = None,
    sequence: SequenceOption = None,
    delta: DeltaOption = 0.0,
    initial: InitialOption = None,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Largest difference of a target that is met.")] = 1e-9,
    steps: Annotated[int, typer.Option(min=1, help="Evaluations of the optics at most.")] = 100,
    output: Annotated[Path | None, typer.Option(help="File for the matched lattice (.json).")] = None,
) -> None:
    """Find values of knobs so that targets are met; exit status 1 where one is not.

    Targets are tunes qx, qy, qs, chromaticities dqx, dqy, columns of the Twiss table at places, entries r11 to r66
    of the transfer matrix, and driving terms as h21000.
    """
    from gputrack.app import match_command

    if output is not None:
        require_writable(output)
        if output.suffix.lower() != ".json":
            raise InputError(f"--output {output}: lattices are written as .json")
    targets, start = match_command.targets_of(target), match_command.initial_of(initial)
    out, (ring, _) = console(), load_lattice(lattice, sequence)
    knobs = match_command.knobs_of(ring, vary)
    bounds = match_command.bounds_of(knobs, bound or [])
    found = match_command.run_match(out, ring, knobs, targets, bounds, start, delta, tolerance, steps, output)
    if not found.success:
        raise typer.Exit(note(f"match failed: {found.failure}", FAILED))


@app.command()
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
    sigma_x: Annotated[float | None, typer.Option(min=0.0, help="Rms x [m]; instead of a matched beam.")] = None,
    sigma_px: Annotated[float | None, typer.Option(min=0.0, help="Rms px; likewise.")] = None,
    sigma_y: Annotated[float | None, typer.Option(min=0.0, help="Rms y [m]; likewise.")] = None,
    sigma_py: Annotated[float | None, typer.Option(min=0.0, help="Rms py; likewise.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 1,
    integrator: Annotated[str | None, typer.Option(help="matrix-kick or drift-kick.")] = None,
    order: Annotated[int | None, typer.Option(help="Order of the integrator: 2, 4 or 6.")] = None,
    slices: Annotated[int | None, typer.Option(help="Slices per magnet.")] = None,
    hamiltonian: Annotated[str | None, typer.Option(help="exact or expanded.")] = None,
    edge: Annotated[str | None, typer.Option(help="Ends of bends: full or linear.")] = None,
    radiation: Annotated[bool, typer.Option("--radiation", help="Particles lose what they radiate.")] = False,
    threads: ThreadsOption = None,
    backend: BackendOption = None,
) -> None:
    """Track a Gaussian beam, matched to the ring, for many turns and write it to a file.

    Ctrl-C and errors on the way keep the turns done so far. Give all four of --sigma-x, --sigma-px, --sigma-y and
    --sigma-py for a beam that is not matched, as for a beam line.
    """
    from gputrack.app import track_command as commands

    require_writable(output)
    out, (ring, _) = console(), load_lattice(lattice, sequence)
    ring = ring.with_model(commands.chosen_model(ring.model, integrator, order, slices, hamiltonian, edge))
    sizes = (sigma_x, sigma_px, sigma_y, sigma_py)
    beam = commands.make_beam(ring, particles, (emit_x, emit_y), sizes, sigma_z, sigma_delta, seed, out)
    ring = ring.with_radiation() if radiation else ring
    with saying_what_was_kept(f"in {output}"):
        commands.track_to_file(ring, beam, turns, output, threads, backend, out)


@contextmanager
def saying_what_was_kept(where: str) -> Iterator[None]:
    """After Ctrl-C, or an error during the turns, one line about those that were computed."""
    try:
        yield
    except (TrackingInterrupted, TrackingStopped) as error:
        status = INTERRUPTED if isinstance(error, TrackingInterrupted) else FAILED
        raise typer.Exit(note(str(error).replace("in the result", where), status)) from None


def load_lattice(name: str, sequence: str | None) -> tuple[Lattice, Sequence[str]]:
    """A lattice from a file, or the bundled ring; and what of the file was left out on purpose."""
    import gputrack
    from gputrack.io.load import MADX_SUFFIXES
    from gputrack.io.madx import read_madx

    if name == RING:
        if sequence is not None:
            raise InputError(f"--sequence {sequence}: the bundled ring has no sequences")
        return gputrack.demo_ring(), ()
    if not Path(name).is_file():
        raise InputError(f"{name}: no such file")
    if Path(name).suffix.lower() not in MADX_SUFFIXES:
        return gputrack.load(name, sequence=sequence), ()
    file = read_madx(name, sequence)
    return file.lattice, file.ignored


def require_writable(path: Path, option: str = "--output") -> None:
    """Refuse before the work what cannot be written after it."""
    if path.is_dir():
        raise InputError(f"{option} {path}: this is a folder; give a file name")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{option} {path}: there is no folder {path.absolute().parent}")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written: {error.strerror or error}") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: expected errors are one line on standard error and exit status 2."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            status = app(
                prog_name="gputrack", args=None if arguments is None else list(arguments), standalone_mode=False
            )
    except GputrackError as error:
        status = note(str(error), USAGE)
    except WRONG_USAGE as error:
        status = note(error.format_message(), USAGE)
    except (KeyboardInterrupt, typer.Abort):
        status = note("interrupted", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def show_warning(message: Warning | str, *place: Any, **more: Any) -> None:
    """A warning as one line, without the place in the library that raised it."""
    note(f"warning: {message}")


def note(message: str, status: int = 0) -> int:
    """One line on standard error; the status is handed through."""
    typer.echo("gputrack: " + " ".join(message.split()), err=True)
    return status
