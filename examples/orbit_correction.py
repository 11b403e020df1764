"""Correct the closed orbit of a storage ring with displaced quadrupoles, by the exact response of the orbit.

    python examples/orbit_correction.py [--rms 30e-6] [--seed 3] [--picture examples/pictures/orbit_correction.png]

All 120 quadrupoles have random offsets. There are 60 monitors and 40 correctors in each plane; the complete response is
computed in one call from the matrices about the closed orbit, including sextupoles and the cavity. Since it is exact
and updated at each orbit, the correction is Newton's method.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rms", type=float, default=30e-6, help="of the offsets [m]")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--picture", type=Path, default=Path("orbit_correction.png"))
    arguments = parser.parse_args()
    ring = displaced(gt.demo_ring(), arguments.rms, arguments.seed)
    correctors = ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)
    response = gt.orbit_response(ring, correctors, "bpm.*")
    print(response)
    check_response(ring, response)

    found = gt.correct_orbit(ring, correctors, "bpm.*")
    print(found)
    print("rms of each step [m]:", ", ".join(f"{rms:.4e}" for rms in found.history))
    assert found.history[-1] < 0.1 * found.history[0], "at most a tenth of the orbit remains"
    assert abs(found.history[3] - found.history[-1]) < 1e-3 * found.history[-1], "three steps suffice"

    few = gt.correct_orbit(ring, correctors, "bpm.*", singular_values=gt.Strongest(20))
    most = 0.7 * float(np.abs(found.values).max())
    bound = gt.correct_orbit(ring, correctors, "bpm.*", bounds=(-most, most))
    print(f"20 singular values leave {few.history[-1]:.3e} m rms")
    print(f"kicks below {most:.3g} leave {bound.history[-1]:.3e} m, {len(bound.at_limit)} correctors at their bounds")
    assert found.history[-1] <= min(few.history[-1], bound.history[-1])
    assert bound.at_limit and np.abs(bound.values).max() <= most
    draw(ring, found, few, arguments.picture)
    print(f"picture: {arguments.picture}")


def displaced(ring: gt.Lattice, rms: float, seed: int) -> gt.Lattice:
    """The ring with all quadrupoles displaced in both planes."""
    rng = np.random.default_rng(seed)
    elements = [
        e.replaced(dx=rms * rng.normal(), dy=rms * rng.normal()) if isinstance(e, gt.Quadrupole) else e for e in ring
    ]
    return gt.Lattice(elements, ring.reference, name="displaced ring", model=ring.model)


def check_response(ring: gt.Lattice, response: gt.OrbitResponse) -> None:
    """Compare one column with the difference of closed orbits."""
    knob, step = response.knobs[:1], 1e-7
    ends = [gt.twiss(ring.with_knobs(knob, knob.values + side)) for side in (-step, step)]
    rows = ends[0].rows("bpm.*")
    difference = np.concatenate([getattr(ends[1], p)[rows] - getattr(ends[0], p)[rows] for p in "xy"]) / (2.0 * step)
    error = np.abs(difference - response.matrix[:, 0]).max()
    print(f"largest difference of its first column to that of two closed orbits: {error:.1e} m")
    assert error < 1e-6 * np.abs(difference).max()


def draw(ring: gt.Lattice, found: gt.OrbitCorrection, few: gt.OrbitCorrection, picture: Path) -> None:
    """Draw orbits before and after, kicks, and the effect of the number of singular values."""
    figure = plt.figure(figsize=(12.0, 7.0), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(2.4, 1.0))
    after, before = gt.twiss(found.lattice, at=gt.Slices(4)), gt.twiss(ring, at=gt.Slices(4))
    for row, plane in enumerate("xy"):
        axes = figure.add_subplot(grid[row, 0])
        axes.plot(before.s, 1e3 * getattr(before, plane), color="#b8c0c8", label="before")
        axes.plot(after.s, 1e3 * getattr(after, plane), color="#1f5fa8", label="after")
        axes.set_ylabel(f"{plane} [mm]")
        axes.set_xlim(0.0, ring.length)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right", ncols=2)
    kicks = figure.add_subplot(grid[2, 0])
    s = [ring.s[knob.places[0]] for knob in found.knobs]
    half = len(s) // 2
    for part, plane, color in ((slice(None, half), "x", "#1f5fa8"), (slice(half, None), "y", "#d9730d")):
        place = np.array(s[part]) + (plane == "y")  # side by side
        kicks.vlines(place, 0.0, 1e6 * found.values[part], color=color, label=f"kicks in {plane}")
    kicks.set(xlabel="s [m]", ylabel="[µrad]", xlim=(0.0, ring.length))
    kicks.legend(loc="lower right", ncols=2)
    values = figure.add_subplot(grid[:2, 1])
    values.semilogy(np.arange(1, len(found.singular_values) + 1), found.singular_values, ".")
    values.set(xlabel="number", ylabel="m/rad", title="singular values")
    values.grid(alpha=0.3)
    steps = figure.add_subplot(grid[2, 1])
    for correction, label, mark in ((found, f"{found.kept}", "o"), (few, f"{few.kept}", "s")):
        steps.semilogy(1e6 * np.array(correction.history), f"{mark}-", label=f"{label} singular values")
    steps.set(xlabel="step", ylabel="rms at monitors [µm]")
    steps.xaxis.get_major_locator().set_params(integer=True)
    steps.legend()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
