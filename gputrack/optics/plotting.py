"""Plots by matplotlib, without a window; functions draw into given axes or return figures."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gputrack.base.arrays import to_numpy
from gputrack.base.errors import InputError
from gputrack.beam.beam import Beam
from gputrack.elements.symbol import BLUE, GREEN, ORANGE, RED
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.places import Slices

if TYPE_CHECKING:
    from gputrack.optics.driving.result import DrivingTerms
    from gputrack.optics.linear.twiss_columns import Twiss


def losses(axes: Axes, lattice: Lattice, beam: Beam) -> None:
    """Plot lost particles over the position of the element in which they were lost."""
    places = to_numpy(beam.loss_element)[to_numpy(beam.lost)]
    found, counts = np.unique(places[places >= 0], return_counts=True)
    s = lattice.s
    axes.vlines(s[found], 0.0, counts, color=RED, lw=2.0)
    top = max(counts, default=1)
    above: Any = dict(xytext=(1, 3), textcoords="offset points", rotation=40, fontsize=7)
    for place, count in zip(found, counts, strict=True):
        if count >= 0.05 * top:
            axes.annotate(lattice[int(place)].name, (s[place], count), **above)
    axes.set_xlim(-0.03 * lattice.length, 1.03 * lattice.length)
    axes.set_ylim(0.0, 1.2 * top)
    axes.set_xlabel("s [m]")
    axes.set_ylabel("particles lost")


def _smooth(optics: Twiss) -> Twiss:
    """Optics with additional rows inside elements, for smooth curves."""
    return optics.refined(Slices(8, longest=float(optics.s[-1]) / 1500.0)) if optics.whole is None else optics


def beta_functions(axes: Axes, optics: Twiss, lattice: Lattice, end: float | None = None) -> None:
    """Plot beta_x, beta_y and ten times the dispersion, up to a position [m]."""
    fine = _smooth(optics)
    for values, color, label in (
        (fine.betx, BLUE, r"$\beta_x$"), (fine.bety, ORANGE, r"$\beta_y$"), (10.0 * fine.dx, GREEN, r"$10\,D_x$"),
    ):  # fmt: skip
        axes.plot(fine.s, values, color=color, label=label)
    axes.set_xlim(0.0, end or lattice.length)
    axes.set_ylabel("[m]")
    axes.legend(ncols=3, frameon=False, loc="upper right", bbox_to_anchor=(1.0, 1.16))
    axes.grid(alpha=0.3)


def strip(axes: Axes, lattice: Lattice) -> None:
    """Draw the lattice as boxes, see `gputrack.elements.symbol`; magnets of negative strength are drawn downwards."""
    for element, s in zip(lattice, lattice.s[:-1], strict=True):
        symbol = element.SYMBOL
        if symbol is None or element.length == 0.0:
            continue
        height, low = symbol.high - symbol.low, symbol.low
        if symbol.sign is not None and getattr(element, symbol.sign) < 0.0:
            low = -symbol.high
        axes.add_patch(Rectangle((s, low), element.arc_length, height, color=symbol.color, lw=0))
    axes.axhline(0.0, color="black", lw=0.6, zorder=0)
    axes.set_ylim(-1.2, 1.2)
    axes.axis("off")


def twiss_figure(optics: Twiss) -> Figure:
    """Drawing of the lattice, beta functions and dispersions from top to bottom, for a lattice or a range of it."""
    figure = Figure(figsize=(12.0, 7.0), layout="constrained")
    grid: Any = figure.add_gridspec(3, 1, height_ratios=(0.14, 1.0, 0.6))
    bottom = figure.add_subplot(grid[2])
    middle = figure.add_subplot(grid[1], sharex=bottom)
    strip(figure.add_subplot(grid[0], sharex=bottom), optics.lattice)
    fine = _smooth(optics)
    for name, color in (("x", BLUE), ("y", ORANGE)):
        middle.plot(fine.s, getattr(fine, f"bet{name}"), color=color, label=rf"$\beta_{name}$")
        bottom.plot(fine.s, getattr(fine, f"d{name}"), color=color, label=rf"$D_{name}$")
    for axes, label in ((middle, r"$\beta$ [m]"), (bottom, "D [m]")):
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend(ncols=2, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0)
    middle.tick_params(labelbottom=False)
    bottom.set_xlim(float(optics.s[0]), float(optics.s[-1]))
    bottom.set_xlabel("s [m]")
    figure.suptitle(f"{optics.lattice.name}: $Q_x$ = {optics.qx:.6g}, $Q_y$ = {optics.qy:.6g}")
    return figure


def driving_figure(terms: DrivingTerms) -> Figure:
    """Drawing of the lattice and |h| along the ring, one panel for each order j + k + l + m and power of delta."""
    groups: dict[tuple[int, int], dict[str, Any]] = {}
    for name in terms:
        size = np.abs(terms.along(name))
        if size.any():
            groups.setdefault((sum(map(int, name[1:5])), int(name[5])), {})[name] = size
    count, tw = max(len(groups), 1), terms.twiss
    figure = Figure(figsize=(12.0, 1.2 + 2.4 * count), layout="constrained")
    grid: Any = figure.add_gridspec(count + 1, 1, height_ratios=(0.2, *[1.0] * count))
    bottom = figure.add_subplot(grid[count])
    strip(figure.add_subplot(grid[0], sharex=bottom), tw.lattice)
    for row, ((order, _), sizes) in enumerate(groups.items(), 1):
        axes = bottom if row == count else figure.add_subplot(grid[row], sharex=bottom)
        for number, (name, size) in enumerate(sizes.items()):
            axes.plot(tw.s, size, lw=1.0, ls="-" if number < 10 else "--", label=name)
        axes.set_ylabel(rf"|h| [m$^{{{1.0 - 0.5 * order:g}}}$]" if order != 2 else "|h|")
        axes.set_ylim(bottom=0.0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        axes.tick_params(labelbottom=row == count)
    bottom.set_xlim(0.0, float(tw.s[-1]))
    bottom.set_xlabel("s [m]")
    figure.align_ylabels()
    figure.suptitle(f"{tw.lattice.name}: $Q_x$ = {tw.qx:.6g}, $Q_y$ = {tw.qy:.6g}")
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file; the suffix determines the format.

    Raises
    ------
    InputError
        The file cannot be written, or the suffix is not that of an image format.
    """
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write the picture {path}: {error}") from error
