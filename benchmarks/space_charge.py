"""Space charge: nanoseconds per particle and kick, forward and with the derivatives of a backward sweep.

    python benchmarks/space_charge.py --particles 10000,100000,1000000 --modes 12,32 --threads 1,2

Spectral kicks in a pipe by our kernels, compared with the same formulas in NumPy (matrix products by its BLAS, arrays
of particles times modes), xfields' solver on a grid of 64 x 64 (x 16 slices; another method: Poisson's equation by
FFT), and Cheetah's SpaceChargeKick on its default grid if cheetah-accelerator is installed. "adjoint" undoes the kick
and pulls cotangents back through it. Each number is the smallest of repeated calls: elapsed time, and in parentheses
the processor time on all cores, which is relevant for one thread if other processes share the machine. Memory is
NumPy's largest allocation in addition to the particles during a call, by tracemalloc.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from machine import heading, version

import gputrack as gt
from gputrack.backends.host.pipe_modes import PipeKick
from gputrack.collective.pipe_modes import PIPE_KICK
from gputrack.elements.collective_map import Bunch
from gputrack.elements.map import ReferenceValues

REFERENCE = gt.ReferenceParticle.proton(kinetic=1e9)
VALUES = ReferenceValues.of(REFERENCE)
PIPE = (0.013, 0.013)
SIZES = np.array([1e-3, 1e-3, 1e-3, 1e-3, 0.02, 1e-4])
SECONDS = 1.0  # spent on each figure, at least three calls
MOST_NUMBERS = 4e8  # of NumPy's arrays of particles times modes
Case = tuple[int, int, int]


def particles(count: int) -> np.ndarray:
    """Coordinates (6, count) inside the pipe."""
    return np.clip(np.random.default_rng(1).normal(size=(6, count)), -3.0, 3.0) * SIZES[:, None]


def op_of(modes: int) -> SimpleNamespace:
    return SimpleNamespace(length=0.05, current=200.0, effect=gt.PipeModes(PIPE, (modes, modes)), number=0)


def fastest(call: Callable[[], object]) -> tuple[float, float]:
    """Elapsed and processor time [s] of the fastest call, after one to warm up."""
    call()
    times: list[tuple[float, float]] = []
    while len(times) < 3 or sum(passed for passed, _ in times) < SECONDS:
        start, used = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - start, time.process_time() - used))
    return min(passed for passed, _ in times), min(used for _, used in times)


def peak(call: Callable[[], object]) -> float:
    """Largest additional memory of NumPy during a call [MB]."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20


def ours(count: int, modes: int, threads: int) -> list[Callable[[], object]]:
    """Forward and adjoint, as `gt.track` and `gt.grad` call them for every kick."""
    coordinates, op, kernel = particles(count), op_of(modes), PipeKick(threads)
    bunch, bar = Bunch(coordinates, np.ones(count), float(count)), np.ones((6, count))
    return [lambda: kernel.step(bunch, op, VALUES, False), lambda: kernel.undo_adjoint(bunch, op, VALUES, bar)]


def numpys(count: int, modes: int) -> list[Callable[[], object]]:
    """The array map and its adjoint by hand (which does not undo the kick)."""
    coordinates, op = particles(count), op_of(modes)
    bunch, bar = Bunch(coordinates, np.ones(count), float(count)), np.ones((6, count))
    return [lambda: PIPE_KICK.forward(bunch, op, VALUES), lambda: PIPE_KICK.adjoint(bunch, op, VALUES, bar)]


def xfields_kick(count: int) -> Callable[[], object] | None:
    """Deposition, solution and kicks on a grid; None if xfields is not installed."""
    try:
        import xfields
        import xtrack
    except ImportError:
        return None
    c = particles(count)
    beam = xtrack.Particles(
        mass0=REFERENCE.mass, p0c=REFERENCE.p0c, x=c[0], px=c[1], y=c[2], py=c[3], zeta=c[4], delta=c[5], weight=1e6
    )
    kick = xfields.SpaceCharge3D(
        length=0.05, update_on_track=True, apply_z_kick=False, x_range=(-6.5e-3, 6.5e-3), y_range=(-6.5e-3, 6.5e-3),
        z_range=(-0.07, 0.07), nx=64, ny=64, nz=16, solver="FFTSolver2p5D", gamma0=float(beam.gamma0[0]),
    )  # fmt: skip
    return lambda: kick.track(beam)


def cheetah_kicks(count: int) -> list[Callable[[], object]] | None:
    """Forward, and with gradients of all coordinates; None if Cheetah is not installed."""
    try:
        import cheetah
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    c = particles(count)
    rows = torch.tensor(np.concatenate([c, np.ones((1, count))]).T)
    charge = torch.full((count,), 1e6 * 1.602176634e-19, dtype=torch.float64)
    kick = cheetah.SpaceChargeKick(effect_length=torch.tensor(0.05, dtype=torch.float64))
    energy = torch.tensor(REFERENCE.energy, dtype=torch.float64)

    def run(gradient: bool) -> None:
        own = rows.clone().requires_grad_(gradient)
        out = kick.track(cheetah.ParticleBeam(own, energy=energy, particle_charges=charge, dtype=torch.float64))
        if gradient:
            out.particles[:, :4].square().sum().backward()

    return [lambda: run(False), lambda: run(True)]


def row(name: str, case: str, count: int, calls: list[Callable[[], object]], memory: bool = False) -> None:
    """One line of the table: forward, adjoint, their ratio."""
    each = [[1e9 * seconds / count for seconds in fastest(call)] for call in calls]
    text = f"{name:<22} {case:<10} {count:>9} " + " ".join(f"{ns:>9.1f} ({used:7.1f})" for ns, used in each)
    if len(each) == 2:
        text += f" {each[1][1] / each[0][1]:>6.2f}"
    if memory:
        text += "   " + " / ".join(f"{peak(call):.0f} MB" for call in calls)
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", default="10000,100000,1000000", help="comma-separated numbers of particles")
    parser.add_argument("--modes", default="12,32", help="comma-separated numbers of modes in each plane")
    parser.add_argument("--threads", default="1,2", help="comma-separated numbers of threads")
    arguments = parser.parse_args()
    lists = arguments.particles, arguments.modes, arguments.threads
    counts, modes, threads = ([int(n) for n in text.split(",")] for text in lists)
    print(heading())
    print(f"xfields {version('xfields')}, cheetah-accelerator {version('cheetah-accelerator') or 'missing'}")
    columns = "".join(f" {name:>9}" for name in ("particles", "forward", "(cores)", "adjoint", "(cores)"))
    print(f"{'':<22} {'modes':<10}{columns} {'ratio':>6}   [ns/particle], memory")
    for number in modes:
        for count in counts:
            for pool in threads:
                row(f"gputrack, {pool} thread(s)", f"{number} x {number}", count, ours(count, number, pool), pool == 1)
            if 6.0 * count * number <= MOST_NUMBERS:
                row("NumPy and its BLAS", f"{number} x {number}", count, numpys(count, number), True)
    for count in counts:
        kick = xfields_kick(count)
        if kick is None:
            print("xfields: missing")
            break
        row("xfields, 1 thread", "64x64x16", count, [kick])
    for count in counts:
        kicks = cheetah_kicks(count)
        if kicks is None:
            print("Cheetah: missing (pip install cheetah-accelerator)")
            break
        row("Cheetah, 1 thread", "32x32x32", count, kicks)


if __name__ == "__main__":
    main()
