"""Closed orbit by Newton's method, and the one-turn matrix around it, both from tracked particles."""

from __future__ import annotations

import numpy as np

from gputrack.elements import RFCavity
from gputrack.errors import InputError
from gputrack.lattice import Lattice
from gputrack.optics.passage import passage, passage_program
from gputrack.program import Program

#: steps in x, px, y, py, z, delta: where truncation (step^4) and rounding (1/step) are both far below 1e-8
STEPS = np.array([3e-6, 3e-7, 3e-6, 3e-7, 1e-5, 1e-5])
_OFFSETS = (-2.0, -1.0, 1.0, 2.0)
_WEIGHTS = (1.0 / 12.0, -2.0 / 3.0, 2.0 / 3.0, -1.0 / 12.0)
_ITERATIONS = 20
_TOLERANCE = 1e-11  # size of the last step; the error that is left is some 1e-9 of it


def has_rf(lattice: Lattice) -> bool:
    """Whether a cavity is switched on, so that the energy of particles can change."""
    return any(isinstance(element, RFCavity) and element.voltage for element in lattice)


def bunch_around(orbit: np.ndarray) -> np.ndarray:
    """The orbit, and four particles displaced from it along each coordinate, shape (6, 25)."""
    bunch = np.repeat(np.asarray(orbit, dtype=float)[:, None], 25, axis=1)
    for j in range(6):
        bunch[j, 1 + 4 * j : 5 + 4 * j] += np.array(_OFFSETS) * STEPS[j]
    return bunch


def matrix_of(bunch: np.ndarray) -> np.ndarray:
    """Derivatives from where `bunch_around` arrived: (..., 6, 25) to (..., 6, 6)."""
    moved = bunch[..., 1:].reshape(*bunch.shape[:-1], 6, 4)
    return (moved @ np.array(_WEIGHTS)) / STEPS


def _turn(lattice: Lattice, orbit: np.ndarray, program: Program | None = None) -> np.ndarray:
    return passage(lattice, bunch_around(orbit), program)[-1]


def finite_difference_matrix(lattice: Lattice, orbit: np.ndarray | None = None) -> np.ndarray:
    """Transfer matrix by central differences (fourth order) of tracked particles.

    Parameters
    ----------
    lattice : Lattice
    orbit : (6,) array, optional
        Where to differentiate; the reference orbit where not given.

    Returns
    -------
    (6, 6) array
        d(final)/d(initial) of (x, px, y, py, z, delta), good to about 1e-9 of its entries.

    Raises
    ------
    InputError
        The particles do not reach the end.
    """
    matrix = matrix_of(_turn(lattice, np.zeros(6) if orbit is None else orbit))
    if not np.isfinite(matrix).all():
        raise InputError(f"Lattice {lattice.name!r}: particles near the orbit {orbit} do not reach the end")
    return matrix


def closed_orbit(lattice: Lattice, delta: float = 0.0, guess: np.ndarray | None = None) -> np.ndarray:
    """Coordinates that repeat after one turn, by Newton's method.

    With a cavity switched on all six repeat, and `delta` is where the search starts. Otherwise x, px, y and
    py repeat at fixed `delta`, and z is 0.

    Parameters
    ----------
    lattice : Lattice
    delta : float
        Relative momentum deviation.
    guess : (6,) array, optional
        Where to start; (0, 0, 0, 0, 0, delta) where not given.

    Returns
    -------
    (6,) array
        Orbit at the start of the lattice.

    Raises
    ------
    InputError
        There is no closed orbit near the guess.
    """
    free = 6 if has_rf(lattice) else 4
    orbit = np.array([0.0, 0.0, 0.0, 0.0, 0.0, delta] if guess is None else guess, dtype=float)
    program = passage_program(lattice)
    for _ in range(_ITERATIONS):
        arrived = _turn(lattice, orbit, program)
        matrix, miss = matrix_of(arrived)[:free, :free], (arrived[:, 0] - orbit)[:free]
        if not (np.isfinite(matrix).all() and np.isfinite(miss).all()):
            break
        if not miss.any():  # a straight line closes, though it does not determine the orbit
            return orbit
        try:
            step = np.linalg.solve(np.eye(free) - matrix, miss)
        except np.linalg.LinAlgError:
            break
        orbit[:free] += step
        if np.abs(step).max() < _TOLERANCE:
            return orbit
    raise InputError(f"Lattice {lattice.name!r}: no closed orbit found at delta = {delta:g}; {_hint(free)}")


def _hint(free: int) -> str:
    if free == 6:
        return "check the lag and the voltage of the cavities"
    return "the ring may be on an integer resonance, or is a beam line"
