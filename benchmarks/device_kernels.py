"""Parts of benchmarks/device.py for the kernels of the lattice: resources, launch parameters, streaming, gradients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import numpy as np
from device_facts import kernel_line, shown, used_memory
from gradient import all_knobs

import gputrack as gt
from gputrack.backends.cuda import backend as cuda
from gputrack.backends.generated import flattened
from gputrack.elements.map import MapKind
from gputrack.lattice.program import compile_program

if TYPE_CHECKING:
    from device_setup import Setup

#: threads per block, and blocks for which a multiprocessor must have registers
LAUNCH_BOUNDS = re.compile(r"__launch_bounds__\(GT_THREADS, [^)]*\)")
LAUNCHES = ((128, 1), (64, 1), (256, 1), (128, 4), (128, 5), (128, 6), (128, 8))
TARGET = 2.5  # gradient over forward


def kernels(setup: Setup) -> Iterator[str]:
    """Resources of the compiled kernels of this lattice."""
    program = compile_program(setup.ring)
    modules = {
        "gputrack_track": cuda.module(program.kinds), "gputrack_untrack": cuda.module(program.kinds),
        "gputrack_sweep": cuda.adjoint_module(program.kinds, cuda.most_constants(program)),
        "gputrack_tangent": cuda.tangent_module(program.kinds),
    }  # fmt: skip
    yield f"kinds of maps: {', '.join(sorted(kind.name for kind in program.kinds))}; {len(program)} operations"
    for name, module in modules.items():
        yield f"{name}: {kernel_line(setup.facts, module.get_function(name), cuda.THREADS)}"


@contextmanager
def launched(threads: int, blocks: int) -> Iterator[Callable[[frozenset[MapKind]], Any]]:
    """Tracking with other threads per block and another bound on registers."""
    original, usual, options = cuda.module, cuda.THREADS, cuda.OPTIONS
    built: dict[frozenset[MapKind], Any] = {}

    def module(kinds: frozenset[MapKind]) -> Any:
        if kinds not in built:
            import cupy

            text = LAUNCH_BOUNDS.sub(f"__launch_bounds__(GT_THREADS, {blocks})", flattened("cuda/track.h", kinds))
            own = tuple(f"-DGT_THREADS={threads}" if o.startswith("-DGT_THREADS") else o for o in options)
            built[kinds] = cupy.RawModule(code=text, options=own)
        return built[kinds]

    cuda.module, cuda.THREADS = module, threads  # type: ignore[assignment]
    try:
        yield module
    finally:
        cuda.module, cuda.THREADS = original, usual


def launch(setup: Setup) -> Iterator[str]:
    """Tracking with other threads per block, and with register limits for more blocks."""
    kinds = compile_program(setup.ring).kinds
    amounts = setup.options.particles
    for threads, blocks in LAUNCHES:
        with launched(threads, blocks) as module:
            kernel = module(kinds).get_function("gputrack_track")
            yield f"{threads} threads, at least {blocks} blocks: {kernel_line(setup.facts, kernel, threads)}"
            for n in (amounts[0], amounts[len(amounts) // 2]):
                each, _, _ = setup.turn_seconds(setup.ring, setup.beam(n))
                yield f"    {n} particles: {1e6 * each:.1f} us/turn, {n / each:.4g} particle-turns/s"


def streamed(setup: Setup) -> Iterator[str]:
    """A beam in host memory, streamed through the device in chunks, and the same beam in device memory."""
    n = setup.options.particles[-1]
    there = setup.beam(n)
    here = there.to_device("numpy")
    chunks = sorted({max(1, n // parts) for parts in (64, 16, 4, 1)})
    yield f"{n} particles; one call of track, milliseconds"
    titles = "".join(f"{f'chunks of {chunk}':>20}" for chunk in chunks)
    yield f"{'turns':>6} {'on the device':>14}{titles}{'same to the bit':>17}"
    for turns in setup.options.turns:
        resident = setup.seconds(lambda t=turns: gt.track(setup.ring, there, t))
        expected = gt.track(setup.ring, there, turns).coordinates.get()
        times, same = [], True
        for chunk in chunks:
            backend = gt.Streamed(chunk=chunk)
            times.append(setup.seconds(lambda t=turns, b=backend: gt.track(setup.ring, here, t, backend=b)))
            found = gt.track(setup.ring, here, turns, backend=backend).coordinates
            same = same and np.array_equal(found, expected, equal_nan=True)
        cells = "".join(f"{1e3 * time:>20.2f}" for time in times)
        yield f"{turns:>6} {1e3 * resident:>14.2f}{cells}{'yes' if same else 'NO':>17}"


def gradient(setup: Setup) -> Iterator[str]:
    """All strengths and lengths of all magnets, value and gradient together over the forward run."""
    knobs, n = all_knobs(setup.ring), setup.options.gradient_particles
    beam, cupy = setup.beam(n), setup.facts.cupy
    yield f"{len(knobs)} parameters, {n} particles; memory: taken from the device besides the beam"
    yield f"{'turns':>6} {'forward ms':>11} {'gradient ms':>12} {'ratio':>6} {'memory MB':>20} {'same to the bit':>16}"
    taken, ratios = [], []
    for turns in setup.options.turns:

        def objective(values: Any, turns: int = turns) -> Any:
            return anp.sum(gt.track(setup.ring.with_knobs(knobs, values), beam, turns).sigma)

        both = gt.value_and_grad(objective)
        ahead = setup.seconds(lambda f=objective: f(knobs.values))
        with used_memory(cupy) as used:
            first = both(knobs.values)
            taken.append(used())
        second = both(knobs.values)
        same = first[0] == second[0] and np.array_equal(first[1], second[1])
        back = setup.seconds(lambda g=both: g(knobs.values))
        ratios.append(back / ahead)
        memory = None if taken[-1] is None else taken[-1] / 2**20
        yield (
            f"{turns:>6} {1e3 * ahead:>11.2f} {1e3 * back:>12.2f} {ratios[-1]:>6.2f} {shown(memory, '.1f'):>20} "
            f"{'yes' if same else 'NO':>16}"
        )
    flat = None if None in taken else "yes" if max(taken) <= 1.1 * min(taken) else "NO"
    yield f"memory flat in turns: {shown(flat)}; largest ratio {max(ratios):.2f}, aim {TARGET}"
