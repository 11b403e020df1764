"""Closed orbit by Newton's method with the exact one-turn matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.backends import Choice
from gputrack.backends.choice import BACKEND
from gputrack.base.arguments import NUMBER, arguments, numbers, optional
from gputrack.base.arrays import is_traced, untraced
from gputrack.base.errors import InputError
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import recording_program, require_single_particles, require_undamped, share_program
from gputrack.optics.linear.stability import no_closed_orbit
from gputrack.optics.linear.trajectory import has_rf, trajectory
from gputrack.optics.maps.transfer_matrices import closed_orbits_and_matrices

_ITERATIONS = 20
_ROUNDING = 1e-14  # steps below rounding
_TOLERANCE = 1e-11  # size of the last step: convergence is quadratic, so that the remaining error is rounding


@arguments(lattice=LATTICE, delta=NUMBER, guess=optional(numbers(6)), backend=BACKEND)
def closed_orbit(
    lattice: Lattice, delta: float = 0.0, guess: np.ndarray | None = None, *, backend: Choice = None
) -> Any:
    """Closed orbit, by Newton's method.

    With a cavity on, all six coordinates are periodic, and the search starts at `delta`. Otherwise x, px, y and
    py are periodic at constant `delta`, and z is 0.

    Parameters
    ----------
    lattice : Lattice
    delta : float
        Relative momentum deviation.
    guess : (6,) array, optional
        Start of the search; by default (0, 0, 0, 0, 0, delta).
    backend : {"array", "host", "cuda"} or Streamed, optional
        Backend of the maps; by default `host`, or without a compiler `array`.

    Returns
    -------
    (6,) array
        Orbit at the start of the lattice; traced if the lattice is.

    Raises
    ------
    InputError
        There is no closed orbit near the guess; or particles radiate and no cavity is on.
    BackendError
        The backend cannot run on this machine.
    """
    return closed_trajectory(lattice, delta, guess, backend)[0, :, 0]


def closed_trajectory(
    lattice: Lattice, delta: Any = 0.0, guess: np.ndarray | None = None, backend: Choice = None
) -> Any:
    """Closed orbit and matrices about it along the lattice, (len(lattice) + 1, 6, 7); see `trajectory`.

    Differentiable with respect to the knobs and the reference of the lattice, and to `delta`.
    """
    require_single_particles(lattice)
    if lattice.traced or is_traced(delta):
        return _traced_trajectory(lattice, delta, guess, backend)
    free = 6 if has_rf(lattice) else 4
    if free == 4:
        require_undamped(lattice, "closed orbit unless a cavity restores the energy")
    orbit = np.array([0.0, 0.0, 0.0, 0.0, 0.0, delta] if guess is None else guess, dtype=float)
    if orbit.shape != (6,) or not np.isfinite(orbit).all():
        raise InputError(f"closed_orbit: delta and guess must be finite numbers, six of them, got {orbit.tolist()}")
    closed, first = False, None
    for _ in range(_ITERATIONS):
        try:
            passed = trajectory(lattice, orbit, backend=backend)
        except InputError:
            if lattice.reference is None:
                raise
            break
        first = passed[-1, :, 1:] if first is None else first
        miss = (passed[-1, :, 0] - orbit)[:free]
        if closed or not miss.any():  # without focusing, every orbit on the axis is closed
            return passed
        try:
            step = np.linalg.solve(np.eye(free) - passed[-1, :free, 1 : 1 + free], miss)
        except np.linalg.LinAlgError:
            break
        size = np.abs(step).max()
        if size < _ROUNDING:
            return passed
        orbit[:free] += step
        closed = bool(size < _TOLERANCE)
    raise no_closed_orbit(lattice, float(delta), first, free)


def _traced_trajectory(lattice: Lattice, delta: Any, guess: np.ndarray | None, backend: Choice) -> Any:
    """`closed_trajectory` of a traced lattice or delta."""
    plain = untraced_lattice(lattice) if lattice.traced else lattice
    found, free = closed_trajectory(plain, float(untraced(delta)), guess, backend), 6 if has_rf(plain) else 4
    return closed_orbits_and_matrices(lattice, recording_program(lattice), found, delta, free, backend)


def untraced_lattice(lattice: Lattice) -> Lattice:
    """Copy with the present values, untraced."""
    plain = lattice.with_reference(lattice.require_reference().plain).with_traces(())
    share_program(lattice, plain)
    return plain
