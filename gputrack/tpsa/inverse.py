"""Inverses of maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.arrays import untraced
from gputrack.checks import short
from gputrack.errors import InputError
from gputrack.tpsa.layout import beside, namespace
from gputrack.tpsa.maps import Map, composed, require_no_constant, transformed, unit_beside
from gputrack.tpsa.series import Series

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
    require_no_constant("Map.inverse", given)
    space = given.space
    back = _inverted(given.matrix)
    unit = unit_beside(given[0])
    # Terms linear in the parameters belong to y: they do not depend on X.
    known = [y - _linear_in_parameters(c) for y, c in zip(unit, given.components, strict=False)]
    start = transformed(back, [y._spread(given.batch) for y in known])
    rest = [_above_linear(c) for c in given.components]
    answer = Map(start)
    for order in range(2, space.order + 1) if given.order > 1 else ():
        nonlinear = composed([c.truncated(order) for c in rest], answer, order)
        answer = Map([a - b for a, b in zip(start, transformed(back, nonlinear), strict=True)])
    return answer


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


def _linear_in_parameters(series: Series) -> Series:
    space = series.space
    keep = np.zeros((space.rows(1), 1))
    keep[1 + space.variables :] = 1.0
    low = series.truncated(1)
    return low._like(low._data * beside(keep[: low._data.shape[1]], low._data))


def _above_linear(series: Series) -> Series:
    keep = (series.space.degrees[: series._data.shape[1], None] > 1).astype(float)
    return series._like(series._data * beside(keep, series._data))
