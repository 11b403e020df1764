"""Values of power series at points, for example the coordinates of particles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gputrack.base.arrays import Array, is_traced
from gputrack.base.errors import InputError
from gputrack.tpsa.layout import beside, namespace
from gputrack.tpsa.space import Space
from gputrack.tpsa.tables import parents, tree

if TYPE_CHECKING:
    from gputrack.tpsa.series import Series

CHUNK = 2048  # points evaluated at a time


def evaluate(series: tuple[Series, ...], points: Array) -> Array:
    """Values at points, by matrix products of coefficients and monomials.

    Parameters
    ----------
    series : tuple of Series
        Of one space and batch.
    points : (variables, n) or (dimensions, n) array
        Parameters are 0 if not given.

    Returns
    -------
    (len(series), *batch, n) array

    Raises
    ------
    InputError
        The shape of the points is wrong.
    """
    space = series[0].space
    points = points if is_traced(points) else namespace(points).asarray(points)
    if points.ndim != 2 or points.shape[0] not in (space.variables, space.dimensions):
        raise InputError(f"evaluate: points must have shape ({space.dimensions}, n), got {tuple(points.shape)}")
    order = max(s.order for s in series)
    rows = space.first[order + 1]
    xp = namespace(series[0]._data, points)
    matrix = xp.stack([s.coefficients[..., :rows] for s in series])
    n = points.shape[1]
    parts = [matrix @ _monomials(space, order, points[:, i : i + CHUNK]) for i in range(0, max(n, 1), CHUNK)]
    return parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=-1)


def _monomials(space: Space, order: int, points: Any) -> Any:
    """(rows, n) All monomials up to an order, each computed from its parent."""
    xp = namespace(points)
    lasts = np.zeros(space.size, dtype=np.int64)
    lasts[tree(space).rows] = tree(space).lasts
    if points.shape[0] < space.dimensions:
        more = space.dimensions - points.shape[0]
        points = xp.concatenate([points, xp.zeros((more, points.shape[1]))])
    degrees = [0.0 * points[:1] + 1.0]
    for d in range(1, order + 1):
        rows = slice(space.first[d], space.first[d + 1])
        before = beside(parents(space)[rows] - space.first[d - 1], points)
        degrees.append(degrees[-1][before] * points[beside(lasts[rows], points)])
    return xp.concatenate(degrees)
