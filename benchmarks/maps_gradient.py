"""Cost of gradients of maps relative to the maps: all strengths of a ring at once, by one backward sweep.

    python benchmarks/maps_gradient.py [--lattice esr.madx] [--orders 2,3,4]

A ring of 100 FODO cells (1000 elements, default models), and that of a file if given. Least processor time of several
calls, which depends least on other processes. First the kernels: forwards, and the backward sweep, which gives the
derivatives of one function of all coefficients with respect to all constants. Then whole calls: a coefficient of the
one-turn map about the closed orbit, alone and with its derivatives with respect to all strengths, with cached programs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import heading
from maps import fodo_ring

import gputrack as gt
from gputrack.backends.taylor.host import run_series
from gputrack.backends.taylor.host_adjoint import sweep_series
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.optics_program import identity_map, map_program
from gputrack.tpsa.space import Space

STRENGTHS = {gt.Quadrupole: "k1", gt.Sextupole: "k2", gt.SectorBend: "angle", gt.RectangularBend: "angle"}


def best(call: Callable[[], Any], repeats: int) -> float:
    """Processor time [ms] of the fastest of several calls, after one to warm up."""
    call()
    seconds = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        seconds.append(time.process_time() - begin)
    return 1e3 * min(seconds)


def kernels(ring: gt.Lattice, order: int, repeats: int) -> tuple[float, float]:
    """Times of the forward pass and of the backward sweep."""
    space, program, reference = Space(6, order), map_program(ring), ReferenceValues.of(ring.require_reference())
    members, start = np.array(reference)[:, None], identity_map(space, np.zeros(6))[None]
    final = run_series(space, [program], members, start)[0][0]
    bar, none = np.random.default_rng(1).normal(size=final.shape), np.zeros((0, 6, space.size))
    forwards = best(lambda: run_series(space, [program], members, start), repeats)
    backwards = best(lambda: sweep_series(space, program, reference, final.copy(), bar.copy(), none), repeats)
    return forwards, backwards


def whole(ring: gt.Lattice, order: int, repeats: int) -> tuple[int, float, float]:
    """Number of strengths, and times of a value and of a value with its gradient."""
    names = {e.name: STRENGTHS[type(e)] for e in ring if type(e) in STRENGTHS}
    knobs = ring.knobs(*(f"{name}.{parameter}" for name, parameter in names.items()), each=True)
    powers = [0, order, 0, 0, 0, 0]

    def coefficient(values: Any) -> Any:
        return gt.one_turn_map(ring.with_knobs(knobs, values), order)[1].coefficient(powers)

    both = gt.value_and_grad(coefficient)
    value = best(lambda: coefficient(knobs.values), repeats)
    return len(knobs), value, best(lambda: both(knobs.values), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file, measured as well")
    parser.add_argument("--orders", default="2,3,4")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rings = [fodo_ring()] + ([gt.load(arguments.lattice)] if arguments.lattice else [])
    print(heading())
    for ring in rings:
        print(f"{ring.name}: {len(ring)} elements, one thread, ms")
        columns = f"{'order':>6} {'map':>8} {'sweep':>8} {'both/map':>9} {'strengths':>10} {'value':>8}"
        print(f"{columns} {'+ gradient':>11} {'ratio':>6}")
        for order in (int(text) for text in arguments.orders.split(",")):
            forwards, backwards = kernels(ring, order, arguments.repeats)
            count, value, both = whole(ring, order, arguments.repeats)
            print(
                f"{order:>6} {forwards:>8.1f} {backwards:>8.1f} {(forwards + backwards) / forwards:>9.1f} "
                f"{count:>10} {value:>8.0f} {both:>11.0f} {both / value:>6.1f}"
            )


if __name__ == "__main__":
    main()
