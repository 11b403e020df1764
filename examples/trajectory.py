"""One electron in a ring for many turns, compared with MAD-X PTC: all six coordinates agree to round-off.

    python examples/trajectory.py [--lattice esr.madx] [--turns 200] [--device cuda] [--picture trajectory.png]

Both codes split magnets in the same way (drift-kick of order 6, ten slices, exact Hamiltonian), so that they differ
only by rounding errors, which accumulate from turn to turn. Needs cpymad.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt
from gputrack.base.arrays import to_numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.peers import processes, ptc
from support.peers.madx_text import source

COORDINATES = ("x [m]", "px", "y [m]", "py", "z [m]", "delta")
AMPLITUDE, DELTA = 1e-4, 1e-4
EPS = float(np.finfo(float).eps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X file; default: the bundled ring")
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--picture", type=Path, default=Path("trajectory.png"))
    arguments = parser.parse_args()
    if arguments.lattice and arguments.lattice.suffix == ".json":
        parser.error(f"--lattice {arguments.lattice}: PTC reads MAD-X files only")
    if arguments.turns < 1:
        parser.error(f"--turns must be at least 1, got {arguments.turns}")
    plain = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring().with_changes("rf", voltage=0.0)
    ring = plain.with_model(gt.Model(integrator=gt.DriftKick(order=6, slices=10)))
    x, y = np.random.default_rng(arguments.seed).uniform(-AMPLITUDE, AMPLITUDE, 2)
    start = np.array([x, 0.0, y, 0.0, 0.0, DELTA])
    ours = tracked(ring, start, arguments.turns, arguments.device)
    theirs = by_ptc(ring, arguments.lattice, start, arguments.turns)
    report(ring, ours, theirs)
    draw(ring, ours, theirs, arguments.picture)
    print(f"picture: {arguments.picture}")


def tracked(ring: gt.Lattice, start: np.ndarray, turns: int, device: str) -> np.ndarray:
    """Coordinates (turns, 6) after each turn."""
    marked = gt.Lattice([*ring, gt.Marker("end_of_turn")], ring.reference, name=ring.name, model=ring.model)
    beam = gt.Beam(start[:, None], ring.reference)
    beam = beam.to_device("cupy") if device == "cuda" else beam
    out = gt.track(marked, beam, turns, monitors=[gt.Monitor("end_of_turn")])
    assert not out.n_lost, "the electron survives"
    return np.asarray(to_numpy(out.records[0].coordinates)[:, 0, :, 0])


def by_ptc(ring: gt.Lattice, path: Path | None, start: np.ndarray, turns: int) -> np.ndarray:
    """Coordinates (turns, 6) after each turn by PTC."""
    reference, layout = ring.require_reference(), ptc.Layout(exact=True, model=1, method=6, nst=10, time=True)
    madx = processes.madx(source(ring, path and path.resolve()))
    madx.input(f"{ptc.beam_text(reference)} use, sequence={ring.name if path else 'ring'};")
    ptc.create(madx, layout)
    coordinates = ptc.run(madx, start[:, None], reference, layout.time, turns=turns)
    madx.exit()
    return coordinates[:, :, 0]


def allowed(ring: gt.Lattice, size: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(turns, 6) Limit of accumulated rounding errors, for coordinates of a size (6,).

    Per turn: rounding of the coordinates in thousands of magnets; in rotating frames, of a few numbers near 1
    (cosines); and in z, the difference of two paths around the ring, of the circumference. delta is constant.
    """
    numbers = np.array([4.0, 4.0, 4.0, 4.0, ring.length, 0.0])
    growing = turns[:, None] * (1e-12 * size + EPS * numbers)
    growing[:, 5] = EPS * DELTA
    return growing


def report(ring: gt.Lattice, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Print the largest coordinates and differences; assert that the latter are round-off."""
    turns, size = len(ours), np.abs(theirs).max(axis=0)
    difference = np.abs(ours - theirs)
    largest = difference.max(axis=0)
    print(f"{ring.name}: {len(ring)} elements, {turns} turns, {turns * ring.length / 1e3:.0f} km")
    print(f"{'':>8} {'largest':>10} {'difference':>11} {'relative':>9}")
    for i, name in enumerate(COORDINATES):
        print(f"{name:>8} {size[i]:10.2e} {largest[i]:11.1e} {largest[i] / size[i]:9.0e}")
    assert np.all(difference <= allowed(ring, size, np.arange(1, turns + 1))), "the codes differ by more than rounding"


def draw(ring: gt.Lattice, ours: np.ndarray, theirs: np.ndarray, picture: Path) -> None:
    """Draw each coordinate of both codes in the first turns, and the differences in all turns below."""
    figure = plt.figure(figsize=(13.0, 8.4), layout="constrained")
    halves = figure.subfigures(2, 1)
    turns = np.arange(1, len(ours) + 1)
    limits = allowed(ring, np.abs(theirs).max(axis=0), turns)
    first = turns <= 40
    above, below = (half.subplots(2, 3, sharex=True).ravel() for half in halves)
    halves[0].suptitle(f"{ring.name}, {len(ring)} elements: one electron, turn by turn (first {first.sum()} turns)")
    halves[1].suptitle(f"distance between the two codes over all {len(turns)} turns")
    for i, name in enumerate(COORDINATES):
        above[i].plot(
            turns[first], theirs[first, i], "o-", lw=0.5, ms=6, mfc="none", color="#d9730d", label="MAD-X PTC"
        )
        above[i].plot(turns[first], ours[first, i], ".", ms=4, color="#1f5fa8", label="gputrack")
        above[i].set_ylabel(name)
        distance = np.abs(ours - theirs)[:, i]
        below[i].semilogy(turns, np.where(distance > 0.0, distance, np.nan), ".", ms=3, color="#b3202a",
                          label="|gputrack - PTC|")  # fmt: skip
        below[i].semilogy(turns, limits[:, i], "k--", lw=1, label="round-off, as asserted")
        below[i].axhline(np.abs(theirs[:, i]).max(), color="#1f5fa8", label="largest value of the coordinate")
        below[i].set_ylabel(name)
        below[i].set_ylim(1e-21 if i == 5 else 1e-19, 30.0 * np.abs(theirs[:, i]).max())
        below[i].grid(alpha=0.3)
    above[5].ticklabel_format(axis="y", useOffset=False)
    above[5].set_ylim(0.0, 1.5 * DELTA)
    above[5].legend(loc="upper right", fontsize=9)
    below[5].legend(loc="center right", fontsize=9)
    for axis in (*above[3:], *below[3:]):
        axis.set_xlabel("turn")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=90)


if __name__ == "__main__":
    main()
