"""Codes to compare: each is prepared, warmed up, then run for a number of turns.

A contender is a function ``run(turns) -> (seconds, coordinates)``: time for `turns` turns of all particles
without setup and compilation, and coordinates (6, n) in our convention.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from timing import less_setup

import gputrack as gt
from gputrack.base.arrays import to_numpy

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from support.peers import at_peer, processes, ptc, xtrack_peer
from support.peers.madx_text import source

Run = Callable[[int], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Work:
    """Task of all codes: track `coordinates` through `lattice` by drift-kick of order 4; no path: the bundled ring."""

    path: Path | None
    lattice: gt.Lattice
    coordinates: np.ndarray
    slices: int

    def tracked(self, arcs: bool) -> gt.Lattice:
        """Lattice with the equivalents of the other codes' integrators.

        Bends are split into drifts in the curved frame and kicks (PTC's model 1), or with `arcs` into exact arcs
        and kicks of their gradients (xtrack, pyAT).
        """
        kicks = gt.Model(integrator=gt.DriftKick(order=4, slices=self.slices))
        bends = gt.Model(integrator=gt.MatrixKick(order=4, slices=self.slices)) if arcs else kicks
        curved = (gt.SectorBend, gt.RectangularBend)
        elements = (e.replaced(model=bends) if isinstance(e, curved) else e for e in self.lattice)
        return gt.Lattice(elements, self.lattice.reference, name=self.lattice.name, model=kicks)


def ours(work: Work, backend: str, threads: int, arcs: bool = False) -> Run:
    lattice = work.tracked(arcs)
    beam = gt.Beam(work.coordinates, lattice.reference)
    beam = beam.to_device("cupy") if backend == "cuda" else beam

    def once(turns: int) -> tuple[float, np.ndarray]:
        start = time.perf_counter()
        out = gt.track(lattice, beam, turns=turns, backend=backend, threads=threads)
        return time.perf_counter() - start, to_numpy(out.coordinates)

    once(1)

    def run(turns: int) -> tuple[float, np.ndarray]:
        """Run without lowering of the lattice."""
        return less_setup(once, turns)[0], once(turns)[1]

    return run


def with_ptc(work: Work) -> Run:
    """MAD-X PTC, which reads the file itself if there is one; without setup, as for gputrack."""
    reference = work.lattice.reference
    layout = ptc.Layout(exact=True, model=1, method=4, nst=work.slices)
    madx = processes.madx(source(work.lattice, work.path and work.path.resolve()))
    madx.input(f"{ptc.beam_text(reference)} use, sequence={work.lattice.name if work.path else 'ring'};")
    ptc.create(madx, layout, full_field=False)

    def once(turns: int) -> tuple[float, np.ndarray]:
        start = time.perf_counter()
        out = ptc.run(madx, work.coordinates, reference, layout.time, turns=turns)
        seconds = time.perf_counter() - start
        madx.input("ptc_track_end;")
        return seconds, out

    def run(turns: int) -> tuple[float, np.ndarray]:
        seconds, out = less_setup(once, turns)
        return seconds, out[turns - 1]

    return run


def with_xtrack(work: Work) -> Run:
    line = xtrack_peer.line_of(work.lattice, work.lattice.reference, order=4, slices=work.slices)

    def run(turns: int) -> tuple[float, np.ndarray]:
        particles = xtrack_peer.particles_of(work.coordinates, work.lattice.reference)
        start = time.perf_counter()
        with xtrack_peer.compiling():
            line.track(particles, num_turns=turns)
        return time.perf_counter() - start, xtrack_peer.coordinates_of(particles)

    run(1)
    return run


def with_at(work: Work) -> Run:
    at = at_peer.module()
    reference = work.lattice.reference
    ring = at_peer.lattice_of(work.lattice, reference, work.slices)
    warm = at_peer.rows_of(work.coordinates)
    at.lattice_track(ring, warm, nturns=1, refpts=None, in_place=True)

    def run(turns: int) -> tuple[float, np.ndarray]:
        rows = at_peer.rows_of(work.coordinates)
        start = time.perf_counter()
        at.lattice_track(ring, rows, nturns=turns, refpts=None, in_place=True, keep_lattice=True)
        seconds = time.perf_counter() - start
        return seconds, at_peer.coordinates_of(rows, reference, turns * work.lattice.length)

    return run


#: name of a peer -> (title, setting, whether bends are arcs, function that prepares it)
PEERS: dict[str, tuple[str, str, bool, Callable[[Work], Run]]] = {
    "ptc": ("MAD-X PTC", "model=1 method=4 exact time", False, with_ptc),
    "xtrack": ("xtrack", "drift-kick-drift-exact, rot-kick-rot; yoshida-4", True, with_xtrack),
    "at": ("pyAT", "ExactMultipolePass, ExactSectorBendPass; solenoids linear", True, with_at),
}
