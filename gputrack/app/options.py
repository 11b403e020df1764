"""Options and arguments shared by the commands."""

from __future__ import annotations

from typing import Annotated

import typer

RING = "demo"
LatticeArgument = Annotated[
    str,
    typer.Argument(metavar="LATTICE", help=f"MAD-X (.madx, .seq, .mad) or .json file, or '{RING}', the bundled ring."),
]
SequenceOption = Annotated[
    str | None, typer.Option(help="Sequence or line of the file; needed if it has several.")
]
DeltaOption = Annotated[float, typer.Option(help="Relative momentum deviation.")]
InitialOption = Annotated[
    str | None, typer.Option(help="Initial values of a beam line, as betx=5,bety=7,alfx=0.1,dx=0.2.")
]
ParticlesOption = Annotated[int, typer.Option(min=1, help="Number of particles.")]
TurnsOption = Annotated[int, typer.Option(min=1, help="Number of turns.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads; default all cores.")]
BackendOption = Annotated[
    str | None, typer.Option(help="array, host or cuda; default host (compiled kernels).")
]
