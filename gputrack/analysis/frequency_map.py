"""Frequency maps: tunes over the amplitudes, and how much they wander."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from gputrack.analysis.scan_file import ScanFile, fingerprint
from gputrack.analysis.starting_points import NUDGE, Grid, Polar, orbit_at, require_ring, require_shape, starting_beam
from gputrack.analysis.tunes import FEWEST, tunes
from gputrack.backends import Choice
from gputrack.base.arrays import to_numpy
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
RECORD_BYTES = 128 * 2**20  # of coordinates kept at once
FLOOR = 1e-16  # change of tune that is rounding


@dataclass(frozen=True, eq=False)
class FrequencyMap:
    """Tunes of the particles of a scan in two successive spans of turns.

    Attributes
    ----------
    lattice : Lattice
    shape : Polar or Grid
    delta : float
    turns : int
        Turns in each of the two spans.
    done : int
        Particles worked out; fewer than all after an interruption, the others are NaN.
    qx, qy : float
        Tunes of the closed orbit, between 0 and 1.
    values : (4, n) array
        Tunes qx, qy in the first span and in the second; NaN once a particle is lost.
    loss_code, loss_turn, loss_element : (n,) integer arrays
        As in `Beam`.
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
        """log10 of the distance between the tunes of both spans, (n,), not below -16; NaN for lost particles."""
        change = _wrapped(self.values[2:] - self.values[:2])
        size: np.ndarray = np.log10(np.maximum(np.hypot(*change), FLOOR))
        return size

    @property
    def survived(self) -> np.ndarray:
        """Which of the particles worked out were not lost, bool (n,)."""
        survivors: np.ndarray = (self.loss_code == LossCode.ALIVE) & (np.arange(self.loss_code.size) < self.done)
        return survivors

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Columns of the result, (n,): x, y [m] from the orbit, tunes qx, qy, qx2, qy2, diffusion, survived, loss_*."""
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
        """Diffusion over start places and over tunes with resonance lines, as a `matplotlib.figure.Figure`."""
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
    """Tunes of particles about the closed orbit in two spans of turns, the second after the first.

    The tune of a regular particle is the same in both; how much it differs says how chaotic the motion is
    (J. Laskar, Physica D 67 (1993) 257). Particles on an axis start 1 micrometre beside it, as they would
    show one tune alone there. Tracked in blocks of particles, as many as 128 MB of coordinates allow.

    Parameters
    ----------
    lattice : Lattice
        A ring; particles start at its start.
    shape : Polar or Grid
    turns : int
        In each of the two spans, >= 16.
    delta : float
        Momentum deviation, as in `dynamic_aperture`.
    file : path, optional
        HDF5 file that is kept up to date during the scan, from which it goes on where it is there already.
    progress : bool or callable
        Show a progress bar, or call ``progress(turns_done, turns)``, in turns of all blocks.
    xp, backend, threads, limit
        As in `dynamic_aperture`.

    Returns
    -------
    FrequencyMap

    Raises
    ------
    InputError
        An argument cannot be used, the motion is unstable, or the file cannot be written.
    LatticeFileError
        The file cannot be read, or is of another scan.
    TrackingInterrupted
        Ctrl-C; ``result`` is the `FrequencyMap` of the blocks done, which are in the file as well.
    TrackingStopped
        Another error once a block is done; with the same ``result``.
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
    kept = ScanFile(file, "frequency_map", mark)
    scan = _Scan(starting_beam(lattice, orbit, offsets, xp), _Phasors(optics.start, orbit), turns, kept)
    kept.require_writable()
    marked = Lattice([*lattice, Marker(END)], lattice.reference, name=lattice.name, model=lattice.model)

    def advance(beam: Beam, told: Any) -> Any:
        return track(
            marked, beam, turns, monitors=[Monitor(END)], progress=told, backend=backend, threads=threads, limit=limit
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


@dataclass(frozen=True)
class _Phasors:
    """Makes phasors x - i (alfx x + betx px) of coordinates."""

    start: Any
    orbit: np.ndarray

    def tunes(self, coordinates: Any) -> np.ndarray:
        """Tunes (2, n) of coordinates (turns, 1, 6, n)."""
        found = []
        for row, plane in ((0, "x"), (2, "y")):
            beta, alpha = (float(getattr(self.start, f"{name}{plane}")) for name in ("bet", "alf"))
            q, p = (coordinates[:, 0, row + i] - float(self.orbit[row + i]) for i in (0, 1))
            found.append(to_numpy(tunes(q - 1j * (alpha * q + beta * p))))
        return np.stack(found)


class _Scan:
    """State of one call of `frequency_map`."""

    def __init__(self, beam: Beam, phasors: _Phasors, turns: int, kept: ScanFile) -> None:
        self.beam, self.phasors, self.turns = beam, phasors, turns
        self.width = max(1, RECORD_BYTES // (48 * turns))
        self.blocks = -(-beam.n // self.width)
        self.kept = kept
        self.done = 0
        self.values = np.full((4, beam.n), np.nan)
        self.losses = [np.zeros(beam.n, dtype=np.int32), *np.full((2, beam.n), -1)]
        found = self.kept.read()
        if found is not None:
            self.done, arrays = int(found[1]["done"]), found[1]
            self.values, self.losses = arrays["values"], [arrays[f"losses{i}"] for i in range(3)]

    def all(self, advance: Any, show: Any, interrupted: Any) -> bool:
        """Run block after block, or until an interruption: False. The file is brought up to date after each."""
        total = 2 * self.turns * self.blocks
        while self.done < self.beam.n:
            told = partial(_tell, show, 2 * self.turns * (self.done // self.width), total)
            try:
                self.block(advance, told)
            except TrackingInterrupted:
                return False
            if interrupted() and self.done < self.beam.n:
                return False
        show(total, total)
        return True

    def block(self, advance: Any, told: Any) -> None:
        """Both spans of the next particles."""
        which = np.s_[self.done : self.done + self.width]
        beam = advance(Beam(self.beam.coordinates[:, which], self.beam.reference), partial(told, 0))
        first = self.phasors.tunes(beam.records[0].coordinates)
        beam = advance(beam.replaced(), partial(told, self.turns))
        self.values[:, which] = np.concatenate([first, self.phasors.tunes(beam.records[0].coordinates)])
        for whole, name in zip(self.losses, ("code", "turn", "element"), strict=True):
            whole[which] = to_numpy(getattr(beam, f"loss_{name}"))
        self.done = min(self.done + self.width, self.beam.n)
        losses = {f"losses{i}": values for i, values in enumerate(self.losses)}
        self.kept.write(2 * self.turns, {"done": np.array(self.done), "values": self.values, **losses})


def _tell(show: Any, before: int, total: int, earlier: int, done: int, _: int) -> None:
    """Progress of a span as that of the whole."""
    show(before + earlier + done, total)


def _wrapped(change: np.ndarray) -> np.ndarray:
    """Differences of tunes, which are known but for integers."""
    return change - np.round(change)
