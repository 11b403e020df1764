"""Dynamic aperture: survival of particles as a function of their initial amplitudes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gputrack.analysis.aperture_scan import ApertureScan
from gputrack.analysis.scan_file import ScanFile, fingerprint
from gputrack.analysis.starting_points import Grid, Polar, orbit_at, require_ring, require_shape, starting_beam
from gputrack.backends import Choice
from gputrack.base.arrays import to_numpy
from gputrack.base.checks import require_integer, require_number
from gputrack.base.dataframe import data_frame
from gputrack.base.errors import TrackingInterrupted
from gputrack.base.interruption import PartialResult, Progress, interrupt_flag, progress_display, require_progress
from gputrack.base.losses import LossCode
from gputrack.beam.beam import Beam
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.track import LIMIT, track


@dataclass(frozen=True, eq=False)
class DynamicAperture:
    """Survival and loss of the particles of a scan.

    Attributes
    ----------
    lattice : Lattice
    shape : Polar or Grid
    delta : float
    orbit : (6,) array
        Closed orbit about which the particles start.
    turns : int
        Number of completed turns; fewer than requested after an interruption.
    beam : Beam
        All particles at the end, on the device of the scan.
    given_up : (n,) bool array
        Particles whose tracking was stopped because a particle closer to the orbit on the same ray was lost.
    particle_turns : int
        Number of computed passes of a particle through the lattice.
    """

    lattice: Lattice
    shape: Polar | Grid
    delta: float
    orbit: np.ndarray
    turns: int
    beam: Beam
    given_up: np.ndarray
    particle_turns: int

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Arrays (n,): x, y [m] relative to the orbit, survived, given_up, loss_code, loss_turn, loss_element."""
        x, y = self.shape.offsets()
        codes, turn, place = (to_numpy(getattr(self.beam, f"loss_{name}")) for name in ("code", "turn", "element"))
        survived = (codes == LossCode.ALIVE) & ~self.given_up
        return {
            "x": x, "y": y, "survived": survived, "given_up": self.given_up, "loss_code": codes, "loss_turn": turn,
            "loss_element": place,
        }  # fmt: skip

    @property
    def survived(self) -> np.ndarray:
        """Mask of the particles that survived all turns, bool (n,)."""
        return self.columns["survived"]

    @cached_property
    def connected(self) -> np.ndarray:
        """Mask of the survivors that no lost particle separates from the closed orbit, bool (n,)."""
        return self.shape.connected(self.survived)

    @property
    def boundary(self) -> np.ndarray:
        """Outermost connected survivors [m]: the last one of each ray (rays, 2), or those at the edge (k, 2)."""
        return self.shape.outline(self.connected)

    @property
    def area(self) -> float:
        """Area of the connected survivors [m^2]."""
        return self.shape.area(self.connected)

    @property
    def loss_names(self) -> list[str]:
        """Name of the element where each particle was lost, "" for survivors."""
        places = self.columns["loss_element"]
        return [self.lattice[int(place)].name if place >= 0 else "" for place in places]

    def to_pandas(self) -> Any:
        """The columns and the names of the elements of loss, as a `pandas.DataFrame`.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame({**self.columns, "loss_name": self.loss_names})

    def plot(self) -> Any:
        """Picture of survivors, boundary, and turns and places of loss, as a `matplotlib.figure.Figure`."""
        from gputrack.analysis import plotting as plot_scans  # matplotlib takes half a second to import

        return plot_scans.aperture_figure(self)

    def __repr__(self) -> str:
        return (
            f"<DynamicAperture: {int(self.survived.sum())} of {self.survived.size} particles survive {self.turns} "
            f"turns at delta {self.delta:g}; area {1e6 * self.area:.4g} mm^2>"
        )


def dynamic_aperture(
    lattice: Lattice,
    shape: Polar | Grid,
    *,
    turns: int = 1000,
    delta: float = 0.0,
    file: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    xp: str = "numpy",
    backend: Choice = None,
    threads: int | None = None,
    limit: float = LIMIT,
) -> DynamicAperture:
    """Track particles from a grid of amplitudes about the closed orbit and determine which survive.

    Lost particles are removed at intervals, as are particles that are given up (see `Polar`).

    Parameters
    ----------
    lattice : Lattice
        A ring; particles start at its first element with px and py of the closed orbit.
    shape : Polar or Grid
        Initial amplitudes.
    turns : int
        Number of turns, >= 1.
    delta : float
        Relative momentum deviation; particles start about its closed orbit. With active cavities the momentum
        oscillates about that of the six-dimensional closed orbit.
    file : path, optional
        HDF5 file that is updated during the scan. If it exists, the scan continues from it, also to a larger number
        of turns; the results are identical bit for bit to those of an uninterrupted scan.
    progress : bool or callable
        Show a progress bar, or call ``progress(turns_done, turns)``.
    xp : {"numpy", "cupy"}
        Memory of the particles. With "numpy" and ``backend="cuda"`` they pass through the GPU in chunks, so that a
        scan may exceed its memory.
    backend, threads, limit
        See `gputrack.track`.

    Returns
    -------
    DynamicAperture

    Raises
    ------
    InputError
        An argument is invalid, there is no closed orbit, or the file cannot be written.
    LatticeFileError
        The file cannot be read, or belongs to another scan.
    TrackingInterrupted
        Ctrl-C; ``result`` is the `DynamicAperture` after the completed turns, which are in the file as well.
    TrackingStopped
        Another error after at least one turn, for example a full disk; with the same ``result``.
    """
    lattice, shape = require_ring("dynamic_aperture", lattice), require_shape("dynamic_aperture", shape)
    turns = require_integer("dynamic_aperture", "turns", turns, at_least=1)
    delta = require_number("dynamic_aperture", "delta", delta)
    require_progress("dynamic_aperture", progress)
    mark = fingerprint(lattice, shape, delta, limit) if file is not None else ""
    scan_file = ScanFile(file, "dynamic_aperture", mark)
    orbit = orbit_at(lattice, delta)
    scan = ApertureScan(shape, starting_beam(lattice, orbit, shape.offsets(), xp), scan_file)
    scan.resume(turns)
    scan_file.require_writable()

    def advance(beam: Beam, count: int, report: Callable[[int, int], None]) -> Beam:
        return track(lattice, beam, count, progress=report, backend=backend, threads=threads, limit=limit)

    def result() -> DynamicAperture:
        done = scan.beam.turn
        return DynamicAperture(lattice, shape, delta, orbit, done, scan.beam, scan.given_up, scan.particle_turns)

    partial = PartialResult(lambda: scan.beam.turn, f"{turns} turns", result)
    with partial, interrupt_flag() as interrupted, progress_display(progress, turns) as show:
        if not scan.all(turns, advance, show, interrupted):
            text = f"interrupted after {scan.beam.turn} of {turns} turns; they are in the result"
            raise TrackingInterrupted(text, result())
    return result()
