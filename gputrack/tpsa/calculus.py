"""Derivatives, integrals and Poisson brackets of power series."""

from __future__ import annotations

from functools import cache

import numpy as np

from gputrack.checks import require_integer
from gputrack.errors import InputError
from gputrack.tpsa.series import Series
from gputrack.tpsa.space import Space


def derivative(a: Series, variable: int) -> Series:
    """Partial derivative with respect to a variable or parameter, known to one order less.

    Raises
    ------
    InputError
        There is no such variable.
    """
    _require_variable(a.space, variable)
    source, factor = _gather(a.space, variable, False)
    rows = a.space.first[max(a.order, 1)]
    source, factor = source[:rows], factor[:rows]
    if a.order == 0:
        return a._like(0.0 * a._data)
    return a._like(a._data[:, source] * factor)


def integral(a: Series, variable: int) -> Series:
    """Integral from 0 over a variable; terms beyond the order of the space are dropped.

    Raises
    ------
    InputError
        There is no such variable.
    """
    _require_variable(a.space, variable)
    source, factor = _gather(a.space, variable, True)
    rows = a.space.rows(a.order + 1)
    source, factor = source[:rows], factor[:rows]
    inside = source < a._data.shape[1]
    return a._like(a._data[:, np.where(inside, source, 0)] * (factor * inside[:, None]))


def poisson(a: Series, b: Series) -> Series:
    """Poisson bracket [a, b] = sum over planes of da/dq db/dp - da/dp db/dq, with (q, p) = (x, px), (y, py), ...

    Raises
    ------
    InputError
        The space has an odd number of variables, or the two live in different ones.
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


@cache
def _gather(space: Space, variable: int, up: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each row, that one power of the variable below (up) or above, and the factor (rows, 1); 0 where none is."""
    step = np.zeros(space.dimensions, dtype=np.int64)
    step[variable] = -1 if up else 1
    source = space.find(space.exponents + step)
    power = space.exponents[:, variable] + (0 if up else 1)
    factor = np.where(source >= 0, 1.0 / np.maximum(power, 1) if up else power, 0.0)
    return np.maximum(source, 0), factor[:, None]
