"""Cost of a gradient: all strengths and lengths of all magnets of a ring, from one backward sweep.

    python benchmarks/gradient.py --lattice esr.madx --particles 1000 --turns 1,10,100

For each number of turns: a forward run, value and gradient (medians of repeated calls, both with the changes of the
lattice and its lowering), their ratio, the largest resident memory of the process so far, the cost of the same gradient
by one-sided differences (parameters times forward), and twice that: JuTrack's authors report about twice the cost of
differences for their automatic differentiation, for their own examples.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import autograd.numpy as anp
import numpy as np
from machine import heading

import gputrack as gt

SPREAD = np.array([1e-5, 1e-6, 1e-5, 1e-6, 1e-4, 1e-4])
PARAMETERS = {
    "Quadrupole": ("k1", "length"), "Sextupole": ("k2", "length"), "SectorBend": ("angle", "length"),
    "RectangularBend": ("angle", "length"), "Solenoid": ("ks", "length"), "Octupole": ("k3", "length"),
}  # fmt: skip


def all_knobs(ring: gt.Lattice) -> gt.Knobs:
    """One knob for each strength and length of each magnet."""
    knobs = []
    for place, element in enumerate(ring):
        for parameter in PARAMETERS.get(type(element).__name__, ()):
            value = getattr(element, parameter)
            knobs.append(gt.Knob(f"{element.name}.{parameter}", (place,), parameter, value))
    return gt.Knobs(tuple(knobs))


def timed(function: Callable[[], object], repeats: int) -> float:
    """Median time of calls [s], after one to warm up."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def peak() -> float:
    """Largest resident memory of the process so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--particles", type=int, default=1000)
    parser.add_argument("--turns", default="1,10,100", help="comma-separated numbers of turns")
    parser.add_argument("--slices", type=int, help="drift-kick of order 4 with so many slices; else the defaults")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    ring = gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring()
    if arguments.slices:
        ring = ring.with_model(gt.Model(integrator=gt.DriftKick(order=4, slices=arguments.slices)))
    rng = np.random.default_rng(1)
    beam = gt.Beam(rng.normal(size=(6, arguments.particles)) * SPREAD[:, None], ring.reference)
    knobs = all_knobs(ring)

    print(heading())
    print(f"{ring.name}: {len(knobs)} parameters, {beam.n} particles, {arguments.threads} thread(s), host backend")
    titles = f"{'turns':>6} {'forward ms':>11} {'gradient ms':>12} {'ratio':>6} {'peak MB':>8}"
    print(f"{titles} {'differences':>12} {'2 x (JuTrack)':>14}")
    for turns in (int(text) for text in arguments.turns.split(",")):

        def forward(values: np.ndarray, turns: int = turns) -> object:
            changed = ring.with_knobs(knobs, values)
            out = gt.track(changed, beam, turns, backend="host", threads=arguments.threads)
            return anp.sum(out.coordinates**2)

        gradient = gt.value_and_grad(forward)
        ahead = timed(lambda f=forward: f(knobs.values), arguments.repeats)
        both = timed(lambda g=gradient: g(knobs.values), arguments.repeats)
        differences = len(knobs) * ahead
        print(
            f"{turns:>6} {1e3 * ahead:>11.1f} {1e3 * both:>12.1f} {both / ahead:>6.2f} {peak():>8.0f} "
            f"{differences:>10.0f} s {2.0 * differences:>12.0f} s"
        )


if __name__ == "__main__":
    main()
