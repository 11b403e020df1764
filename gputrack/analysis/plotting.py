"""Pictures of dynamic apertures and frequency maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from gputrack.analysis.starting_points import Grid
from gputrack.elements.symbol import BLUE, GREY
from gputrack.optics.plotting import losses

if TYPE_CHECKING:
    from gputrack.analysis.dynamic_aperture import DynamicAperture
    from gputrack.analysis.frequency_map import FrequencyMap

SURVIVOR, ORDER = "#cfe3d4", 5


def aperture_figure(scan: DynamicAperture) -> Figure:
    """Survivors, boundary and turn of loss over initial positions; below, the places of loss in the ring."""
    figure = Figure(figsize=(9.0, 7.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(1.0, 0.4))
    _survival(top, scan)
    losses(bottom, scan.lattice, scan.beam)
    bottom.set_ylabel("particles lost")
    figure.suptitle(
        f"{scan.lattice.name}, {scan.turns} turns, delta = {scan.delta:g}: "
        f"{1e6 * scan.area:.4g} mm$^2$, {int(scan.survived.sum())} of {scan.survived.size} particles survive"
    )
    return figure


def _survival(axes: Axes, scan: DynamicAperture) -> None:
    columns = scan.columns
    x, y = 1e3 * columns["x"], 1e3 * columns["y"]
    lost = columns["loss_turn"] >= 0
    size = _marker(scan)
    axes.scatter(x[scan.survived], y[scan.survived], s=size, color=SURVIVOR, label="survives")
    if scan.given_up.any():
        where = scan.given_up
        axes.scatter(x[where], y[where], s=0.15 * size, color="#b8c0c8", label="beyond a lost particle")
    if lost.any():
        turn = columns["loss_turn"][lost] + 1
        limits = LogNorm(1, max(scan.turns, 2))
        dots = axes.scatter(x[lost], y[lost], c=turn, s=0.5 * size, cmap="plasma_r", norm=limits)
        axes.figure.colorbar(dots, ax=axes, label="turn of loss", pad=0.02)
    _boundary(axes, scan)
    axes.plot(0.0, 0.0, "+", color="black")
    axes.set_xlabel("x from the closed orbit [mm]")
    axes.set_ylabel("y from the closed orbit [mm]")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2)


def _boundary(axes: Axes, scan: DynamicAperture) -> None:
    """Line through the last survivors of the rays, or the edge of the connected survivors of a grid."""
    style: Any = dict(color=BLUE, lw=1.6)
    if not isinstance(scan.shape, Grid):
        axes.plot(*(1e3 * scan.boundary.T), ".-", label="boundary", **style)
    elif min(scan.shape.shape) > 1:
        x, y = (1e3 * values for values in scan.shape.axes)
        axes.contour(x, y, scan.connected.reshape(scan.shape.shape).astype(float), [0.5], colors=BLUE, linewidths=1.6)
        axes.plot([], [], label="boundary", **style)


def _marker(scan: DynamicAperture | FrequencyMap) -> float:
    """Area of markers [pt^2] that nearly fill the space between particles."""
    return min(60.0, 9e4 / math.prod(scan.shape.shape))


def frequency_figure(scan: FrequencyMap) -> Figure:
    """Diffusion over initial positions (left) and over tunes with resonance lines (right)."""
    figure = Figure(figsize=(12.0, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    columns, fine = scan.columns, np.isfinite(scan.diffusion)
    colour = scan.diffusion[fine]
    low, high = (np.percentile(colour, (1.0, 99.0)) if colour.size else (-10.0, -2.0))
    style: Any = dict(c=colour, cmap="turbo", vmin=low, vmax=max(high, low + 1e-9))
    if isinstance(scan.shape, Grid) and min(scan.shape.shape) > 1:
        colours = scan.diffusion.reshape(scan.shape.shape)
        axes = [1e3 * values for values in scan.shape.axes]
        left.pcolormesh(*axes, colours, shading="nearest", **{name: style[name] for name in ("cmap", "vmin", "vmax")})
    else:
        left.scatter(1e3 * columns["x"][fine], 1e3 * columns["y"][fine], s=_marker(scan), **style)
    left.set(xlabel="x from the closed orbit [mm]", ylabel="y from the closed orbit [mm]")
    dots = right.scatter(columns["qx"][fine], columns["qy"][fine], s=4.0, **style)
    figure.colorbar(dots, ax=right, label=r"diffusion $\log_{10}\sqrt{\Delta Q_x^2 + \Delta Q_y^2}$", pad=0.02)
    right.plot(scan.qx, scan.qy, "+", color="black", ms=12)
    _around(right, scan, fine)
    _resonances(right)
    right.set(xlabel="$Q_x$", ylabel="$Q_y$")
    figure.suptitle(f"{scan.lattice.name}, twice {scan.turns} turns, delta = {scan.delta:g}")
    return figure


def _around(axes: Axes, scan: FrequencyMap, fine: np.ndarray) -> None:
    """Set limits that contain most tunes; a few chaotic particles may be outside."""
    for own, tune, setter in ((scan.qx, scan.values[0], axes.set_xlim), (scan.qy, scan.values[1], axes.set_ylim)):
        ends = np.percentile(tune[fine], (2.0, 98.0)).tolist() if fine.any() else []
        low, high = min([own, *ends]), max([own, *ends])
        space = max(0.15 * (high - low), 1e-4)
        setter(low - space, high + space)


def _resonances(axes: Axes) -> None:
    """Lines m Qx + n Qy = integer up to order `ORDER` within the limits, thinner for higher orders."""
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    corners = [(x, y) for x in (x0, x1) for y in (y0, y1)]
    labels: list[tuple[float, float]] = []
    for m, n in _orders():
        sums = [m * x + n * y for x, y in corners]
        for whole in range(math.ceil(min(sums)), math.floor(max(sums)) + 1):
            style: Any = dict(color=GREY, lw=2.2 / (m + abs(n)), zorder=0)
            if n:
                ends = np.array([x0, x1])
                axes.plot(ends, (whole - m * ends) / n, **style)
            else:
                axes.axvline(whole / m, **style)
            _label(axes, m, n, whole, labels)
    axes.set(xlim=(x0, x1), ylim=(y0, y1))


def _orders() -> list[tuple[int, int]]:
    """Pairs (m, n) without common divisor, m >= 0, of distinct lines."""
    pairs = [(m, n) for m in range(ORDER + 1) for n in range(-ORDER, ORDER + 1) if 0 < m + abs(n) <= ORDER]
    lines = [(m, n) for m, n in pairs if math.gcd(m, n) == 1 and (m > 0 or n > 0)]
    return sorted(lines, key=lambda line: line[0] + abs(line[1]))


def _label(axes: Axes, m: int, n: int, whole: int, labels: list[tuple[float, float]]) -> None:
    """Label a line (m, n) where it crosses the upper or the right edge, unless another label is near."""
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    if m and x0 < (whole - n * y1) / m < x1:
        place, side = ((whole - n * y1) / m, y1), "center"
    elif n and y0 < (whole - m * x1) / n < y1:
        place, side = (x1, (whole - m * x1) / n), "right"
    else:
        return
    here = ((place[0] - x0) / (x1 - x0), (place[1] - y0) / (y1 - y0))
    if all(max(abs(here[0] - x), 1.5 * abs(here[1] - y)) > 0.075 for x, y in labels):
        labels.append(here)
        axes.annotate(f"({m},{n})", place, ha=side, va="bottom", fontsize=7, color=GREY)
