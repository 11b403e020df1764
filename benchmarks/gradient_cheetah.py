"""Gradient with respect to all quadrupole strengths, compared with Cheetah (PyTorch on the CPU): same physics and run.

    pip install cheetah-accelerator
    python benchmarks/gradient_cheetah.py --particles 10000,100000 --passes 1,10,100

A line of FODO cells with bends, passed several times; the scalar is the sum of squares of the transverse coordinates
relative to their initial rms. Both codes use the same maps in double precision: Cheetah by its "drift_kick_drift"
method (named after Bmad-X: exact drifts, quadrupoles linear at each particle's momentum, exact bends with linear
edges), gputrack by equivalent models; agreement of values and gradients is asserted. Cheetah's "linear" method, which
merges the line into one matrix without chromatic effects, is timed as well.

Each measurement runs in a separate process: times are medians over repeated calls of value and gradient, including the
construction of the line, after one to warm up; memory is the largest resident size minus that before the first call.
PyTorch stores all intermediate arrays; runs that would exceed the machine's memory, by extrapolation of shorter runs,
are omitted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import autograd.numpy as anp
import numpy as np
from machine import heading, version

import gputrack as gt

CELLS = 4
REFERENCE = gt.ReferenceParticle.electron(total=3e9)
SIZES = np.array([1e-4, 2e-5, 1e-4, 2e-5, 1e-4, 1e-3])
STRENGTHS = np.array([1.2, -1.2] * CELLS)
CODES = ("gputrack", "cheetah", "cheetah linear")
AGREEMENT = 1e-9  # of the largest derivative: rounding of 1e-16, grown over 100 passes and summed over particles
SLOW = 20.0  # [s]: calls that take longer are made once
Gradient = Callable[[], tuple[float, np.ndarray]]


def particles(count: int) -> np.ndarray:
    """Initial coordinates, (6, count)."""
    return np.random.default_rng(1).normal(size=(6, count)) * SIZES[:, None]


# -- the line, in both codes ------------------------------------------------------------------------------------------


def our_line() -> gt.Lattice:
    linear = gt.Model(gt.MatrixKick(2, 1), gt.Expanded(), gt.LinearEdge())  # without remainder: exact for quadrupoles
    elements: list[gt.Element] = []
    for i, k1 in enumerate(STRENGTHS):
        bend = gt.SectorBend(f"b{i}", length=1.0, angle=0.1, e1=0.05, e2=0.05)
        drift = gt.Drift("d", length=0.6)
        elements += [gt.Quadrupole(f"q{i}", length=0.3, k1=k1, model=linear), drift, bend, drift]
    return gt.Lattice(elements, REFERENCE, name="cells", model=gt.Model(edge=gt.LinearEdge()))


def our_gradient(count: int, passes: int, threads: int) -> Gradient:
    line, beam = our_line(), gt.Beam(particles(count), REFERENCE)
    knobs = line.knobs("q*.k1", each=True)

    def scalar(values: np.ndarray) -> object:
        out = gt.track(line.with_knobs(knobs, values), beam, passes, backend="host", threads=threads)
        return anp.sum((out.coordinates[:4] / SIZES[:4, None]) ** 2) / count

    gradient = gt.value_and_grad(scalar)
    return lambda: gradient(STRENGTHS)


def cheetah_gradient(count: int, passes: int, threads: int, method: str) -> Gradient:
    import cheetah
    import torch

    torch.set_num_threads(threads)
    options = dict(tracking_method=method, dtype=torch.float64)

    def number(value: float) -> torch.Tensor:
        return torch.tensor(value, dtype=torch.float64)

    strengths = torch.tensor(STRENGTHS, requires_grad=True)
    sizes = torch.tensor(SIZES[:4])
    incoming = cheetah.ParticleBeam(
        torch.tensor(cheetah_coordinates(particles(count))), energy=number(REFERENCE.energy), dtype=torch.float64
    )

    def line() -> cheetah.Segment:
        elements = []
        for k1 in strengths:
            drift = cheetah.Drift(number(0.6), **options)
            bend = cheetah.Dipole(number(1.0), number(0.1), dipole_e1=number(0.05), dipole_e2=number(0.05), **options)
            elements += [cheetah.Quadrupole(number(0.3), k1, **options), drift, bend, drift]
        return cheetah.Segment(elements)

    def call() -> tuple[float, np.ndarray]:
        strengths.grad, segment, beam = None, line(), incoming
        for _ in range(passes):
            beam = segment.track(beam)
        value = torch.sum((beam.particles[:, :4] / sizes) ** 2) / count
        value.backward()
        return value.item(), strengths.grad.cpu().numpy().copy()

    return call


def cheetah_coordinates(c: np.ndarray) -> np.ndarray:
    """Coordinates in Cheetah's convention, (n, 7): x, px, y, py, tau = c (delay), (E - E0)/(p0 c), 1."""
    momentum = (1.0 + c[5]) * REFERENCE.p0c
    energy = np.hypot(momentum, REFERENCE.mass)
    late = -c[4] * energy / momentum
    return np.stack([*c[:4], late, (energy - REFERENCE.energy) / REFERENCE.p0c, np.ones_like(late)], axis=1)


# -- one measurement, in a process of its own -------------------------------------------------------------------------


def resting() -> float:
    """Resident memory now [MB]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(code: str, count: int, passes: int, threads: int) -> dict[str, object]:
    method = "linear" if code.endswith("linear") else "drift_kick_drift"
    if code == "gputrack":
        call = our_gradient(count, passes, threads)
    else:
        call = cheetah_gradient(count, passes, threads, method)
    before = resting()
    seconds = []
    for repeat in range(6):
        start = time.perf_counter()
        value, gradient = call()
        seconds.append(time.perf_counter() - start)
        if seconds[-1] > SLOW and repeat >= 1:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return dict(seconds=median(seconds[1:]), extra=peak - before, peak=peak, value=value, gradient=gradient.tolist())


def in_child(code: str, count: int, passes: int, threads: int) -> dict:
    """`measure` in a new process, for its own peak of memory."""
    command = [sys.executable, __file__, "--child", json.dumps([code, count, passes, threads])]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{code}, {count} particles, {passes} passes: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# -- the table --------------------------------------------------------------------------------------------------------


def memory() -> float:
    """Physical memory of the machine [MB]."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20


def too_much(tried: list[tuple[int, int, float]], count: int, passes: int, limit: float) -> float | None:
    """Memory [MB] extrapolated from the largest run so far, if it exceeds `limit`."""
    if not tried:
        return None
    largest = max(tried, key=lambda run: run[0] * run[1])
    expected = largest[2] * (count * passes) / (largest[0] * largest[1])
    return expected if expected > limit else None


def agree(ours: dict, theirs: dict) -> float:
    """Largest difference of the gradients over the largest derivative; asserted to be small."""
    a, b = np.array(ours["gradient"]), np.array(theirs["gradient"])
    difference = np.max(np.abs(a - b)) / np.max(np.abs(b))
    assert difference <= AGREEMENT, f"gradients differ by {difference:.1e}, more than {AGREEMENT:.0e}"
    assert abs(ours["value"] - theirs["value"]) <= AGREEMENT * abs(theirs["value"])
    return float(difference)


def table(counts: list[int], passes: list[int], threads: int) -> None:
    limit = 0.7 * memory()
    tried: dict[str, list[tuple[int, int, float]]] = {code: [] for code in CODES}
    print(f"{'particles':>9} {'passes':>6}  {'code':<14} {'seconds':>9} {'extra MB':>9} {'peak MB':>8}  to gputrack")
    for count in counts:
        for turns in passes:
            ours = None
            for code in CODES:
                line = f"{count:>9} {turns:>6}  {code:<14}"
                expected = too_much(tried[code], count, turns, limit)
                if expected:
                    print(f"{line} not tried: about {expected / 1024:.0f} GB of {memory() / 1024:.0f} GB", flush=True)
                    continue
                run = in_child(code, count, turns, threads)
                tried[code].append((count, turns, run["extra"]))
                ours = ours or run
                note = f"time x {run['seconds'] / ours['seconds']:.1f}, memory x {run['extra'] / ours['extra']:.1f}"
                if code == "cheetah":
                    note += f"; gradients agree to {agree(ours, run):.0e}"
                elif code != "gputrack":
                    note += "; another physics"
                print(f"{line} {run['seconds']:>9.3f} {run['extra']:>9.0f} {run['peak']:>8.0f}  {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", default="10000,100000", help="comma-separated numbers of particles")
    parser.add_argument("--passes", default="1,10,100", help="comma-separated numbers of passes")
    parser.add_argument("--threads", type=int, default=1, help="of both codes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(*json.loads(arguments.child))))
        return
    print(heading())
    print(f"cheetah-accelerator {version('cheetah-accelerator')}, torch {version('torch')}")
    elements = 4 * len(STRENGTHS)
    print(f"{elements} elements, {len(STRENGTHS)} strengths, {arguments.threads} thread(s), double precision, CPU")
    counts, passes = ([int(n) for n in text.split(",")] for text in (arguments.particles, arguments.passes))
    table(counts, passes, arguments.threads)


if __name__ == "__main__":
    main()
