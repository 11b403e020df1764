"""Rings, and the Twiss parameters of each code as calls that return (qx, qy, dqx, dqy), for optics.py."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.peers import at_optics, at_peer, madng, processes, ptc, xtrack_peer

CELLS = 100
Figures = tuple[float, float, float, float]
Calls = tuple[Callable[[], Figures], Callable[[], Figures]]


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


def ours(lattice: gt.Lattice) -> Calls:
    def linear() -> Figures:
        tw = gt.twiss(lattice)
        return tw.qx, tw.qy, math.nan, math.nan

    def chromatic() -> Figures:
        tw = gt.twiss(lattice)
        return tw.qx, tw.qy, tw.dqx, tw.dqy

    return linear, chromatic


def madx(lattice: gt.Lattice, path: Path | None) -> Calls:
    text = madx_text(lattice) + ptc.beam_text(lattice.reference) + "use, period=ring;"
    session = processes.madx(f'call, file="{path.resolve()}"; use, sequence={lattice.name};' if path else text)

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


def xtrack(lattice: gt.Lattice) -> Calls:
    line = xtrack_line(lattice)

    def run(chrom: bool) -> Figures:
        with xtrack_peer.compiling():
            tw = line.twiss4d(compute_chromatic_properties=chrom)
        return tw.qx, tw.qy, tw.dqx if chrom else math.nan, tw.dqy if chrom else math.nan

    return lambda: run(False), lambda: run(True)


def at(lattice: gt.Lattice) -> Calls:
    module, ring = at_peer.module(), at_optics.ring_of(lattice, lattice.reference)
    places = np.arange(len(ring) + 1)

    def run(chrom: bool) -> Figures:
        _, ringdata, optics = module.get_optics(ring, places, get_chrom=chrom)
        qx, qy = optics.mu[-1, :2] / (2.0 * math.pi)
        return (qx, qy, *(ringdata.chromaticity[:2] if chrom else (math.nan, math.nan)))

    return lambda: run(False), lambda: run(True)


def mad_ng(lattice: gt.Lattice) -> Calls:
    """MAD-NG with its default slices; it always computes chromaticities."""
    mad = madng.start(lattice)

    def run(chrom: bool) -> Figures:
        mad.send(f"""
            local found = MAD.twiss {{ sequence=ring, info=0, chrom={str(chrom).lower()} }}
            py:send(found.q1) py:send(found.q2) py:send(found.dq1) py:send(found.dq2)
        """)
        return mad.recv(), mad.recv(), mad.recv(), mad.recv()

    return lambda: run(False), lambda: run(True)
