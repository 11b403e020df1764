"""Bounded least squares of equations and limits, by the Levenberg-Marquardt method with exact Jacobians.

Each step solves the linearised problem with its bounds and limits exactly (`scipy.optimize.lsq_linear`): the value of a
limited quantity is an additional bounded variable, so that steps follow limits instead of crossing them. Limits enter
when they are violated or when a step would violate them; derivatives of the others are not computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

#: the search ends when the sum of squares decreases by less than this fraction
_CONVERGED = 1e-8
_LEAST_DAMPING, _FIRST_DAMPING, _MOST_DAMPING = 1e-14, 1e-3, 1e12


@dataclass(frozen=True)
class Rows:
    """Conditions on values: between `low` and `high`, which are equal for equations, with weights of deviations."""

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray

    def misses(self, values: np.ndarray) -> np.ndarray:
        """Weighted deviations, 0 within limits."""
        differences: np.ndarray = self.weight * (values - np.clip(values, self.low, self.high))
        return differences


Values = Callable[[np.ndarray], np.ndarray | None]
Pull = Callable[[int], np.ndarray]


def solve(
    values: Values, derivatives: Callable[[np.ndarray], Pull], rows: Rows, start: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray], enough: float, finished: Callable[[], bool],
) -> np.ndarray:  # fmt: skip
    """Arguments that minimise the sum of squares of `rows.misses`, from `start`.

    Parameters
    ----------
    values : callable
        All values at given arguments, or None if they are not defined.
    derivatives : callable
        At given arguments, a function that returns the derivatives (arguments,) of one value.
    rows : Rows
    start : (k,) array
    bounds : two (k,) arrays
    enough : float
        Largest deviation at which the search ends.
    finished : callable
        Whether to stop, called before each evaluation.
    """
    point, first = start, values(start)
    assert first is not None, "values are defined at the start"
    current, damping, active = first, 0.0, _numbers(rows.low == rows.high)
    while np.abs(rows.misses(current)).max() > enough:
        pull, cost = derivatives(point), float(np.sum(rows.misses(current) ** 2))
        active |= _numbers(rows.misses(current))
        slopes: dict[int, np.ndarray] = {}
        while True:
            slopes |= {row: pull(row) for row in sorted(active - slopes.keys())}
            step, predicted = _step(slopes, rows, current, point, bounds, damping)
            if finished() or cost - predicted <= _CONVERGED * cost or damping > _MOST_DAMPING:
                return point
            trial = np.clip(point + step, *bounds)
            trial_values = values(trial)
            broken: set[int] = set()
            if trial_values is not None:
                reached = float(np.sum(rows.misses(trial_values) ** 2))
                broken = _numbers(rows.misses(trial_values)) - active
                active |= broken
                if reached < cost - 1e-3 * (cost - predicted):
                    break
            if not broken:
                damping = max(10.0 * damping, _FIRST_DAMPING)
        reliable = reached < cost - 0.5 * (cost - predicted)
        damping = 0.0 if damping <= _FIRST_DAMPING and reliable else 0.2 * damping
        point, current = trial, trial_values
    return point


def _numbers(mask: np.ndarray) -> set[int]:
    return set(np.flatnonzero(mask).tolist())


def _step(
    slopes: dict[int, np.ndarray], rows: Rows, current: np.ndarray, point: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray], damping: float,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Step of the linearised problem, and the predicted sum of squares."""
    selected = np.array(sorted(slopes))
    weight = rows.weight[selected]
    table = weight[:, None] * np.array([slopes[row] for row in selected])
    scale = np.linalg.norm(table, axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    limits = np.flatnonzero(rows.low[selected] != rows.high[selected])
    free = np.zeros((len(selected), len(limits)))  # coefficients of the limited values
    free[limits, np.arange(len(limits))] = -1.0
    goal = np.where(rows.low[selected] == rows.high[selected], rows.low[selected], 0.0)
    k = len(point)
    damped = np.hstack([np.sqrt(damping + _LEAST_DAMPING) * np.eye(k), np.zeros((k, len(limits)))])
    matrix = np.vstack([np.hstack([table / scale, free]), damped])
    right = np.concatenate([weight * (goal - current[selected]), np.zeros(k)])
    low = np.concatenate([(bounds[0] - point) * scale, (weight * rows.low[selected])[limits]])
    high = np.concatenate([(bounds[1] - point) * scale, (weight * rows.high[selected])[limits]])
    solved = lsq_linear(matrix, right, (low, high), method="bvls", tol=1e-14)
    left = matrix[: len(selected)] @ solved.x - right[: len(selected)]
    return solved.x[:k] / scale, float(left @ left)
