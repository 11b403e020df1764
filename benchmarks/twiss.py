"""Twiss parameters, without and with chromaticities, beside MAD-X, xtrack and pyAT, in one run.

    python benchmarks/twiss.py --peers madx,xtrack,at [--lattice ../shared/lattices/esr.madx]

The ring is 100 FODO cells of 10 elements, 700 of them thick magnets; with --lattice, a file, on our side and in MAD-X.
Each code has the ring ready; times are medians over repeated calls. Tunes and chromaticities are printed beside them.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import heading

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from peers import at_optics, at_peer, ptc, xtrack_peer

CELLS = 100
Figures = tuple[float, float, float, float]


def fodo() -> gt.Lattice:
    """100 cells, 1000 elements: 200 bends, 200 quadrupoles, 300 sextupoles, 300 drifts."""
    d = gt.Drift("d", length=0.8)
    b = gt.SectorBend("b", length=2.0, angle=math.pi / CELLS)
    qf, qd = gt.Quadrupole("qf", length=0.5, k1=0.33), gt.Quadrupole("qd", length=0.5, k1=-0.33)
    sf, sd = gt.Sextupole("sf", length=0.2, k2=3.0), gt.Sextupole("sd", length=0.2, k2=-5.0)
    cell = [qf, sf, d, b, sd, qd, sd, d, b, d]
    return gt.Lattice(cell * CELLS, gt.ReferenceParticle.electron(total=3e9), name="fodo")


def madx_text(lattice: gt.Lattice) -> str:
    """The FODO ring for MAD-X."""
    cell = [lattice[i] for i in range(10)]
    lines = []
    for element in {e.name: e for e in cell}.values():
        kind = {"SectorBend": "sbend"}.get(type(element).__name__, type(element).__name__.lower())
        more = "".join(f", {p}={getattr(element, p)!r}" for p in ("angle", "k1", "k2") if getattr(element, p, 0.0))
        lines.append(f"{element.name}: {kind}, l={element.length!r}{more};")
    names = ", ".join(e.name for e in cell)
    return "\n".join([*lines, f"cell: line=({names}); ring: line=({CELLS}*cell);"])


def ours(lattice: gt.Lattice) -> tuple[Callable[[], Figures], Callable[[], Figures]]:
    def linear() -> Figures:
        tw = gt.twiss(lattice)
        return tw.qx, tw.qy, math.nan, math.nan

    def chromatic() -> Figures:
        tw = gt.twiss(lattice)
        return tw.qx, tw.qy, tw.dqx, tw.dqy

    return linear, chromatic


def madx(lattice: gt.Lattice, path: Path | None) -> tuple[Callable[[], Figures], Callable[[], Figures]]:
    text = madx_text(lattice) + ptc.beam_text(lattice.reference) + "use, period=ring;"
    session = ptc.start(f'call, file="{path}"; use, sequence={lattice.name};' if path else text)

    def run(chrom: bool) -> Figures:
        session.input(f"twiss, chrom={str(chrom).lower()};")
        s = session.table.summ
        return s.q1[0], s.q2[0], s.dq1[0] if chrom else math.nan, s.dq2[0] if chrom else math.nan

    return lambda: run(False), lambda: run(True)


def xtrack_line(lattice: gt.Lattice) -> Any:
    """A line with xtrack's default models, ready to track."""
    xt, own = xtrack_peer.module(), []
    for e in lattice:
        match e:
            case gt.SectorBend() if not (e.e1 or e.e2 or e.k2):
                own.append(xt.Bend(length=e.length, angle=e.angle, k1=e.k1))
            case gt.Quadrupole():
                own.append(xt.Quadrupole(length=e.length, k1=e.k1))
            case gt.Sextupole():
                own.append(xt.Sextupole(length=e.length, k2=e.k2))
            case _:
                own.append(xtrack_peer.element_of(e))
    with xtrack_peer.compiling():
        line = xt.Line(elements=own)
        reference = lattice.reference
        line.particle_ref = xt.Particles(mass0=reference.mass, q0=reference.charge, p0c=reference.p0c)
        line.build_tracker()
    return line


def xtrack(lattice: gt.Lattice) -> tuple[Callable[[], Figures], Callable[[], Figures]]:
    line = xtrack_line(lattice)

    def run(chrom: bool) -> Figures:
        with xtrack_peer.compiling():
            tw = line.twiss4d(compute_chromatic_properties=chrom)
        return tw.qx, tw.qy, tw.dqx if chrom else math.nan, tw.dqy if chrom else math.nan

    return lambda: run(False), lambda: run(True)


def at(lattice: gt.Lattice) -> tuple[Callable[[], Figures], Callable[[], Figures]]:
    module, ring = at_peer.module(), at_optics.ring_of(lattice, lattice.reference)
    places = np.arange(len(ring) + 1)

    def run(chrom: bool) -> Figures:
        _, ringdata, optics = module.get_optics(ring, places, get_chrom=chrom)
        qx, qy = optics.mu[-1, :2] / (2.0 * math.pi)
        return (qx, qy, *(ringdata.chromaticity[:2] if chrom else (math.nan, math.nan)))

    return lambda: run(False), lambda: run(True)


def milliseconds(call: Callable[[], Figures], repeats: int) -> tuple[float, Figures]:
    found, times = call(), []
    for _ in range(repeats):
        start = time.perf_counter()
        found = call()
        times.append(1e3 * (time.perf_counter() - start))
    return median(times), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="", help="some of madx,xtrack,at")
    parser.add_argument("--lattice", type=Path, help="MAD-X file")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, help="write the record here, too")
    options = parser.parse_args()
    ring = gt.load(options.lattice) if options.lattice else fodo()
    codes = {"gputrack": ours(ring)}
    for name in filter(None, options.peers.split(",")):
        codes[name] = madx(ring, options.lattice) if name == "madx" else {"xtrack": xtrack, "at": at}[name](ring)
    lines = [heading(), f"{ring.name}: {len(ring)} elements; medians of {options.repeats} calls"]
    lines.append(f"{'code':<10} {'linear [ms]':>12} {'with dq [ms]':>13} {'qx':>12} {'qy':>12} {'dqx':>10} {'dqy':>10}")
    for name, (linear, chromatic) in codes.items():
        first, _ = milliseconds(linear, options.repeats)
        second, (qx, qy, dqx, dqy) = milliseconds(chromatic, options.repeats)
        lines.append(f"{name:<10} {first:>12.3g} {second:>13.3g} {qx:>12.6f} {qy:>12.6f} {dqx:>10.4f} {dqy:>10.4f}")
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
