"""Inverses of maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.base.arrays import untraced
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.tpsa import operations as ops
from gputrack.tpsa.host import kernels
from gputrack.tpsa.layout import beside, namespace, padded
from gputrack.tpsa.map import Map, combined, composed, lane_matrix, require_no_constant, stacked, unit_beside
from gputrack.tpsa.series import Series
from gputrack.tpsa.space import Space

#: largest entry of a matrix times that of its inverse: beyond, no digit is right
_SINGULAR = 1e15


def inverse(given: Map) -> Map:
    """The map X with given(X(y)) = y.

    With the linear part L and the rest N, X = L^-1 (y - N(X)): a guess that is right up to some order gives one that
    is right to one order more, so that as many rounds as there are orders give the inverse, not an approximation.

    Raises
    ------
    InputError
        The constant part is not 0, or the linear part is singular.
    """
    space, parts = given.space, [c._data for c in given.components]
    if space.order and ops.plain(parts):
        found = kernels(space).inverse(parts, space.order if given.order > 1 else 1)
        if found is not None:  # else what follows says why
            components = [Series(space, found[i], given.batch) for i in range(space.variables)]
            return Map._made(space, components, given.batch)
    require_no_constant("Map.inverse", given)
    data = stacked(given.components)
    back = lane_matrix(_inverted(given.matrix), given.batch, data)
    unit = stacked([x._spread(given.batch) for x in unit_beside(given[0])])
    own, parameters = unit[: space.variables], unit[space.variables :]
    # Terms linear in the parameters belong to y: they do not depend on X.
    start = combined(back, own - _only(data[:, :, : space.rows(1)], _is_parameter(space)))
    rest = _only(data, space.degrees > 1)
    answer, xp = start, namespace(start)
    for order in range(2, space.order + 1) if given.order > 1 else ():
        inner = xp.concatenate([answer, padded(parameters, answer.shape[2])]) if space.parameters else answer
        nonlinear = ops.compose(space, rest[:, :, : space.rows(order)], inner, order)
        answer = padded(start, nonlinear.shape[2]) - combined(back, nonlinear)
    return Map([Series(space, answer[i], given.batch) for i in range(space.variables)])


def _is_parameter(space: Space) -> np.ndarray:
    rows = np.arange(space.rows(1))
    return rows > space.variables


def _only(data: Any, rows: np.ndarray) -> Any:
    """Data (series, tiles, rows, lanes) with zeros in all but some rows."""
    return data * beside(rows[: data.shape[2], None].astype(float), data)


def partial_inverse(given: Map, selected: Sequence[int]) -> Map:
    """Exchange some outgoing coordinates with the incoming ones of the same number.

    Parameters
    ----------
    given : Map
    selected : sequence of int
        Numbers of the variables to exchange, counted from 0.

    Returns
    -------
    Map
        With y = given(x): from the selected y and the other x, the selected x and the other y.

    Raises
    ------
    InputError
        A number is out of range or twice there, the constant part is not 0, or the y cannot be exchanged.
    """
    space = given.space
    chosen = list(selected)
    if len(set(chosen)) != len(chosen) or not all(c in range(space.variables) for c in chosen):
        raise InputError(f"Map.partial_inverse: selected must be different numbers < {space.variables}, got {chosen}")
    require_no_constant("Map.partial_inverse", given)
    unit = unit_beside(given[0])
    mixed = Map([given[i] if i in chosen else unit[i] for i in range(space.variables)])
    # mixed takes x to (selected y, other x); its inverse gives x, and so the other y.
    back = inverse(mixed)
    others = [i for i in range(space.variables) if i not in chosen]
    images = dict(zip(others, composed([given[i] for i in others], back), strict=True)) if others else {}
    return Map([images.get(i, back[i]) for i in range(space.variables)])


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
