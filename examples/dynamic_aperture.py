"""Dynamic aperture of a storage ring, on and off momentum: of the magnets only, and with the vacuum chamber.

    python examples/dynamic_aperture.py [--lattice ring.madx] [--turns 1000] [--angles 25] [--steps 40] [--device cuda]

Particles start on rays from the closed orbit of each momentum, all at once; lost particles are no longer tracked.
Printed and asserted: the area of survival; the saving in turns of lost particles; the linear acceptance as a limit with
the chamber; and the survival of particles near the closed orbit.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt

COLOURS = ("tab:orange", "tab:blue", "tab:green")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--angles", type=int, default=25)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--radius", type=float, nargs=2, default=(0.05, 0.04), help="of the rays, in x and in y [m]")
    parser.add_argument("--chamber", type=float, nargs=2, default=(0.025, 0.008), help="the same with apertures [m]")
    parser.add_argument("--delta", type=float, default=0.02, help="momentum deviation, scanned at both signs")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--picture", type=Path, default=Path("dynamic_aperture.png"))
    arguments = parser.parse_args()
    ring = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring()
    bare = gt.Lattice([e.replaced(aperture=None) for e in ring], ring.reference, name=ring.name, model=ring.model)
    figure, axes = plt.subplots(1, 2, figsize=(12.0, 4.6), layout="constrained")
    cases = ((bare, arguments.radius, "magnets alone"), (ring, arguments.chamber, "with the apertures"))
    for axis, (lattice, radius, title) in zip(axes, cases, strict=True):
        draw(axis, [scanned(lattice, delta, radius, arguments) for delta in momenta(arguments)])
        axis.set_title(f"{ring.name}, {arguments.turns} turns, {title}")
    if not arguments.lattice:
        draw_acceptance(axes[1], ring)
    axes[0].set_ylabel("y from the closed orbit [mm]")
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.picture, dpi=110)
    print(f"picture: {arguments.picture}")


def momenta(arguments: Any) -> tuple[float, float, float]:
    return -arguments.delta, 0.0, arguments.delta


def scanned(ring: gt.Lattice, delta: float, radius: Any, arguments: Any) -> gt.DynamicAperture:
    """One scan, with its assertions."""
    shape = gt.Polar(radius=tuple(radius), steps=arguments.steps, angles=arguments.angles)
    xp = "cupy" if arguments.device == "cuda" else "numpy"
    scan = gt.dynamic_aperture(ring, shape, turns=arguments.turns, delta=delta, xp=xp, progress=True)
    share = scan.particle_turns / (scan.survived.size * arguments.turns)
    print(f"{scan}; {100 * share:.1f} % of the turns were tracked")
    assert scan.connected.reshape(shape.shape)[:, 0].all(), "particles next to the closed orbit survive"
    assert share < 1.0 and scan.area > 0.0
    left = int((~scan.columns["survived"] & (scan.columns["loss_turn"] > 0)).sum())
    assert share <= (scan.survived.sum() + left) / scan.survived.size + 1.0 / arguments.turns, "the lost cost nothing"
    return scan


def draw(axis: Any, scans: list[gt.DynamicAperture]) -> None:
    """Boundaries at all momenta, and turns of loss on momentum."""
    middle = scans[1]
    lost = middle.columns["loss_turn"] >= 0
    x, y = (1e3 * middle.columns[name] for name in ("x", "y"))
    turn = np.log10(middle.columns["loss_turn"][lost] + 1)
    dots = axis.scatter(x[lost], y[lost], c=turn, s=5, cmap="plasma_r", vmin=0.0, vmax=np.log10(middle.turns))
    axis.figure.colorbar(dots, ax=axis, label=r"$\log_{10}$ turn of loss, on momentum", pad=0.01)
    for scan, colour in zip(scans, COLOURS, strict=True):
        label = f"delta = {scan.delta:+g}: {1e6 * scan.area:.0f} mm$^2$"
        axis.plot(*(1e3 * scan.boundary.T), ".-", ms=4, color=colour, label=label)
    axis.set_xlabel("x from the closed orbit [mm]")
    axis.legend(framealpha=0.9, edgecolor="none", fontsize=8, loc="upper right")


def draw_acceptance(axis: Any, ring: gt.Lattice) -> None:
    """Draw and print the linear acceptance of the narrowest gap, for each plane."""
    tw = gt.twiss(ring)
    halves = np.array([e.aperture.rectangle if e.aperture else (np.inf, np.inf) for e in ring])
    ends = [np.maximum(beta[:-1], beta[1:]) for beta in (tw.betx, tw.bety)]
    x, y = (np.sqrt(np.min(halves[:, i] ** 2 / ends[i]) * beta) for i, beta in ((0, tw.betx[0]), (1, tw.bety[0])))
    axis.plot(1e3 * x * np.array([-1, -1, 1, 1]), 1e3 * y * np.array([0, 1, 1, 0]), "k:", label="linear acceptance")
    axis.set_ylim(top=1.5e3 * y)
    print(f"linear acceptance: x {1e3 * x:.2f} mm, y {1e3 * y:.2f} mm")
    shape = gt.Polar(radius=1.1 * float(y), steps=44, angles=(0.5 * np.pi,))
    found = float(gt.dynamic_aperture(ring, shape, turns=100).boundary[0, 1])
    print(f"largest surviving y: {1e3 * found:.2f} mm")
    assert 0.9 * y < found <= 1.05 * y, "the gap of the insertion devices limits y as in linear optics"
    axis.legend(framealpha=0.9, edgecolor="none", fontsize=8, ncols=2, loc="upper center")


if __name__ == "__main__":
    main()
