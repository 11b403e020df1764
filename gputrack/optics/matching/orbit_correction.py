"""Correction of the closed orbit by singular value decomposition of its exact response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear

from gputrack.base.arguments import NUMBER, arguments, integer
from gputrack.base.checks import require_integer, require_unmasked, short
from gputrack.base.errors import InputError
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.places import Range
from gputrack.optics.matching.orbit_response import MONITORS, OrbitResponse, bound_correctors, orbit_response

#: the correction ends when a step changes the orbit by less than this [m]
_CONVERGED = 1e-10
#: regularisation of kicks that the response does not determine, relative to the largest singular value
_REGULARISATION = 1e-9


@dataclass(frozen=True)
class Strongest:
    """Use a given number of the largest singular values."""

    number: int

    def __post_init__(self) -> None:
        require_integer("Strongest", "number", self.number, at_least=1)

    def count(self, values: np.ndarray) -> int:
        """Number of singular values, largest first, that are used."""
        if self.number > len(values):
            raise InputError(f"Strongest: number must be <= {len(values)} (singular values), got {self.number}")
        return self.number


@dataclass(frozen=True)
class Above:
    """Use singular values above a fraction of the largest one."""

    fraction: float = 1e-3

    def __post_init__(self) -> None:
        if not isinstance(self.fraction, (int, float)) or not 0.0 <= self.fraction < 1.0:
            raise InputError(f"Above: fraction must be from 0 to 1, got {short(self.fraction)}")

    def count(self, values: np.ndarray) -> int:
        """Number of singular values, largest first, that are used."""
        return int(np.sum(values > self.fraction * values[0]))


@dataclass(frozen=True, eq=False, repr=False)
class OrbitCorrection:
    """Result of an orbit correction.

    Attributes
    ----------
    lattice : Lattice
        Lattice with the new corrector values.
    knobs : Knobs
        Correctors with their initial values.
    values : (k,) array
        New values of the correctors.
    before, after : (2 m,) arrays
        Orbit at the monitors relative to the goal, x, then y [m].
    history : tuple of float
        Its rms [m] before each step and after the last one.
    singular_values : (min(2 m, k),) array
        Singular values of the response before the last step, largest first [m per unit of the knobs].
    kept : int
        Number of singular values used.
    at_limit : tuple of str
        Handles of correctors at a bound.
    response : OrbitResponse
        Response at the corrected orbit.
    """

    lattice: Lattice
    knobs: Knobs
    values: np.ndarray
    before: np.ndarray
    after: np.ndarray
    history: tuple[float, ...]
    singular_values: np.ndarray
    kept: int
    at_limit: tuple[str, ...]
    response: OrbitResponse

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.history) - 1

    def __repr__(self) -> str:
        monitors, used = len(self.before) // 2, f"{self.kept} of {len(self.singular_values)} singular values"
        lines = [f"<OrbitCorrection of {self.lattice.name!r}: {used}, {self.steps} steps"]
        for plane, rows in (("x", slice(None, monitors)), ("y", slice(monitors, None))):
            rms, peak = (
                " -> ".join(f"{size(orbit[rows]):.4g}" for orbit in (self.before, self.after)) for size in (_rms, _peak)
            )
            lines.append(f"  {plane} at {monitors} monitors: rms {rms} m, largest {peak} m")
        change = self.values - self.knobs.values
        lines.append(f"  {len(self.knobs)} correctors changed by rms {_rms(change):.4g}, at most {_peak(change):.4g}")
        if self.at_limit:
            lines.append(f"  at their bounds: {', '.join(self.at_limit)}")
        return "\n".join(lines) + ">"


@arguments(lattice=LATTICE, monitors=MONITORS, steps=integer(1), delta=NUMBER)
def correct_orbit(
    lattice: Lattice, correctors: Knobs, monitors: str | Range, *, singular_values: Strongest | Above | None = None,
    goal: Any = None, bounds: tuple[float, float] | None = None, steps: int = 10, delta: float = 0.0,
) -> OrbitCorrection:  # fmt: skip
    """Correct the closed orbit at monitors in both planes, by singular value decomposition of its exact response.

    Newton's method: each step uses the response at the present orbit, so that a few steps suffice, also far from the
    axis. Components of the orbit that belong to unused singular values are not corrected.

    Parameters
    ----------
    lattice : Lattice
        A ring; with cavities on, the six-dimensional orbit is corrected.
    correctors : Knobs
        One for each corrector: ``ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)``.
    monitors : str or Range
        Glob pattern of names of elements, or a range.
    singular_values : Strongest or Above, optional
        Selection of singular values; default ``Above(1e-3)``.
    goal : (2 m,) array, optional
        Required orbit at the monitors, x, then y [m]; default 0.
    bounds : (lower, upper), optional
        Bounds of the values of all correctors.
    steps : int
        Maximum number of steps.
    delta : float
        Relative momentum deviation.

    Returns
    -------
    OrbitCorrection
        Its `at_limit` lists correctors at their bounds.

    Raises
    ------
    InputError
        An argument is invalid, or there is no closed orbit after a step.
    """
    correctors = bound_correctors("correct_orbit", lattice, correctors)
    selection = Above() if singular_values is None else singular_values
    if not isinstance(selection, (Strongest, Above)):
        raise InputError(f"correct_orbit: singular_values must be gputrack.Strongest or Above, got {selection!r}")
    low, high = _bounds(correctors, bounds)
    values, changed = correctors.values, lattice
    response = orbit_response(lattice, correctors, monitors, delta=delta)
    required = _goal(goal, len(response.orbit))
    orbits = [response.orbit - required]
    while True:
        size, kept, step = _step(response.matrix, orbits[-1], selection, low - values, high - values)
        values = np.clip(values + step, low, high)
        changed = lattice.with_knobs(correctors, values)
        start = response.twiss.whole.orbit if response.twiss.whole is not None else None
        response = orbit_response(changed, correctors, monitors, delta=delta, guess=start)
        orbits.append(response.orbit - required)
        if np.abs(orbits[-1] - orbits[-2]).max() < _CONVERGED or len(orbits) > steps:
            break
    at_limit = tuple(k.handle for k, value in zip(correctors, values, strict=True) if value in (low, high))
    return OrbitCorrection(
        changed, correctors, values, orbits[0], orbits[-1], tuple(map(_rms, orbits)), size, kept, at_limit, response
    )


def _step(
    matrix: np.ndarray, orbit: np.ndarray, selection: Strongest | Above, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, int, np.ndarray]:
    """Singular values, the number used, and the change of the correctors within bounds."""
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    kept = selection.count(sizes)
    required = -left[:, :kept].T @ orbit
    step = right[:kept].T @ (required / sizes[:kept])
    if (step < low).any() or (step > high).any():
        damped = np.vstack([sizes[:kept, None] * right[:kept], _REGULARISATION * sizes[0] * np.eye(len(step))])
        right_side = np.concatenate([required, np.zeros(len(step))])
        step = lsq_linear(damped, right_side, (np.minimum(low, 0.0), np.maximum(high, 0.0)), method="bvls").x
    return sizes, kept, step


def _bounds(correctors: Knobs, bounds: Any) -> tuple[float, float]:
    if bounds is None:
        return -np.inf, np.inf
    try:
        low, high = (float(value) for value in bounds)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"correct_orbit: bounds must be two numbers, got {short(bounds)}") from None
    if not low < high:
        raise InputError(f"correct_orbit: bounds must be (lower, upper), lower < upper, got {short(bounds)}")
    for knob in correctors:
        if not low <= knob.value <= high:
            raise InputError(f"correct_orbit: {knob.handle!r} starts at {knob.value:.6g}, outside ({low:g}, {high:g})")
    return low, high


def _goal(goal: Any, size: int) -> np.ndarray:
    if goal is None:
        return np.zeros(size)
    require_unmasked("correct_orbit", "goal", goal)
    try:
        required = np.array(goal, dtype=float)
    except (TypeError, ValueError, OverflowError):
        required = np.zeros(0)
    if required.shape != (size,) or not np.isfinite(required).all():
        raise InputError(f"correct_orbit: goal must be {size} finite numbers [m], x then y, got {short(goal)}")
    return required


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _peak(values: np.ndarray) -> float:
    return float(np.abs(values).max())
