"""The command `twiss`: tables of the optics, files and picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from gputrack.app.tables import twiss_line, twiss_table
from gputrack.beam.initial_twiss import InitialTwiss
from gputrack.lattice.lattice import Lattice
from gputrack.optics import Slices
from gputrack.optics.linear import tables
from gputrack.optics.linear.twiss import twiss


def run_twiss(
    out: Console, ring: Lattice, start: InitialTwiss | None, delta: float, slices: int | None,
    csv: Path | None, tfs: Path | None, picture: Path | None,
) -> None:  # fmt: skip
    """Print the optics of a ring or of a beam line, and write tables and picture.

    Raises
    ------
    InputError
        There is no stable motion around a closed orbit, or a file cannot be written.
    """
    optics = twiss(ring, start=start, delta=delta)
    out.print(twiss_table(optics))
    out.print(twiss_line(optics), soft_wrap=True, highlight=False)
    rows = optics if slices is None else optics.refined(Slices(slices))
    for path, text in ((csv, tables.csv_text), (tfs, tables.tfs_text)):
        if path is not None:
            tables.write(text(rows), path)
            out.print(f"written: {path} ({len(rows.s)} rows)", soft_wrap=True, markup=False, highlight=False)
    if picture is not None:
        from gputrack.optics import plotting  # matplotlib takes half a second to import

        plotting.save(plotting.twiss_figure(optics), picture)
        out.print(f"picture: {picture}", soft_wrap=True, markup=False, highlight=False)
