"""Time per particle and turn in a ring: gputrack compared with MAD-X PTC, xtrack and pyAT.

    python benchmarks/ring.py --lattice esr.madx --particles 64 --turns 4 --slices 10 --peers ptc,xtrack,at
    python benchmarks/ring.py --lattice esr.madx --table1 --fraction 0.001

All codes do the same work: exact drifts, kicks, the fourth-order scheme of Forest and Ruth, the same number of slices
per magnet, in one thread unless stated otherwise. This is verified by the largest difference of coordinates from those
of gputrack with the same splitting of bends (all field in the kicks as in PTC; or exact arcs as in xtrack and pyAT).
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
    """Result: median time per particle and turn, and coordinates."""

    entry: Entry
    microseconds: float
    coordinates: np.ndarray


def measured(entries: list[Entry], particles: int, turns: int, repeats: int) -> list[Row]:
    """Medians; codes alternate, so that all see the same load of the machine."""
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
    """One entry per backend, for `host` one per number of threads; the first one again with exact arcs."""
    counts = [int(n) for n in options.threads.split(",")]
    settings = [(b, n, False) for b in options.backends.split(",") for n in (counts if b == "host" else counts[:1])]
    entries = []
    for backend, threads, arcs in [*settings, (*settings[0][:2], True)]:
        bends = "exact arcs in bends" if arcs else "all field in kicks"
        pool = f", {threads} thread{'s' * (threads > 1)}" if backend == "host" else ""
        setting = f"{backend}{pool}, {bends}"
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


@dataclass(frozen=True)
class Table1:
    """The published workload as measured here: times [s] by name, PTC first.

    Times are extrapolated from `passes` (particles, turns) of PTC and of gputrack; `difference` is the largest
    difference of coordinates from PTC after PTC's turns.
    """

    seconds: dict[str, float]
    passes: tuple[tuple[int, int], tuple[int, int]]
    difference: float


def measure_table1(options: argparse.Namespace, lattice: gt.Lattice, more: int = 1) -> Table1:
    """PTC tracks few particles for several turns, to make setup negligible; gputrack all, for `more` times the turns.

    Medians of rounds in which the codes alternate.
    """
    passes = max(10, round(options.fraction * TABLE1_PARTICLES * TABLE1_TURNS))
    particles = min(TABLE1_PARTICLES, passes // 10)
    turns = passes // particles
    start = start_of(TABLE1_PARTICLES)
    few, work = (Work(options.lattice, lattice, start[:, :n], 10) for n in (particles, TABLE1_PARTICLES))
    runs = {"PTC, measured": (with_ptc(few), particles, turns)}
    for entry in own_entries(work, options)[:-1]:
        runs[f"gputrack {entry.setting}, measured"] = entry.run, TABLE1_PARTICLES, more * turns
    rounds = [{name: run(n) for name, (run, _, n) in runs.items()} for _ in range(options.repeats)]
    seconds = {}
    for name, (_, count, n) in runs.items():
        share = TABLE1_PARTICLES * TABLE1_TURNS / (count * n)
        seconds[name] = share * median(results[name][0] for results in rounds)
    theirs = rounds[0]["PTC, measured"][1]
    own = [run(turns)[1][:, :particles] for name, (run, _, _) in runs.items() if name.startswith("gputrack")]
    difference = max(float(np.abs(one - theirs).max()) for one in own)
    return Table1(seconds, ((particles, turns), (TABLE1_PARTICLES, more * turns)), difference)


def table1(lattice: gt.Lattice, found: Table1) -> str:
    """Table of measured times, and of JuTrack's times by their published ratios to PTC's."""
    (peer, of_peer), *own = found.seconds.items()
    rows = [(peer, of_peer, f"{TABLE1['PTC']:g}")]
    for name, published in list(TABLE1.items())[1:]:
        rows.append((f"{name}, published ratio to its PTC", of_peer * published / TABLE1["PTC"], f"{published:g}"))
    rows += [(name, seconds, "-") for name, seconds in own]
    theirs, ours = found.passes
    total = TABLE1_PARTICLES * TABLE1_TURNS
    lines = [
        heading(),
        f"{lattice.name}: {TABLE1_PARTICLES} particles x {TABLE1_TURNS} turns x 10 slices of order 4, scaled from "
        f"{theirs[0]} x {theirs[1]} by PTC (a fraction of {theirs[0] * theirs[1] / total:g}) and "
        f"{ours[0]} x {ours[1]} by gputrack ({ours[0] * ours[1] / total:g}); medians",
        f"{'code':<56} {'s, whole workload':>18} {'relative to PTC':>16} {'PTC/it':>8} {'published s':>12} (ESR)",
        *(f"{name:<56} {s:>18.5g} {s / of_peer:>16.4g} {of_peer / s:>8.4g} {text:>12}" for name, s, text in rows),
        f"largest difference of coordinates to PTC after {theirs[1]} turn(s): {found.difference:.1e}",
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
    parser.add_argument("--threads", default="1", help="thread counts of backend host, for example 1,2")
    parser.add_argument("--backends", default="host", help="some of host,array,cuda")
    parser.add_argument("--table1", action="store_true", help="the published workload")
    parser.add_argument("--fraction", type=float, default=0.001, help="of the published workload")
    parser.add_argument("--output", type=Path, help="also write the record to this file")
    options = parser.parse_args()
    unknown = set(filter(None, options.peers.split(","))) - set(PEERS)
    if unknown:
        parser.error(f"--peers knows {', '.join(PEERS)}; not {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options = parse()
    lattice = gt.load(options.lattice)
    text = table1(lattice, measure_table1(options, lattice)) if options.table1 else ring(options, lattice)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
