"""Weak-strong beam-beam collisions compared with xfields: ns per particle and slice, forward and with the gradient.

    python benchmarks/beam_beam.py [--particles 20000] [--slices 11] [--repeats 7]

The same strong bunch and slices for flat, nearly round and round beams, head on and with a crossing angle; one thread
each. Minima over the repeats. The gradient is that of an emittance with respect to the number of particles, emittances
and beta functions of the strong bunch and to all coordinates: forward run and backward sweep together.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import heading, version

import gputrack as gt

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from support.peers import xfields_peer
from support.peers.xtrack_peer import compiling, module

REFERENCE = gt.ReferenceParticle.electron(total=10e9)
BASE = dict(particles=2e10, charge=-1.0, emit_x=2e-8, beta_x=0.5, beta_y=0.06, sigma_z=0.01)
SHAPES = {"flat, 29:1": 2e-10, "nearly round, 1.2:1": 1.2e-7, "round": 1e-8 / 0.06}


def collisions(slices: int) -> dict[str, gt.BeamBeam]:
    """Collisions to measure."""
    heads = {
        name: gt.BeamBeam("ip", emit_y=emit, slicing=gt.EqualCharge(slices), **BASE) for name, emit in SHAPES.items()
    }
    return heads | {"flat, crossing": heads["flat, 29:1"].replaced(crossing_x=0.025)}


def start_of(element: gt.BeamBeam, n: int) -> np.ndarray:
    """Coordinates of a beam with the size of the strong beam."""
    x, y = math.sqrt(element.emit_x * element.beta_x), math.sqrt(element.emit_y * element.beta_y)
    sizes = [x, 1e-5, y, 1e-5, 0.01, 1e-4]
    return np.random.default_rng(1).normal(size=(6, n)) * np.array(sizes)[:, None]


def fastest(call: Callable[[], Any], repeats: int) -> float:
    """Time [s] of the fastest call, after one that may compile."""
    call()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def ours(element: gt.BeamBeam, start: np.ndarray, repeats: int) -> tuple[float, float]:
    """Times [s] of a forward run, and of value and gradient."""
    line, beam = gt.Lattice([element], REFERENCE), gt.Beam(start, REFERENCE)
    knobs = line.knobs("ip.particles", "ip.emit_x", "ip.emit_y", "ip.beta_x", "ip.beta_y")

    def objective(values: Any) -> Any:
        return gt.track(line.with_knobs(knobs, values), beam, threads=1).emittance("x")

    both = gt.value_and_grad(objective)
    forward = fastest(lambda: gt.track(line, beam, threads=1), repeats)
    return forward, fastest(lambda: both(knobs.values), repeats)


def theirs(element: gt.BeamBeam, start: np.ndarray, repeats: int) -> float:
    """Time [s] of xfields' element on one thread."""
    with compiling():
        collision = xfields_peer.collision_of(element, REFERENCE)
        names = ("x", "px", "y", "py", "zeta", "delta")
        values = dict(zip(names, start, strict=True))
        particles = module().Particles(p0c=REFERENCE.p0c, mass0=REFERENCE.mass, q0=REFERENCE.charge, **values)
        return fastest(lambda: collision.track(particles), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=20_000)
    parser.add_argument("--slices", type=int, default=11)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(heading())
    counts = f"{arguments.particles} particles, {arguments.slices} slices, one thread"
    print(f"xfields {version('xfields')}; {counts}; ns per particle and slice")
    print(f"{'strong bunch':>20} {'forward':>8} {'with gradient':>14} {'xfields':>8} {'xfields/forward':>16}")
    for name, element in collisions(arguments.slices).items():
        start = start_of(element, arguments.particles)
        unit = 1e9 / (arguments.particles * arguments.slices)
        forward, both = ours(element, start, arguments.repeats)
        peer = theirs(element, start, arguments.repeats)
        print(f"{name:>20} {forward * unit:>8.1f} {both * unit:>14.1f} {peer * unit:>8.1f} {peer / forward:>16.1f}")


if __name__ == "__main__":
    main()
