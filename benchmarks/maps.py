"""One-turn maps of rings as power series: one lattice, and many side by side.

    python benchmarks/maps.py [--lattice esr.madx] [--orders 1,2,3,4] [--maps 64] [--device cuda --maps 1024]

A ring of 100 FODO cells (1000 elements: quadrupoles, sextupoles, bends, drifts; default models), and a file's if given.
Least processor time (on a GPU: elapsed time) of a few calls, per map; `program` is the time to compile the program,
once in advance. MAD-NG, through pymadng if installed, tracks one map through the FODO ring in the same run, with one
slice per element: fewer steps than our default models. On a GPU times include copies of the constants to the device;
the maps are in device memory, and the kernel is built in advance.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import heading
from maps_madng import madng_milliseconds

import gputrack as gt
from gputrack.backends import choose_backend
from gputrack.backends.taylor.cuda import run_series_cuda
from gputrack.backends.taylor.host import run_series
from gputrack.base.arrays import module_named
from gputrack.base.errors import BackendError
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.optics_program import identity_map, map_program
from gputrack.tpsa.space import Space


def fodo_ring(cells: int = 100) -> gt.Lattice:
    """Ring of FODO cells with ten elements each."""
    drift = gt.Drift("d", length=0.3)
    bend = gt.SectorBend("b", length=1.0, angle=np.pi / cells)
    cell = [
        gt.Quadrupole("qf", length=0.5, k1=0.6), drift, gt.Sextupole("sf", length=0.1, k2=5.0), bend, drift,
        gt.Quadrupole("qd", length=0.5, k1=-0.6), drift, gt.Sextupole("sd", length=0.1, k2=-5.0), bend, drift,
    ]  # fmt: skip
    return gt.Lattice(cell * cells, gt.ReferenceParticle.electron(total=3e9), name=f"{cells} FODO cells")


def least(function: Callable[[], object], repeats: int, clock: Callable[[], float] = time.process_time) -> float:
    """Least time of a few calls [ms]."""
    function()
    found = []
    for _ in range(repeats):
        begin = clock()
        function()
        found.append(clock() - begin)
    return 1e3 * min(found)


def milliseconds(ring: gt.Lattice, order: int, maps: int, repeats: int, device: str) -> float:
    """Time of one call per map [ms]."""
    space = Space(6, order)
    reference = np.array(ReferenceValues.of(ring.require_reference()))[:, None]
    program, orbits = map_program(ring), module_named("cupy" if device == "cuda" else "numpy").zeros((maps, 6))
    start, run = identity_map(space, orbits), run_series_cuda if device == "cuda" else run_series
    clock = time.perf_counter if device == "cuda" else time.process_time
    return least(lambda: run(space, [program], reference, start), repeats, clock) / maps


def device_text(device: str) -> str:
    """Description of the device of the maps; exits with a message if it is missing."""
    if device == "host":
        return "one thread"
    try:
        choose_backend("cuda", np.zeros((6, 1)), None)
    except BackendError as error:
        sys.exit(f"maps.py: {error}")
    return module_named("cupy").cuda.runtime.getDeviceProperties(0)["name"].decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file, measured as well")
    parser.add_argument("--orders", default="1,2,3,4")
    parser.add_argument("--maps", type=int, default=64, help="lattices side by side")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", choices=("host", "cuda"), default="host")
    arguments = parser.parse_args()
    where, orders = device_text(arguments.device), [int(text) for text in arguments.orders.split(",")]
    fodo = fodo_ring()
    rings = [fodo] + ([gt.load(arguments.lattice)] if arguments.lattice else [])
    print(heading())
    for ring in rings:
        peer = madng_milliseconds(100, orders, arguments.repeats) if ring is fodo else None
        compiled = least(lambda ring=ring: map_program(ring), 3)
        print(f"{ring.name}: {len(ring)} elements, {where}, ms per map; program {compiled:.2f} ms")
        print(f"{'order':>6} {'1 map':>9} {str(arguments.maps) + ' maps':>9} {'ratio':>6} {'MAD-NG':>9}")
        for place, order in enumerate(orders):
            one = milliseconds(ring, order, 1, arguments.repeats, arguments.device)
            many = milliseconds(ring, order, arguments.maps, max(1, arguments.repeats // 2), arguments.device)
            theirs = f"{peer[place]:>9.2f}" if peer else f"{'-':>9}"
            print(f"{order:>6} {one:>9.2f} {many:>9.2f} {many / one:>6.2f} {theirs}", flush=True)


if __name__ == "__main__":
    main()
