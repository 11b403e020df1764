"""Derivatives, integrals and Poisson brackets of power series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gputrack.base.checks import require_integer
from gputrack.base.errors import InputError
from gputrack.tpsa.layout import beside
from gputrack.tpsa.space import Space
from gputrack.tpsa.tables import derivative_rows, integral_rows

if TYPE_CHECKING:
    from gputrack.tpsa.series import Series


def derivative(a: Series, variable: int) -> Series:
    """Partial derivative with respect to a variable or parameter, of one order less.

    Raises
    ------
    InputError
        There is no such variable.
    """
    _require_variable(a.space, variable)
    if a.order == 0:
        return a._like(0.0 * a._data)
    source, factor = derivative_rows(a.space, variable)
    rows = a.space.first[a.order]
    return a._like(a._data[:, beside(source[:rows], a._data)] * beside(factor[:rows], a._data))


def integral(a: Series, variable: int) -> Series:
    """Integral from 0 over a variable; terms beyond the order of the space are dropped.

    Raises
    ------
    InputError
        There is no such variable.
    """
    _require_variable(a.space, variable)
    source, factor = integral_rows(a.space, variable)
    rows = a.space.rows(a.order + 1)
    source, factor = source[:rows], factor[:rows]
    inside = source < a._data.shape[1]
    source = beside(np.where(inside, source, 0), a._data)
    return a._like(a._data[:, source] * beside(factor * inside[:, None], a._data))


def poisson(a: Series, b: Series) -> Series:
    """Poisson bracket [a, b] = sum over planes of da/dq db/dp - da/dp db/dq, with (q, p) = (x, px), (y, py), ...

    Raises
    ------
    InputError
        The space has an odd number of variables, or the spaces differ.
    """
    if a.space.variables % 2:
        raise InputError(f"poisson: variables must come in pairs (q, p), got {a.space.variables} of them")
    total = None
    for q in range(0, a.space.variables, 2):
        part = derivative(a, q) * derivative(b, q + 1) - derivative(a, q + 1) * derivative(b, q)
        total = part if total is None else total + part
    assert total is not None
    return total


def _require_variable(space: Space, variable: int) -> None:
    if require_integer("Series", "variable", variable, at_least=0) >= space.dimensions:
        raise InputError(f"Series: variable must be < {space.dimensions}, got {variable}")
