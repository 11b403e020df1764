"""Time per particle and turn around a ring: gputrack beside MAD-X PTC, xtrack and pyAT.

    python benchmarks/ring.py --lattice esr.madx --particles 64 --turns 4 --slices 10 --peers ptc,xtrack,at
    python benchmarks/ring.py --lattice esr.madx --table1 --fraction 0.001

All codes do the same work: exact drifts, kicks, Forest-Ruth's fourth order, so many slices per magnet, in one
thread unless a row says otherwise. The largest coordinate difference to our row with the same splitting of bends
(all field in the kicks as in PTC; or exact arcs as in xtrack and pyAT) shows that they do.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from contenders import PEERS, Run, Work, ours, with_ptc
from machine import heading

import gputrack as gt

SPREAD = np.array([1e-5, 1e-6, 1e-5, 1e-6, 1e-4, 1e-4])  # standard deviations of the start
# The published workload and times [s], from the paper that introduced JuTrack (its table 1): ESR,
# 1000 particles, 1000 turns, 10 slices; PTC and JuTrack with one thread, and JuTrack with 14.
TABLE1 = {"PTC": 5420.7, "JuTrack, 1 thread": 3277.5, "JuTrack, 14 cores": 528.69}
TABLE1_PARTICLES = TABLE1_TURNS = 1000


@dataclass(frozen=True)
class Entry:
    """One code and setting; `arcs`: bends as exact arcs."""

    code: str
    setting: str
    run: Run
    arcs: bool = False


@dataclass(frozen=True)
class Row:
    """What came out: median time per particle and turn, and coordinates."""

    entry: Entry
    microseconds: float
    coordinates: np.ndarray


def measured(entries: list[Entry], particles: int, turns: int, repeats: int) -> list[Row]:
    """Medians; the codes take turns, so that all see the same state of the machine."""
    rounds = [[entry.run(turns) for entry in entries] for _ in range(repeats)]
    rows = []
    for entry, results in zip(entries, zip(*rounds, strict=True), strict=True):
        seconds = median(result[0] for result in results)
        rows.append(Row(entry, 1e6 * seconds / (particles * turns), results[-1][1]))
    return rows


def start_of(particles: int) -> np.ndarray:
    """Reproducible start, (6, particles)."""
    return np.random.default_rng(2024).normal(size=(6, particles)) * SPREAD[:, None]


def own_entries(work: Work, options: argparse.Namespace) -> list[Entry]:
    """One per backend and number of threads, and the first again with exact arcs."""
    settings = [(b, int(n), False) for b in options.backends.split(",") for n in options.threads.split(",")]
    entries = []
    for backend, threads, arcs in [*settings, (*settings[0][:2], True)]:
        bends = "exact arcs in bends" if arcs else "all field in kicks"
        setting = f"{backend}, {threads} thread{'s' * (threads > 1)}, {bends}"
        entries.append(Entry("gputrack", setting, ours(work, backend, threads, arcs), arcs))
    return entries


def peer_entries(work: Work, options: argparse.Namespace) -> list[Entry]:
    entries = []
    for name in filter(None, options.peers.split(",")):
        code, setting, arcs, prepare = PEERS[name]
        try:
            entries.append(Entry(code, setting, prepare(work), arcs))
        except pytest.skip.Exception:
            print(f"{code} is not installed")
    return entries


def table(rows: list[Row]) -> str:
    twins = {row.entry.arcs: row for row in reversed(rows) if row.entry.code == "gputrack"}
    lines = [f"{'code':<10} {'setting':<58} {'us/particle/turn':>16} {'ratio to us':>12} {'difference':>11}"]
    for row in rows:
        entry, twin = row.entry, twins[row.entry.arcs]
        difference = np.abs(row.coordinates - twin.coordinates).max()
        ratio = row.microseconds / twin.microseconds
        lines.append(
            f"{entry.code:<10} {entry.setting:<58} {row.microseconds:>16.4g} {ratio:>12.3g} {difference:>11.1e}"
        )
    return "\n".join(lines)


def ring(options: argparse.Namespace, lattice: gt.Lattice) -> str:
    work = Work(options.lattice, lattice, start_of(options.particles), options.slices)
    title = (
        f"{lattice.name}: {len(lattice)} elements, {options.particles} particles, {options.turns} turns, "
        f"{options.slices} slices of order 4; median of {options.repeats}"
    )
    entries = own_entries(work, options) + peer_entries(work, options)
    rows = measured(entries, options.particles, options.turns, options.repeats)
    return "\n".join([heading(), title, table(rows)])


def table1(options: argparse.Namespace, lattice: gt.Lattice) -> str:
    """The published workload, or a fraction of it: fewer turns, then fewer particles; times scaled up."""
    passes = max(1, round(options.fraction * TABLE1_PARTICLES * TABLE1_TURNS))
    particles = min(TABLE1_PARTICLES, passes)
    turns = max(1, passes // particles)
    work = Work(options.lattice, lattice, start_of(particles), 10)
    whole = 1e-6 * TABLE1_PARTICLES * TABLE1_TURNS
    (judge,) = measured([Entry("PTC", "", with_ptc(work))], particles, turns, 1)
    rows = [("PTC, measured", whole * judge.microseconds)]
    for name, seconds in list(TABLE1.items())[1:]:
        rows.append((f"{name}, published ratio to its PTC", rows[0][1] * seconds / TABLE1["PTC"]))
    for row in measured(own_entries(work, options)[:-1], particles, turns, options.repeats):
        rows.append((f"gputrack {row.entry.setting}, measured", whole * row.microseconds))
    lines = [
        heading(),
        f"{lattice.name}: {TABLE1_PARTICLES} particles x {TABLE1_TURNS} turns x 10 slices of order 4; measured are "
        f"{particles} x {turns}, a fraction of {particles * turns / (TABLE1_PARTICLES * TABLE1_TURNS):g}",
        f"{'code':<56} {'s, whole workload':>18} {'relative to PTC':>16}",
        *(f"{name:<56} {seconds:>18.5g} {seconds / rows[0][1]:>16.4g}" for name, seconds in rows),
        "published [s]: " + ", ".join(f"{name} {seconds:g}" for name, seconds in TABLE1.items()),
    ]
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, required=True)
    parser.add_argument("--particles", type=int, default=64)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", default="", help="some of ptc,xtrack,at")
    parser.add_argument("--threads", default="1", help="thread counts, for example 1,2")
    parser.add_argument("--backends", default="host", help="some of host,array,cuda")
    parser.add_argument("--table1", action="store_true", help="the published workload")
    parser.add_argument("--fraction", type=float, default=0.001, help="of the published workload")
    parser.add_argument("--output", type=Path, help="write the record here, too")
    options = parser.parse_args()
    unknown = set(filter(None, options.peers.split(","))) - set(PEERS)
    if unknown:
        parser.error(f"--peers knows {', '.join(PEERS)}; not {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options = parse()
    lattice = gt.load(options.lattice)
    text = table1(options, lattice) if options.table1 else ring(options, lattice)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
