"""Parts of benchmarks/device.py that run other codes on the same GPU, if they are installed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
import gradient_cheetah as cells
import numpy as np
from machine import version
from ring import start_of

import gputrack as gt

if TYPE_CHECKING:
    from device_setup import Setup

PASSES = (1, 10)


def xtrack(setup: Setup) -> Iterator[str]:
    """The lattice in xtrack on the GPU (ContextCupy), the same slices, exact drifts, arcs in bends as there."""
    if not version("xtrack"):
        yield "xtrack is not installed"
        return
    import xobjects
    from contenders import Work
    from support.peers import xtrack_peer

    reference = setup.plain.require_reference()
    ours = Work(setup.options.lattice, setup.plain, np.zeros((6, 1)), setup.options.slices).tracked(arcs=True)
    line = xtrack_peer.line_of(setup.plain, reference, order=4, slices=setup.options.slices)
    line.discard_tracker()
    try:
        context = xobjects.ContextCupy()
        with xtrack_peer.compiling():
            line.build_tracker(_context=context)
    except NameError as error:  # raised by xtrack if it cannot import CuPy
        yield str(error)
        return
    yield f"xtrack {version('xtrack')}; us per turn of all particles; largest difference after the last run"
    for n in setup.options.particles:
        start, turns = start_of(n), setup.options.turns[min(1, len(setup.options.turns) - 1)]
        theirs = []
        for _ in range(4):  # the first one compiles
            particles = xtrack_peer.particles_of(start, reference).copy(_context=context)
            setup.facts.synchronize()
            begin = time.perf_counter()
            with xtrack_peer.compiling():
                line.track(particles, num_turns=turns)
            setup.facts.synchronize()
            theirs.append((time.perf_counter() - begin) / turns)
        each, _, _ = setup.turn_seconds(ours, setup.beam(n))
        on_host = particles.copy(_context=xobjects.ContextCpu())
        out = gt.track(ours, setup.beam(n), turns).to_device("numpy").coordinates
        difference = np.abs(xtrack_peer.coordinates_of(on_host) - out).max()
        their = median(theirs[1:])
        yield (
            f"{n:>10} particles: xtrack {1e6 * their:.1f}, gputrack {1e6 * each:.1f}, ratio {their / each:.2f}; "
            f"{difference:.1e}"
        )


def cheetah(setup: Setup) -> Iterator[str]:
    """Value and gradient of benchmarks/gradient_cheetah.py's line, the same maps in both codes, on the GPU."""
    if not version("cheetah-accelerator"):
        yield "cheetah-accelerator is not installed"
        return
    import torch

    if not torch.cuda.is_available():
        yield "PyTorch finds no GPU"
        return
    torch.set_default_device("cuda")
    yield f"cheetah-accelerator {version('cheetah-accelerator')}, torch {torch.__version__}; seconds, peak memory MB"
    for n in setup.options.charges[:2]:
        for passes in PASSES:
            own = our_gradient(setup, n, passes)
            value, gradient = own()
            mine = setup.seconds(own)
            try:
                call = cells.cheetah_gradient(n, passes, 1, "drift_kick_drift")
                torch.cuda.reset_peak_memory_stats()
                their_value, their_gradient = call()
                memory = torch.cuda.max_memory_allocated() / 2**20
            except torch.cuda.OutOfMemoryError:
                yield f"{n:>10} particles, {passes} passes: gputrack {mine:.4f}, Cheetah does not fit the memory"
                continue
            theirs = setup.seconds(call)
            apart = np.abs(gradient - their_gradient).max() / np.abs(their_gradient).max()
            values = abs(value / their_value - 1.0)
            yield (
                f"{n:>10} particles, {passes} passes: gputrack {mine:.4f}, Cheetah {theirs:.4f} ({memory:.0f} MB), "
                f"ratio {theirs / mine:.1f}; values differ by {values:.0e}, gradients {apart:.0e}"
            )


def our_gradient(setup: Setup, count: int, passes: int) -> Any:
    """As in benchmarks/gradient_cheetah.py, on the device."""
    line = cells.our_line()
    beam = gt.Beam(cells.particles(count), cells.REFERENCE).to_device("cupy")
    knobs, sizes = line.knobs("q*.k1", each=True), cells.SIZES

    def scalar(values: Any) -> Any:
        out = gt.track(line.with_knobs(knobs, values), beam, passes)
        mean, sigma = out.mean, out.sigma  # sums over particles, taken on the device
        return anp.sum(anp.array([(sigma[i, i] + mean[i] ** 2) / sizes[i] ** 2 for i in range(4)]))

    gradient = gt.value_and_grad(scalar)
    return lambda: gradient(cells.STRENGTHS)
