"""Picture of a tracking run."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from gputrack.base.arrays import to_numpy
from gputrack.beam.beam import Beam
from gputrack.elements.symbol import BLUE
from gputrack.lattice.lattice import Lattice
from gputrack.optics import Twiss
from gputrack.optics.plotting import beta_functions, losses, strip

_AXES = {
    "x": (0, 1e3, "x [mm]"), "px": (1, 1e3, "px [1e-3]"), "y": (2, 1e3, "y [mm]"),
    "py": (3, 1e3, "py [1e-3]"), "z": (4, 1e3, "z [mm]"), "delta": (5, 1e2, "delta [%]"),
}  # fmt: skip


def phase_space(axes: Axes, beam: Beam, horizontal: str, vertical: str) -> None:
    """Density of the survivors over two coordinates, given by name."""
    coordinates = to_numpy(beam.coordinates)[:, to_numpy(beam.alive)]
    (i, a, label_a), (j, b, label_b) = _AXES[horizontal], _AXES[vertical]
    if coordinates.shape[1]:
        style: Any = dict(gridsize=45, mincnt=1, norm=LogNorm(), cmap="viridis", linewidths=0.1)
        axes.hexbin(a * coordinates[i], b * coordinates[j], **style)
    axes.set_xlabel(label_a)
    axes.set_ylabel(label_b)


def acceptance(axes: Axes, before: Beam, after: Beam) -> None:
    """Initial positions in x and y: survivors in grey, lost particles coloured by turn of loss."""
    x, y = 1e3 * to_numpy(before.x), 1e3 * to_numpy(before.y)
    lost = to_numpy(after.lost)
    axes.plot(x[~lost], y[~lost], ".", ms=1.2, color="#b8c0c8", rasterized=True)
    if lost.any():
        turn = to_numpy(after.loss_turn)[lost] - before.turn + 1
        dots = axes.scatter(x[lost], y[lost], c=turn, s=3, cmap="plasma", norm=LogNorm(), rasterized=True)
        axes.figure.colorbar(dots, ax=axes, label="turn of loss", pad=0.02)
    axes.set_xlabel("x at the start [mm]")
    axes.set_ylabel("y at the start [mm]")


def survival(axes: Axes, beam: Beam, first: int, turns: int) -> None:
    """Fraction of surviving particles after each turn."""
    turn = np.sort(to_numpy(beam.loss_turn)[to_numpy(beam.lost)]) - first + 1
    alive = 1.0 - np.arange(len(turn) + 1) / beam.n
    axes.step([*np.concatenate([[0], turn]), turns], 100.0 * np.append(alive, alive[-1]), where="post", color=BLUE)
    axes.set_xlim(0.9, max(turns, 2))
    axes.set_xscale("log")
    axes.set_xlabel("turn")
    axes.set_ylabel("survivors [%]")
    axes.grid(alpha=0.3)


def run_figure(lattice: Lattice, optics: Twiss, before: Beam, after: Beam, title: str, end: float) -> Figure:
    """Summary of a run: optics up to `end` [m], phase space of survivors, losses."""
    figure = Figure(figsize=(13.0, 10.0), layout="constrained")
    grid: Any = figure.add_gridspec(4, 6, height_ratios=(0.16, 0.8, 1.15, 1.0))
    top = figure.add_subplot(grid[1, :])
    strip(figure.add_subplot(grid[0, :], sharex=top), lattice)
    beta_functions(top, optics, lattice, end)
    top.set_xlabel("s [m]")
    for column, pair in enumerate((("x", "px"), ("y", "py"), ("z", "delta"))):
        phase_space(figure.add_subplot(grid[2, 2 * column : 2 * column + 2]), after, *pair)
    acceptance(figure.add_subplot(grid[3, :2]), before, after)
    losses(figure.add_subplot(grid[3, 2:4]), lattice, after)
    survival(figure.add_subplot(grid[3, 4:]), after, before.turn, after.turn - before.turn)
    figure.suptitle(title)
    return figure
