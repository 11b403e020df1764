"""Bounded least squares of equations and limits, by Levenberg and Marquardt's method with exact Jacobians.

Each step solves the linearised problem with its bounds and limits exactly (`scipy.optimize.lsq_linear`): what a limit
leaves free is a variable of its own, bounded by the limit, so that steps go along limits and not over them. Limits
enter it when they are broken, or when a step would break them: all others cost no derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

#: a sum of squares that falls by less than this part of it has come to rest
_AT_REST = 1e-8
_LEAST_DAMPING, _FIRST_DAMPING, _MOST_DAMPING = 1e-14, 1e-3, 1e12


@dataclass(frozen=True)
class Rows:
    """What is asked of values: between `low` and `high`, which are equal for equations; differences are weighted."""

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray

    def misses(self, values: np.ndarray) -> np.ndarray:
        """Weighted differences, 0 within limits."""
        differences: np.ndarray = self.weight * (values - np.clip(values, self.low, self.high))
        return differences


Values = Callable[[np.ndarray], np.ndarray | None]
Pull = Callable[[int], np.ndarray]


def solve(
    values: Values, derivatives: Callable[[np.ndarray], Pull], rows: Rows, start: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray], enough: float, finished: Callable[[], bool],
) -> np.ndarray:  # fmt: skip
    """Arguments that make the sum of squares of `rows.misses` least, from `start`.

    Parameters
    ----------
    values : callable
        All values at some arguments; None where there are none.
    derivatives : callable
        At some arguments, what gives the derivatives (arguments,) of one value.
    rows : Rows
    start : (k,) array
    bounds : two (k,) arrays
    enough : float
        A largest miss below which nothing is left to do.
    finished : callable
        Whether to stop, asked before each evaluation.
    """
    point, first = start, values(start)
    assert first is not None, "the start has values"
    found, damping, wanted = first, 0.0, _numbers(rows.low == rows.high)
    while np.abs(rows.misses(found)).max() > enough:
        pull, cost = derivatives(point), float(np.sum(rows.misses(found) ** 2))
        wanted |= _numbers(rows.misses(found))
        slopes: dict[int, np.ndarray] = {}
        while True:
            slopes |= {row: pull(row) for row in sorted(wanted - slopes.keys())}
            step, promised = _step(slopes, rows, found, point, bounds, damping)
            if finished() or cost - promised <= _AT_REST * cost or damping > _MOST_DAMPING:
                return point
            moved = np.clip(point + step, *bounds)
            there = values(moved)
            broken: set[int] = set()
            if there is not None:
                reached = float(np.sum(rows.misses(there) ** 2))
                broken = _numbers(rows.misses(there)) - wanted
                wanted |= broken
                if reached < cost - 1e-3 * (cost - promised):
                    break
            if not broken:
                damping = max(10.0 * damping, _FIRST_DAMPING)
        good = reached < cost - 0.5 * (cost - promised)
        damping = 0.0 if damping <= _FIRST_DAMPING and good else 0.2 * damping
        point, found = moved, there
    return point


def _numbers(mask: np.ndarray) -> set[int]:
    return set(np.flatnonzero(mask).tolist())


def _step(
    slopes: dict[int, np.ndarray], rows: Rows, found: np.ndarray, point: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray], damping: float,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Step of the linearised problem, and the sum of squares that it promises."""
    chosen = np.array(sorted(slopes))
    weight = rows.weight[chosen]
    table = weight[:, None] * np.array([slopes[row] for row in chosen])
    scale = np.linalg.norm(table, axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    limits = np.flatnonzero(rows.low[chosen] != rows.high[chosen])
    free = np.zeros((len(chosen), len(limits)))  # what is left within each limit
    free[limits, np.arange(len(limits))] = -1.0
    goal = np.where(rows.low[chosen] == rows.high[chosen], rows.low[chosen], 0.0)
    k = len(point)
    damped = np.hstack([np.sqrt(damping + _LEAST_DAMPING) * np.eye(k), np.zeros((k, len(limits)))])
    matrix = np.vstack([np.hstack([table / scale, free]), damped])
    right = np.concatenate([weight * (goal - found[chosen]), np.zeros(k)])
    low = np.concatenate([(bounds[0] - point) * scale, (weight * rows.low[chosen])[limits]])
    high = np.concatenate([(bounds[1] - point) * scale, (weight * rows.high[chosen])[limits]])
    solved = lsq_linear(matrix, right, (low, high), method="bvls", tol=1e-14)
    left = matrix[: len(chosen)] @ solved.x - right[: len(chosen)]
    return solved.x[:k] / scale, float(left @ left)
