"""Files named on the command line, messages on the terminal, and exit statuses."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from gputrack.app.options import RING
from gputrack.base.errors import InputError, TrackingInterrupted, TrackingStopped
from gputrack.lattice.lattice import Lattice

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def console() -> Console:
    """Console for results: the present standard output."""
    return Console()


def note(message: str, status: int = 0) -> int:
    """Print one line on standard error and return the status."""
    typer.echo("gputrack: " + " ".join(message.split()), err=True)
    return status


@contextmanager
def partial_results(where: str) -> Iterator[None]:
    """After Ctrl-C or an error during tracking, print one line about the completed turns and exit."""
    try:
        yield
    except (TrackingInterrupted, TrackingStopped) as error:
        status = INTERRUPTED if isinstance(error, TrackingInterrupted) else FAILED
        raise typer.Exit(note(str(error).replace("in the result", where), status)) from None


def load_lattice(name: str, sequence: str | None) -> tuple[Lattice, Sequence[str]]:
    """Lattice of a file, or the bundled ring, and the ignored items of the file."""
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
    """Check before the computation that a file can be written."""
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; give a file name")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{option} {path}: there is no folder {path.absolute().parent}")
    try:
        with tempfile.TemporaryFile(dir=path.absolute().parent):
            pass
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written: {error.strerror or error}") from None
