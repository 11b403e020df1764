"""Orbit and transfer matrices along a lattice as one primitive of autograd.

Everything in linear optics follows from the orbit and the matrices from the start to each element. This primitive
gives both as differentiable functions of knobs, of the reference momentum and of the orbit at the start: forwards
the maps run on dual numbers, backwards their adjoints do, so that one sweep gives the derivative of any function
of all matrices with respect to all magnets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp_argnums, primitive

from gputrack.arrays import is_traced, untraced
from gputrack.backends.base import Launch, Particles, Tangents, make_records
from gputrack.backends.host import HostBackend
from gputrack.backends.matrix_sweep import sweep_matrices
from gputrack.elements.map import ReferenceValues
from gputrack.elements.stops import Stops
from gputrack.errors import InputError
from gputrack.gradient import effective_traces
from gputrack.lattice import Lattice
from gputrack.map_program import bare, driven, traced_program
from gputrack.parameter_adjoint import knob_gradient
from gputrack.program import compile_program

#: finite, so that its square is a number
_LIMIT = 1e100


def orbits_and_matrices(lattice: Lattice, orbit: Any, stops: Stops | None = None) -> Any:
    """Orbit, and derivatives with respect to that at the start, at the entrance of every element and at the end.

    Parameters
    ----------
    lattice : Lattice
        Knobs that are being differentiated, and a traced reference, are followed.
    orbit : (6,) array
        At the start; may be traced.
    stops : Stops, optional
        Places inside elements, too; rows are in the order of passage.

    Returns
    -------
    array (len(lattice) + 1 + stops, 6, 7)
        ``[:, :, 0]`` the orbit, ``[:, :, 1:]`` the matrix from the start. Traced where an argument is.

    Raises
    ------
    InputError
        The orbit does not reach the end.
    """
    run = _Passage(lattice, stops)
    reference = anp.array(list(ReferenceValues.of(lattice.require_reference())))
    arguments = [orbit, reference, *(box for _, box in run.traces)]
    if any(is_traced(value) for value in arguments):
        return _passed(run, *arguments)
    return run.forward(np.asarray(orbit, dtype=float))


class _Passage:
    """A passage forwards, remembered for its sweep."""

    def __init__(self, lattice: Lattice, stops: Stops | None) -> None:
        plain = lattice.with_reference(lattice.require_reference().plain)
        self.traces = effective_traces(lattice.traces)
        self.lattice = plain
        if stops is None:
            self.count, self.program = len(plain), traced_program(lattice)
        else:
            whole = bare(lattice, traced=True)
            self.count, self.program = stops.total, compile_program(whole, (), driven(lattice), stops)

    def _launch(self) -> Launch:
        records = make_records([(1, self.count)], 6, np)
        return Launch(self.program, self.lattice.require_reference(), 0, 1, _LIMIT, records)

    def forward(self, orbit: np.ndarray) -> np.ndarray:
        """Orbits and matrices (count + 1, 6, 7)."""
        if orbit.shape != (6,) or not np.isfinite(orbit).all():
            raise InputError(f"orbits_and_matrices: orbit must be six finite numbers, got {orbit!r}")
        launch = self._launch()
        self.particles = _columns(orbit)
        self.tangents = np.eye(6)
        zeros = np.zeros(len(self.program.constants)), np.zeros(len(ReferenceValues._fields))
        flat = HostBackend(1).step_tangent(self.particles, Tangents(self.tangents, *zeros), launch)
        if self.particles.loss_code.any() or not np.isfinite(self.particles.coordinates).all():
            raise InputError(f"Lattice {self.lattice.name!r}: the orbit {orbit.tolist()} does not reach the end")
        start = np.concatenate([orbit[:, None], np.eye(6)], axis=1)
        orbits = launch.records.views[0][0][:, :, :1]
        matrices = flat.reshape(launch.records.views[0].shape)[0]
        return np.concatenate([start[None], np.concatenate([orbits, matrices], axis=2)])

    def backward(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Derivatives with respect to the orbit, the reference's values and each set of knobs."""
        launch = self._launch()
        particles = _columns(self.particles.coordinates[:, 0])
        seeds = np.ascontiguousarray(bar[1:, :, 1:]).reshape(-1)
        # all columns have the same orbit: one of them carries its cotangents
        orbit_seeds = np.zeros((self.count, 6, 6))
        orbit_seeds[:, :, 0] = bar[1:, :, 0]
        cotangents, orbit_cotangents = np.zeros((6, 6)), np.zeros((6, 6))
        gradient = sweep_matrices(
            particles, self.tangents.copy(), launch, cotangents, orbit_cotangents, seeds, orbit_seeds.reshape(-1)
        )
        n = len(self.program.constants)
        orbit_bar = orbit_cotangents.sum(axis=1) + bar[0, :, 0]
        return orbit_bar, gradient[n:], [knob_gradient(self.program, gradient, knobs) for knobs, _ in self.traces]


def _columns(orbit: np.ndarray) -> Particles:
    coordinates = np.repeat(orbit[:, None], 6, axis=1)
    return Particles(
        np.ascontiguousarray(coordinates), np.zeros(6, np.int32), np.full(6, -1, np.int64), np.full(6, -1, np.int32)
    )


@primitive
def _passed(run: _Passage, orbit: Any, reference: Any, *values: Any) -> np.ndarray:
    return run.forward(np.array(orbit, dtype=float))


def _pull_back(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    run: _Passage = arguments[0]
    shapes = [np.shape(untraced(value)) for value in arguments[3:]]

    def pull(bar: Any) -> tuple[Any, ...]:
        if any(is_traced(value) for value in (bar, *arguments[1:])):
            raise InputError("orbits_and_matrices: second derivatives by reverse mode are not available")
        orbit, reference, knobs = run.backward(np.asarray(bar))
        bars = [None, orbit, reference, *(k.reshape(shape) for k, shape in zip(knobs, shapes, strict=True))]
        return tuple(bars[i] for i in argnums)

    return pull


defvjp_argnums(_passed, _pull_back)
