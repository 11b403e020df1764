"""Tracking as a primitive of autograd, with its rules for both modes.

Its arguments are the coordinates of the beam, the values of the reference particle and the knobs of the lattice, which
may come from any expression of ``autograd.numpy``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from autograd.extend import defjvp_argnums, defvjp_argnums

from gputrack.backends import Choice
from gputrack.base.arrays import is_traced, untraced
from gputrack.base.errors import InputError
from gputrack.base.interruption import Progress
from gputrack.base.primitive import primitive
from gputrack.beam.beam import Beam
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.differentiated_run import DifferentiatedRun
from gputrack.tracking.monitor import Monitor
from gputrack.tracking.run import Tracked
from gputrack.tracking.tangent_run import directions_of


def differentiated_track(
    lattice: Lattice, beam: Beam, turns: int, *, monitors: Sequence[Monitor], progress: Progress,
    backend: Choice, threads: int | None, limit: float, backwards: bool,
) -> Tracked:  # fmt: skip
    """`gputrack.track` for a traced lattice or beam."""
    if backwards:
        raise InputError("track: gradients of backwards tracking are not available; track forwards")
    forward = DifferentiatedRun(lattice, beam, turns, monitors, progress, backend, threads, limit)
    arguments = beam.coordinates, forward.reference_values(), *(box for _, box in forward.traces)
    forward.directions = directions_of(*arguments)
    return forward.result(_tracked(forward, *arguments))


@primitive
def _tracked(forward: DifferentiatedRun, coordinates: Any, reference_values: Any, *values: Any) -> tuple[Any, ...]:
    return forward.run()


def _pull_back(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    forward: DifferentiatedRun = arguments[0]
    shapes = [np.shape(untraced(value)) for value in arguments[3:]]

    def pull(cotangent: Any) -> tuple[Any, ...]:
        if is_traced(cotangent):
            raise InputError("track: second derivatives by reverse mode over reverse mode are not available")
        coordinates, reference, knobs = forward.backward(cotangent)
        bars = [None, coordinates, reference, *(k.reshape(shape) for k, shape in zip(knobs, shapes, strict=True))]
        return tuple(bars[i] for i in argnums)

    return pull


def _push_forward(argnums: Sequence[int], tangents: Any, answer: Any, arguments: Any, _: Any) -> tuple[Any, ...]:
    forward: DifferentiatedRun = arguments[0]
    if forward.directions is None or any(is_traced(value) for value in arguments[1:]):
        raise InputError("track: second derivatives by forward mode over another mode are not available")
    return forward.tangents


defvjp_argnums(_tracked, _pull_back)
defjvp_argnums(_tracked, _push_forward)
