"""Tracking time of 1000 particles, 1000 turns, 10 slices per magnet: PTC, gputrack and published times.

    python examples/table1.py [--lattice esr.madx] [--fraction 0.0005] [--device cuda] [--picture table1.png]

The workload is that of table 1 of the paper that introduced JuTrack (EIC's electron storage ring; PTC 5420.7 s, JuTrack
3277.5 s with one thread and 528.69 s with 14). PTC would take hours: only a fraction is run, and times are
extrapolated, for gputrack from all particles and as many turns. Times on other machines are given by their ratio to PTC
there. Both codes do the same work (drift-kick, order 4, exact Hamiltonian), as verified by their coordinates. Needs
cpymad.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from ring import TABLE1, Table1, measure_table1, table1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X file; default: the bundled ring")
    parser.add_argument("--fraction", type=float, default=0.0005, help="of the workload, by PTC")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: a GPU's row as well")
    parser.add_argument("--picture", type=Path, default=Path("table1.png"))
    arguments = parser.parse_args()
    if arguments.lattice and arguments.lattice.suffix == ".json":
        parser.error(f"--lattice {arguments.lattice}: PTC reads MAD-X files only")
    if not 0.0 < arguments.fraction <= 1.0:
        parser.error(f"--fraction must be above 0 and at most 1, got {arguments.fraction:g}")
    ring = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring().with_changes("rf", voltage=0.0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    arguments.threads = "1" if cores == 1 else f"1,{cores}"
    arguments.backends = "host,cuda" if arguments.device == "cuda" else "host"
    found = measure_table1(arguments, ring)
    print(table1(ring, found))
    if arguments.device == "cpu":
        print("no row for a GPU: --device cuda adds it")
    # the two codes round differently: in z, the difference of two paths, digits of the circumference, turn by turn
    turns = found.passes[0][1]
    assert found.difference <= 2.0 * np.finfo(float).eps * ring.length * turns, "the codes do not do the same work"
    draw(ring, found, arguments.picture)
    print(f"picture: {arguments.picture}")


def draw(ring: gt.Lattice, found: Table1, picture: Path) -> None:
    """Draw the times of the whole workload as bars."""
    (_, of_ptc), *own = found.seconds.items()
    bars = [("MAD-X PTC\n(scaled from a fraction)", of_ptc, "#d9730d")]
    for name, seconds in list(TABLE1.items())[1:]:
        bars.append(
            (
                f"{name} (published:\n{seconds:g} s where PTC took {TABLE1['PTC']:g} s)",
                of_ptc * seconds / TABLE1["PTC"],
                "0.6",
            )
        )
    for name, seconds in own:
        backend, threads, *_ = name.removeprefix("gputrack ").split(", ")
        where = "GPU" if backend == "cuda" else threads
        bars.append((f"gputrack, {where}\n(scaled from a fraction)", seconds, "#1f5fa8"))
    figure, axis = plt.subplots(figsize=(10.0, 0.6 * len(bars) + 1.4), layout="constrained")
    names, seconds, colours = zip(*bars, strict=True)
    drawn = axis.barh(range(len(bars)), seconds, color=colours)
    axis.set_yticks(range(len(bars)), names)
    axis.invert_yaxis()
    texts = [f" {s:,.0f} s" + (f":  {of_ptc / s:,.3g} times faster" if s < of_ptc else "") for s in seconds]
    axis.bar_label(drawn, texts)
    axis.set(xscale="log", xlabel="time [s]", xlim=(0.3 * min(seconds), 6.0 * max(seconds)))
    axis.set_title(f"{ring.name}: 1000 particles, 1000 turns, 10 slices per magnet")
    axis.spines[["top", "right"]].set_visible(False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
