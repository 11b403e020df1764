"""Orbit and transfer matrices along a lattice as one primitive of autograd.

Everything in linear optics follows from the orbit and the matrices from the start to each element. This primitive
gives both as differentiable functions of knobs, of the reference momentum and of the orbit at the start: forwards
the maps run on dual numbers, backwards their adjoints do, so that one sweep gives the derivative of any function
of all matrices with respect to all magnets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from autograd.extend import defvjp_argnums

from gputrack.autodiff.second_derivatives import require_first_derivatives
from gputrack.backends.host.backend import HostBackend
from gputrack.backends.host.matrix_adjoint import sweep_matrices
from gputrack.backends.protocol import Launch, Particles, Records, Tangents, make_records
from gputrack.base.arrays import is_traced
from gputrack.base.errors import InputError
from gputrack.base.primitive import primitive
from gputrack.elements.map import ReferenceValues
from gputrack.elements.observation import ObservationPoints
from gputrack.lattice.knob_trace import traced_values
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import bare, driven, recording_program, without_records
from gputrack.lattice.program import compile_program

#: finite, so that its square is a number
_LIMIT = 1e100


def orbits_and_matrices(lattice: Lattice, orbit: Any, points: ObservationPoints | None = None) -> Any:
    """Orbit, and derivatives with respect to that at the start, at the entrance of every element and at the end.

    Parameters
    ----------
    lattice : Lattice
        Knobs that are being differentiated, and a traced reference, are followed.
    orbit : (6,) array
        At the start; may be traced.
    points : ObservationPoints, optional
        Places inside elements, too; rows are in the order of passage.

    Returns
    -------
    array (len(lattice) + 1 + points, 6, 7)
        ``[:, :, 0]`` the orbit, ``[:, :, 1:]`` the matrix from the start. Traced where an argument is.

    Raises
    ------
    InputError
        The orbit does not reach the end.
    """
    run = _Passage(lattice, points)
    values = traced_values(lattice, run.program)
    if is_traced(orbit) or is_traced(values):
        return _passed(run, orbit, values)
    return run.forward(np.asarray(orbit, dtype=float))


class _Passage:
    """A passage forwards, remembered for its sweep."""

    def __init__(self, lattice: Lattice, points: ObservationPoints | None) -> None:
        plain = lattice.with_reference(lattice.require_reference().plain)
        self.lattice = plain
        if points is None:
            self.count, self.program = len(plain), recording_program(lattice)
        else:
            whole = bare(lattice, traced=True)
            self.count, self.program = points.total, compile_program(whole, (), driven(lattice), points)

    def forward(self, orbit: np.ndarray) -> np.ndarray:
        """Orbits and matrices (count + 1, 6, 7)."""
        if orbit.shape != (6,) or not np.isfinite(orbit).all():
            raise InputError(f"orbits_and_matrices: orbit must be six finite numbers, got {orbit!r}")
        launch = Launch(self.program, self.lattice.require_reference(), 0, 1, _LIMIT, self._records())
        particles, tangents = _columns(orbit, 6), np.eye(6)
        zeros = np.zeros(len(self.program.constants)), np.zeros(len(ReferenceValues._fields))
        flat = HostBackend(1).step_tangent(particles, Tangents(tangents, *zeros), launch)
        if particles.loss_code.any() or not np.isfinite(particles.coordinates).all():
            raise InputError(f"Lattice {self.lattice.name!r}: the orbit {orbit.tolist()} does not reach the end")
        start = np.concatenate([orbit[:, None], np.eye(6)], axis=1)
        orbits = launch.records.views[0][0][:, :, :1]
        matrices = flat.reshape(launch.records.views[0].shape)[0]
        self.end = np.concatenate([particles.coordinates[:, :1], tangents], axis=1)
        return np.concatenate([start[None], np.concatenate([orbits, matrices], axis=2)])

    def _records(self) -> Records:
        return make_records([(1, self.count)], 6, np)

    def backward(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives with respect to the orbit at the start; to the program's constants, then the reference's values.

        Parameters
        ----------
        bar : (count + 1, 6, 7) array
            Those with respect to orbits and matrices.
        """
        if not bar[1:].any():
            return bar[0, :, 0], np.zeros(len(self.program.constants) + len(ReferenceValues._fields))
        seeds = np.ascontiguousarray(bar[1:, :, 1:]).reshape(-1)
        # all columns have the same orbit: one of them carries its cotangents
        orbit_seeds = np.zeros((self.count, 6, 6))
        orbit_seeds[:, :, 0] = bar[1:, :, 0]
        launch = Launch(self.program, self.lattice.require_reference(), 0, 1, _LIMIT, self._records())
        orbit_bar, gradient = self._swept(launch, 6, np.zeros(6), seeds, orbit_seeds.reshape(-1))
        return orbit_bar + bar[0, :, 0], gradient

    def backward_from_end(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of a function of the orbit at the end alone, whose derivatives `bar` (6,) are."""
        records = make_records([], 1, np)
        launch = Launch(without_records(self.program), self.lattice.require_reference(), 0, 1, _LIMIT, records)
        return self._swept(launch, 1, bar, np.zeros(1), np.zeros(1))

    def solved(self, turn: np.ndarray, orbit_bar: np.ndarray) -> np.ndarray:
        """(1 - M)^-T times the cotangents of an orbit that closes, M its matrix (free, free)."""
        try:
            return np.linalg.solve(np.eye(len(turn)) - turn.T, orbit_bar)
        except np.linalg.LinAlgError:
            name = self.lattice.name
            raise InputError(f"Lattice {name!r}: its closed orbit has no gradient, it may lie anywhere") from None

    def _swept(
        self, launch: Launch, columns: int, bar: np.ndarray, seeds: np.ndarray, orbit_seeds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        particles, tangents = _columns(self.end[:, 0], columns), np.ascontiguousarray(self.end[:, 1 : 1 + columns])
        cotangents, orbit_cotangents = np.zeros((2, 6, columns))
        orbit_cotangents[:, 0] = bar
        gradient = sweep_matrices(particles, tangents, launch, cotangents, orbit_cotangents, seeds, orbit_seeds)
        return orbit_cotangents.sum(axis=1), gradient


def _columns(orbit: np.ndarray, count: int) -> Particles:
    alive = np.zeros(count, np.int32), np.full(count, -1, np.int64), np.full(count, -1, np.int32)
    return Particles(np.ascontiguousarray(np.repeat(orbit[:, None], count, axis=1)), *alive)


@primitive
def _passed(run: _Passage, orbit: Any, values: Any) -> np.ndarray:
    return run.forward(np.array(orbit, dtype=float))


def _pull_back(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    run: _Passage = arguments[0]

    def pull(bar: Any) -> tuple[Any, ...]:
        require_first_derivatives(bar, *arguments[1:])
        bars = [None, *run.backward(np.asarray(bar))]
        return tuple(bars[i] for i in argnums)

    return pull


defvjp_argnums(_passed, _pull_back)


# -- about an orbit that closes ----------------------------------------------------------------------------------------


def closed_orbits_and_matrices(lattice: Lattice, found: np.ndarray, delta: Any, free: int) -> Any:
    """What `orbits_and_matrices` gives for a closed orbit, as a function of knobs, reference and momentum.

    The orbit at the start is the implicit function x = F(x, p): dx = (1 - dF/dx)^-1 dF/dp. Backwards, the cotangent
    of x by all orbits and matrices is first found, then that of the orbit after a turn: (1 - dF/dx)^-T times it.

    Parameters
    ----------
    lattice : Lattice
        Being differentiated.
    found : (len(lattice) + 1, 6, 7) array
        Its closed orbit and the matrices about it.
    delta : float
        Momentum deviation, which may be traced.
    free : int
        How many coordinates repeat after a turn: 4 at this delta, or all 6, whatever delta.
    """
    run = _Passage(lattice, None)
    run.end = found[-1]
    return _closed(run, found, free, delta, traced_values(lattice, run.program))


@primitive
def _closed(run: _Passage, found: np.ndarray, free: int, delta: Any, values: Any) -> np.ndarray:
    return found


def _pull_closed(argnums: Sequence[int], found: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    run: _Passage = arguments[0]
    free: int = arguments[2]

    def pull(bar: Any) -> tuple[Any, ...]:
        require_first_derivatives(bar, *arguments[3:])
        orbit, gradient = run.backward(np.asarray(bar))
        after = np.zeros(6)
        after[:free] = run.solved(found[-1, :free, 1 : 1 + free], orbit[:free])
        again, more = run.backward_from_end(after)
        delta = orbit[5] + again[5] if free == 4 else 0.0
        bars = [None, None, None, np.asarray(delta), gradient + more]
        return tuple(bars[i] for i in argnums)

    return pull


defvjp_argnums(_closed, _pull_closed)
