"""Sweeps of one program by a backend, knobs and models that tests of gradients share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.backends import EMULATED, host_copy

import gputrack as gt
from gputrack.backends import choose_backend
from gputrack.backends.array.backend import ArrayBackend
from gputrack.backends.derivatives import Cotangents
from gputrack.backends.launch import Launch, Particles, make_records
from gputrack.elements.map import ReferenceValues, built_in_maps
from gputrack.lattice.knob_adjoint import group_adjoint

#: tests of kernels run on these backends
kernels = pytest.mark.parametrize("backend", ["host", "cuda"], indirect=True)
kernels_and_emulated = pytest.mark.parametrize("backend", ["host", "cuda", EMULATED], indirect=True)

MODELS = {
    f"{type(steps).__name__}{steps.order}-{type(h).__name__}-{type(edge).__name__}": gt.Model(steps, h, edge)
    for steps in (gt.DriftKick(4, 2), gt.MatrixKick(2, 2), gt.MatrixKick(6, 1))
    for h in (gt.Exact(), gt.Expanded())
    for edge in (gt.FullEdge(), gt.LinearEdge())
}


SIZE = np.array([3e-3, 2e-3, 3e-3, 2e-3, 3e-3, 4e-3])[:, None]


def runner(backend):
    """A backend by name, on one thread, and its array library."""
    if backend != "cuda":
        return choose_backend(backend, np.zeros((6, 1)), 1), np
    import cupy

    return choose_backend(backend, cupy.zeros((6, 1)), None), cupy


def swept(backend, program, reference, start, cotangent):
    """Recovered coordinates, cotangents before, and derivatives with respect to the constants, on the host."""
    runs, xp = (backend, np) if isinstance(backend, ArrayBackend) else runner(backend)
    n = start.shape[1]
    codes, turns, ops = xp.zeros(n, dtype=xp.int32), xp.full(n, -1, dtype=xp.int64), xp.full(n, -1, dtype=xp.int32)
    particles = Particles(xp.array(start, order="C"), codes, turns, ops)
    bar = xp.array(cotangent, order="C")
    program = replace(program, kinds=frozenset(built_in_maps()))  # one build of the kernels for all elements
    launch = Launch(program, reference, 0, 1, 1.0, make_records([], n, xp))
    runs.step(particles, launch)
    assert not particles.loss_code.any()
    constants = runs.step_adjoint(particles, Cotangents(bar), launch)
    return host_copy(particles.coordinates), host_copy(bar), constants


def parameter_bars(program, bars):
    """Derivatives with respect to all parameters of all elements, one vector."""
    return np.concatenate([np.concatenate([*group_adjoint(group, bars).values()]) for group in program.groups])


def reference_bars(program, bars):
    """Derivatives with respect to the members of `ReferenceValues`, which follow those with respect to constants."""
    assert len(bars) == len(program.constants) + len(ReferenceValues._fields)
    return bars[len(program.constants) :]


def close(a, b, tolerance):
    scale = np.max(np.abs(b), initial=1e-3)
    worst = np.max(np.abs(a - b), initial=0.0) / scale
    return worst <= tolerance, worst


KNOBS = (
    "qf.*.k1", "qd.*.k1", "sf*.k2", "bend.01a.angle", "bend.*.k1", "qf.01a.dx", "qf.01b.tilt", "rf*.lag",
    "bend.02a.length", "qd*.knl[2]", "bend.03a.e1", "qf.02a.k1s", "sd*.ksl[1]",
)  # fmt: skip
