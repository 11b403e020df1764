"""Frequency maps: tunes as a function of amplitude, and their diffusion."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gputrack.analysis.frequency_scan import FrequencyScan, Phasors
from gputrack.analysis.scan_file import ScanFile, fingerprint
from gputrack.analysis.starting_points import NUDGE, Grid, Polar, orbit_at, require_ring, require_shape, starting_beam
from gputrack.analysis.tunes import FEWEST
from gputrack.backends import Choice
from gputrack.base.checks import require_integer, require_number
from gputrack.base.dataframe import data_frame
from gputrack.base.errors import TrackingInterrupted
from gputrack.base.interruption import PartialResult, Progress, interrupt_flag, progress_display, require_progress
from gputrack.base.losses import LossCode
from gputrack.beam.beam import Beam
from gputrack.elements import Marker
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.trajectory import coasting
from gputrack.optics.linear.twiss import linear_optics
from gputrack.tracking.monitor import Monitor
from gputrack.tracking.track import LIMIT, track

END = "end of turn"
FLOOR = 1e-16  # smallest change of tune, due to rounding


@dataclass(frozen=True, eq=False)
class FrequencyMap:
    """Tunes of the particles of a scan in two successive spans of turns.

    Attributes
    ----------
    lattice : Lattice
    shape : Polar or Grid
    delta : float
    turns : int
        Number of turns in each of the two spans.
    done : int
        Number of completed particles; after an interruption the others are NaN.
    qx, qy : float
        Tunes of the closed orbit, between 0 and 1.
    values : (4, n) array
        Tunes qx, qy in the first span and in the second; NaN for lost particles.
    loss_code, loss_turn, loss_element : (n,) integer arrays
        See `gputrack.Beam`.
    """

    lattice: Lattice
    shape: Polar | Grid
    delta: float
    turns: int
    done: int
    qx: float
    qy: float
    values: np.ndarray
    loss_code: np.ndarray
    loss_turn: np.ndarray
    loss_element: np.ndarray

    @property
    def diffusion(self) -> np.ndarray:
        """log10 of the distance between the tunes of the two spans, (n,), >= -16; NaN for lost particles."""
        change = _wrapped(self.values[2:] - self.values[:2])
        size: np.ndarray = np.log10(np.maximum(np.hypot(*change), FLOOR))
        return size

    @property
    def survived(self) -> np.ndarray:
        """Mask of the completed particles that were not lost, bool (n,)."""
        survivors: np.ndarray = (self.loss_code == LossCode.ALIVE) & (np.arange(self.loss_code.size) < self.done)
        return survivors

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Arrays (n,): x, y [m] relative to the orbit, qx, qy, qx2, qy2, diffusion, survived, loss_*."""
        x, y = self.shape.offsets()
        tune = dict(zip(("qx", "qy", "qx2", "qy2"), self.values, strict=True))
        loss = {name: getattr(self, name) for name in ("loss_code", "loss_turn", "loss_element")}
        return {"x": x, "y": y, **tune, "diffusion": self.diffusion, "survived": self.survived, **loss}

    def to_pandas(self) -> Any:
        """The columns as a `pandas.DataFrame`.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(self.columns)

    def plot(self) -> Any:
        """Picture of the diffusion over initial amplitudes and over tunes, as a `matplotlib.figure.Figure`."""
        from gputrack.analysis import plotting as plot_scans  # matplotlib takes half a second to import

        return plot_scans.frequency_figure(self)

    def __repr__(self) -> str:
        text = f"{int(self.survived.sum())} of {self.survived.size} particles survive twice {self.turns} turns"
        if self.survived.any():
            text += f"; diffusion {np.nanmin(self.diffusion):.1f} to {np.nanmax(self.diffusion):.1f}"
        return f"<FrequencyMap: {text}>"


def frequency_map(
    lattice: Lattice,
    shape: Polar | Grid,
    *,
    turns: int = 512,
    delta: float = 0.0,
    file: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    xp: str = "numpy",
    backend: Choice = None,
    threads: int | None = None,
    limit: float = LIMIT,
) -> FrequencyMap:
    """Compute tunes of particles about the closed orbit in two successive spans of turns.

    For regular motion both spans have the same tunes; their difference measures how chaotic the motion is
    (J. Laskar, Physica D 67 (1993) 257). Particles on an axis start 1 micrometre off it, since on the axis the tune
    of the other plane cannot be observed. Particles are tracked in blocks with 128 MB of recorded coordinates.

    Parameters
    ----------
    lattice : Lattice
        A ring; particles start at its first element.
    shape : Polar or Grid
    turns : int
        Number of turns in each of the two spans, >= 16.
    delta : float
        Relative momentum deviation, as in `dynamic_aperture`.
    file : path, optional
        HDF5 file that is updated during the scan, and from which the scan continues if it exists.
    progress : bool or callable
        Show a progress bar, or call ``progress(turns_done, turns)`` with the turns of all blocks.
    xp, backend, threads, limit
        See `dynamic_aperture`.

    Returns
    -------
    FrequencyMap

    Raises
    ------
    InputError
        An argument is invalid, the motion is unstable, or the file cannot be written.
    LatticeFileError
        The file cannot be read, or belongs to another scan.
    TrackingInterrupted
        Ctrl-C; ``result`` is the `FrequencyMap` of the completed blocks, which are in the file as well.
    TrackingStopped
        Another error after at least one block; with the same ``result``.
    """
    lattice, shape = require_ring("frequency_map", lattice), require_shape("frequency_map", shape)
    turns = require_integer("frequency_map", "turns", turns, at_least=FEWEST)
    delta = require_number("frequency_map", "delta", delta)
    require_progress("frequency_map", progress)
    mark = fingerprint(lattice, shape, turns, delta, limit) if file is not None else ""
    orbit = orbit_at(lattice, delta)
    optics = linear_optics(coasting(lattice), delta=float(orbit[5]))
    offsets = shape.offsets()
    offsets = np.where(np.abs(offsets) < NUDGE, NUDGE, offsets)
    scan_file = ScanFile(file, "frequency_map", mark)
    scan = FrequencyScan(starting_beam(lattice, orbit, offsets, xp), Phasors(optics.start, orbit), turns, scan_file)
    scan_file.require_writable()
    marked = Lattice([*lattice, Marker(END)], lattice.reference, name=lattice.name, model=lattice.model)

    def advance(beam: Beam, report: Any) -> Any:
        return track(
            marked, beam, turns, monitors=[Monitor(END)], progress=report, backend=backend, threads=threads, limit=limit
        )

    def result() -> FrequencyMap:
        qx, qy = (float(q) % 1.0 for q in (optics.qx, optics.qy))
        code, turn, place = scan.losses
        return FrequencyMap(lattice, shape, delta, turns, scan.done, qx, qy, scan.values, code, turn, place)

    partial = PartialResult(lambda: scan.done, f"{scan.beam.n} particles", result)
    with partial, interrupt_flag() as interrupted, progress_display(progress, 2 * turns * scan.blocks) as show:
        if not scan.all(advance, show, interrupted):
            text = f"interrupted after {scan.done} of {scan.beam.n} particles; they are in the result"
            raise TrackingInterrupted(text, result())
    return result()


def _wrapped(change: np.ndarray) -> np.ndarray:
    """Differences of tunes modulo 1, between -1/2 and 1/2."""
    return change - np.round(change)
