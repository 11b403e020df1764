"""Inverses of maps, given by their components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.base.arrays import untraced
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.tpsa import operations as ops
from gputrack.tpsa.components import (
    combined,
    composed,
    lane_matrix,
    linear_part,
    require_no_constant,
    stacked,
    variables_like,
)
from gputrack.tpsa.host import kernels
from gputrack.tpsa.layout import beside, namespace, padded
from gputrack.tpsa.series import Series
from gputrack.tpsa.space import Space

#: product of the largest entries of a matrix and its inverse beyond which the inverse has no correct digit
_SINGULAR = 1e15


def inverse(given: Sequence[Series]) -> list[Series]:
    """Components of the map X with given(X(y)) = y, for components `given` of one batch.

    With the linear part L and the remainder N, X = L^-1 (y - N(X)). Each iteration adds one correct order, up to the
    order of the space.

    Raises
    ------
    InputError
        The constant part is not 0, or the linear part is singular.
    """
    space, batch, parts = given[0].space, given[0].batch, [c._data for c in given]
    order = max(c.order for c in given)
    if space.order and ops.plain(parts):
        found = kernels(space).inverse(parts, space.order if order > 1 else 1)
        if found is not None:  # otherwise the checks below raise
            return [Series(space, found[i], batch) for i in range(space.variables)]
    require_no_constant("Map.inverse", given)
    data = stacked(given)
    back = lane_matrix(_inverted(linear_part(given)), batch, data)
    unit = stacked([x._spread(batch) for x in variables_like(given[0])])
    own, parameters = unit[: space.variables], unit[space.variables :]
    # Terms linear in the parameters are added to y, since they do not depend on X.
    start = combined(back, own - _only(data[:, :, : space.rows(1)], _is_parameter(space)))
    rest = _only(data, space.degrees > 1)
    answer, xp = start, namespace(start)
    for degree in range(2, space.order + 1) if order > 1 else ():
        inner = xp.concatenate([answer, padded(parameters, answer.shape[2])]) if space.parameters else answer
        nonlinear = ops.compose(space, rest[:, :, : space.rows(degree)], inner, degree)
        answer = padded(start, nonlinear.shape[2]) - combined(back, nonlinear)
    return [Series(space, answer[i], batch) for i in range(space.variables)]


def _is_parameter(space: Space) -> np.ndarray:
    rows = np.arange(space.rows(1))
    return rows > space.variables


def _only(data: Any, rows: np.ndarray) -> Any:
    """Data (series, tiles, rows, lanes) with zeros in all other rows."""
    return data * beside(rows[: data.shape[2], None].astype(float), data)


def partial_inverse(given: Sequence[Series], selected: Sequence[int]) -> list[Series]:
    """Components of the map from the selected y and the other x to the selected x and the other y, y = given(x)."""
    space = given[0].space
    chosen = list(selected)
    if len(set(chosen)) != len(chosen) or not all(c in range(space.variables) for c in chosen):
        raise InputError(f"Map.partial_inverse: selected must be different numbers < {space.variables}, got {chosen}")
    require_no_constant("Map.partial_inverse", given)
    unit = [x._spread(given[0].batch) for x in variables_like(given[0])]
    # From x to (selected y, other x); the inverse gives x, and so the other y.
    back = inverse([given[i] if i in chosen else unit[i] for i in range(space.variables)])
    others = [i for i in range(space.variables) if i not in chosen]
    images = dict(zip(others, composed([given[i] for i in others], back), strict=True)) if others else {}
    return [images.get(i, back[i]) for i in range(space.variables)]


def _inverted(matrix: Any) -> Any:
    xp = namespace(matrix)
    try:
        back = xp.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        back = None
    size = 1.0 if back is None else abs(untraced(matrix)).max() * abs(untraced(back)).max()
    if back is None or not bool(size < _SINGULAR):
        raise InputError(f"Map.inverse: the linear part is singular: {short(untraced(matrix).tolist())}")
    return back
