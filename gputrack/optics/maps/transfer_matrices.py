"""Orbit and transfer matrices along a lattice as a primitive of autograd.

Linear optics follow from the orbit and the matrices from the start to each element. This primitive gives both as
differentiable functions of knobs, of the reference momentum and of the orbit at the start. The forward pass and the
adjoint use dual numbers, so that one sweep gives the derivative of any function of all matrices with respect to all
magnets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from autograd.extend import defvjp_argnums

from gputrack.autodiff.second_derivatives import require_first_derivatives
from gputrack.backends import Choice
from gputrack.base.arrays import is_traced
from gputrack.base.errors import InputError
from gputrack.base.primitive import primitive
from gputrack.lattice.knob_trace import traced_values
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import without_records
from gputrack.lattice.program import Program
from gputrack.optics.maps.single_pass import Pass


def orbits_and_matrices(
    lattice: Lattice, program: Program, orbit: Any, places: int, backend: Choice = None
) -> Any:
    """Orbit and matrices from the start, at the start and at all recorded places.

    Parameters
    ----------
    lattice : Lattice
        Its knobs and reference may be traced.
    program : Program
        Program of the lattice, with its knobs in the maps, and with records.
    orbit : (6,) array
        Orbit at the start; may be traced.
    places : int
        Number of recorded places.
    backend : str or Streamed, optional
        See `gputrack.backends.choose_backend`.

    Returns
    -------
    array (1 + places, 6, 7)
        ``[:, :, 0]`` is the orbit, ``[:, :, 1:]`` the matrix from the start. Traced if an argument is.

    Raises
    ------
    InputError
        A particle on the orbit is lost before the end.
    """
    run = _Matrices(Pass(lattice, program, places, backend))
    if lattice.traced or is_traced(orbit):
        return _passed(run, orbit, traced_values(lattice, program))
    return run.forward(np.asarray(orbit, dtype=float))


class _Matrices:
    """Forward pass, with its final state for the backward sweep."""

    def __init__(self, single: Pass) -> None:
        self.single = single

    def forward(self, orbit: np.ndarray) -> np.ndarray:
        """Orbits and matrices (1 + places, 6, 7)."""
        recorded, self.end = self.single.matrices(orbit)
        start = np.concatenate([orbit[:, None], np.eye(6)], axis=1)
        return np.concatenate([start[None], recorded])

    def backward(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives with respect to the orbit at the start; and to constants and reference.

        Parameters
        ----------
        bar : (1 + places, 6, 7) array
            Derivatives with respect to orbits and matrices.
        """
        if not bar[1:].any():
            return bar[0, :, 0], np.zeros(self.single.gradient_size)
        orbit_bar, gradient = self.single.matrices_adjoint(self.end, np.zeros((6, 7)), bar[1:])
        return orbit_bar + bar[0, :, 0], gradient


@primitive
def _passed(run: _Matrices, orbit: Any, values: Any) -> np.ndarray:
    return run.forward(np.array(orbit, dtype=float))


def _pull_back(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    run: _Matrices = arguments[0]

    def pull(bar: Any) -> tuple[Any, ...]:
        require_first_derivatives(bar, *arguments[1:])
        bars = [None, *run.backward(np.asarray(bar))]
        return tuple(bars[i] for i in argnums)

    return pull


defvjp_argnums(_passed, _pull_back)


# -- about a closed orbit ----------------------------------------------------------------------------------------------


def closed_orbits_and_matrices(
    lattice: Lattice, program: Program, found: np.ndarray, delta: Any, free: int, backend: Choice = None
) -> Any:
    """Closed orbit and matrices about it, as `orbits_and_matrices`, as a function of knobs, reference and momentum.

    The orbit at the start is the implicit function x = F(x, p): dx = (1 - dF/dx)^-1 dF/dp. The adjoint first sums the
    cotangents of x from all orbits and matrices; (1 - dF/dx)^-T times it is the cotangent of the orbit after a turn.

    Parameters
    ----------
    lattice : Lattice
        Traced.
    program : Program
        Program of the lattice, with its knobs in the maps, and with a record after every element.
    found : (len(lattice) + 1, 6, 7) array
        Its closed orbit and the matrices about it.
    delta : float
        Momentum deviation, which may be traced.
    free : int
        Number of periodic coordinates: 4 at constant delta, or all 6.
    backend : str or Streamed, optional
    """
    run = _Closed(lattice, program, found, free, backend)
    return _closed(run, delta, traced_values(lattice, program))


class _Closed:
    """Pass about a closed orbit, and its backward sweep."""

    def __init__(self, lattice: Lattice, program: Program, found: np.ndarray, free: int, backend: Choice) -> None:
        self.name, self.found, self.free = lattice.name, found, free
        self.along = _Matrices(Pass(lattice, program, len(lattice), backend))
        self.along.end = found[-1]
        self.turn = Pass(lattice, without_records(program), 0, backend)

    def backward(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives with respect to delta; and to constants and reference."""
        orbit_bar, gradient = self.along.backward(bar)
        # dx/dp needs only the orbit at the end; the sweep includes one column of the matrix
        end_bar = np.zeros((6, 2))
        end_bar[: self.free, 0] = self._solved(orbit_bar[: self.free])
        again, more = self.turn.matrices_adjoint(self.found[-1, :, :2], end_bar)
        delta_bar = orbit_bar[5] + again[5] if self.free == 4 else 0.0
        return np.asarray(delta_bar), gradient + more

    def _solved(self, orbit_bar: np.ndarray) -> np.ndarray:
        """(1 - M)^-T times cotangents of the closed orbit, with the one-turn matrix M (free, free)."""
        turn = self.found[-1, : self.free, 1 : 1 + self.free]
        try:
            return np.linalg.solve(np.eye(self.free) - turn.T, orbit_bar)
        except np.linalg.LinAlgError:
            raise InputError(
                f"Lattice {self.name!r}: the closed orbit is not unique and has no gradient: a tune is an integer"
            ) from None


@primitive
def _closed(run: _Closed, delta: Any, values: Any) -> np.ndarray:
    return run.found


def _pull_closed(argnums: Sequence[int], found: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    run: _Closed = arguments[0]

    def pull(bar: Any) -> tuple[Any, ...]:
        require_first_derivatives(bar, *arguments[1:])
        bars = [None, *run.backward(np.asarray(bar))]
        return tuple(bars[i] for i in argnums)

    return pull


defvjp_argnums(_closed, _pull_closed)
