"""One passage through a program on any backend, and how exact it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.backends import host_copy
from support.battery import MODELS
from support.cases import CASES, SPECIES

from gputrack.backends import choose_backend
from gputrack.backends.launch import Launch, Particles, make_records
from gputrack.elements import RectangularBend, SectorBend
from gputrack.elements.map import built_in_maps
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import compile_program

EPS = np.finfo(float).eps


def scale_of(p, case):
    """Scale of rounding errors: the largest coordinate of all particles, and the sagitta of a bend.

    Exact arcs subtract the sagitta, and the slope changes by the angle and back.
    """
    element = CASES[case].element
    sagitta = 0.5 * element.length * abs(element.angle) if isinstance(element, (SectorBend, RectangularBend)) else 0.0
    return max(abs(p.before).max(), abs(p.after).max(), sagitta)


def run(backend, case, model, coordinates, species, backwards=False):
    """Coordinates after one case on a backend."""
    program = compile_program(Lattice([CASES[case].element], model=MODELS[model]))
    return run_program(backend, program, coordinates, SPECIES[species], backwards)


def run_program(backend, program, coordinates, reference, backwards=False):
    """Coordinates after a program on a backend, without the tracker; no particle may be lost."""
    program = replace(program, kinds=frozenset(built_in_maps()))  # one build for all cases
    device = device_of(backend)
    n = coordinates.shape[1]
    particles = Particles(
        device.array(coordinates, order="C"), device.zeros(n, dtype="int32"), device.zeros(n, dtype="int64"),
        device.full(n, -1, dtype="int32"),
    )  # fmt: skip
    launch = Launch(program, reference, 0, 1, 1.0, make_records([], n, device), backwards)
    runner(backend).step(particles, launch)
    assert not particles.loss_code.any()
    return host_copy(particles.coordinates)


def device_of(backend):
    """Array library of a backend."""
    if backend != "cuda":
        return np
    import cupy

    return cupy


RUNNERS = {}


def runner(backend):
    """One runner per backend for the whole file."""
    if backend not in RUNNERS:
        RUNNERS[backend] = choose_backend(backend, device_of(backend).zeros((6, 1)), None if backend == "cuda" else 1)
    return RUNNERS[backend]


TOLERANCE = {False: 64 * EPS, True: 1e-13}
