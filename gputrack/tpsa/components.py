"""Operations on the components of maps, given as sequences of series of one space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.base.checks import require_integer
from gputrack.base.errors import InputError
from gputrack.tpsa import operations as ops
from gputrack.tpsa.host import kernels
from gputrack.tpsa.layout import beside, namespace, packed, padded
from gputrack.tpsa.series import Series, variables


def coefficient_rows(series: Sequence[Series], begin: int, end: int) -> Array:
    """(*batch, len(series), end - begin) Coefficients of several series from one row up to another."""
    parts = [s.coefficients[..., begin:end] for s in series]
    return namespace(*parts).stack(parts, axis=-2)


def constant_part(series: Sequence[Series]) -> Array:
    """(*batch, len(series)) Constant parts."""
    return coefficient_rows(series, 0, 1)[..., 0]


def linear_part(series: Sequence[Series]) -> Array:
    """(*batch, len(series), variables) Matrix of first derivatives with respect to the variables, at the origin."""
    return coefficient_rows(series, 1, 1 + series[0].space.variables)


def without_constant(series: Sequence[Series]) -> list[Series]:
    """The series less their constant parts."""
    return [s - s.constant for s in series]


def composed(outer: Sequence[Series], inner: Sequence[Series], order: int | None = None) -> list[Series]:
    """Composition of series: outer_i(inner(x)).

    Parameters
    ----------
    outer : sequence of Series
    inner : sequence of Series
        One for each variable; parameters are unchanged. If constant parts are not 0, the truncated polynomials of
        `outer` are evaluated there.
    order : int, optional
        Highest order of the result; by default that of the space.

    Raises
    ------
    InputError
        The series belong to different spaces.
    """
    space, own = inner[0].space, inner[0].batch
    if any(c.space is not space and c.space != space for c in outer):
        raise InputError(f"compose: the maps belong to different spaces, {outer[0].space} and {space}")
    highest = space.order if order is None else min(require_integer("compose", "order", order, at_least=0), space.order)
    given = (*outer, *inner)
    same = all(c.batch == own for c in given)
    batch = own if same else np.broadcast_shapes(*(c.batch for c in given))
    parts = [*inner, *(variables_like(inner[0])[space.variables :] if space.parameters else ())]
    first, second = [c._spread(batch) for c in outer], [c._spread(batch) for c in parts]
    a, b = [c._data for c in first], [c._data for c in second]
    if ops.plain(a) and ops.plain(b):
        data = kernels(space).compose_parts(a, b, highest)
    else:
        data = ops.compose(space, stacked(first), stacked(second), highest)
    return [Series(space, data[i], batch) for i in range(len(outer))]


def variables_like(series: Series) -> tuple[Series, ...]:
    """Variables and parameters of the space of a series, on its device."""
    found = variables(series.space)
    return tuple(Series(v.space, beside(v._data, series._data), ()) for v in found)


def stacked(series: Sequence[Series]) -> Array:
    """(series, tiles, rows, lanes) Data of several series."""
    rows = max(s._data.shape[1] for s in series)
    parts = [padded(s._data, rows) for s in series]
    return namespace(*parts).stack(parts)


def transformed(matrix: Array, series: Sequence[Series]) -> list[Series]:
    """Linear combinations of series: matrix (*batch, n, len(series)), or one for the whole batch."""
    batch, data = series[0].batch, stacked(series)
    sums = combined(lane_matrix(matrix, batch, data), data)
    return [Series(series[0].space, sums[i], batch) for i in range(matrix.shape[-2])]


def lane_matrix(matrix: Array, batch: tuple[int, ...], data: Array) -> Array:
    """(tiles, n, m, lanes) Matrices (*batch, n, m) in the layout and on the device of the coefficients `data`."""
    n, m = matrix.shape[-2:]
    xp, zero = namespace(data), np.zeros((*batch, n, m))
    if matrix.shape != zero.shape:
        matrix = matrix + zero if is_traced(matrix) else xp.broadcast_to(beside(matrix, data), zero.shape)
    factors = packed(namespace(matrix).reshape(matrix, (*batch, n * m)))
    return namespace(factors).reshape(factors, (factors.shape[0], n, m, factors.shape[2]))


def combined(matrix: Array, data: Array) -> Array:
    """(n, tiles, rows, lanes) Linear combinations of data (m, tiles, rows, lanes) by a `lane_matrix`."""
    return namespace(matrix, data).einsum("tnml,mtrl->ntrl", matrix, data)


def require_no_constant(name: str, series: Sequence[Series]) -> None:
    """Raise `InputError` if a constant part is not 0: the origin is not a fixed point."""
    constant = untraced(constant_part(series))
    if bool((constant != 0).any()):
        worst = np.abs(constant).max()
        raise InputError(
            f"{name}: the constant part must be 0, its largest entry is {worst:.3g}; use map.without_constant(), "
            "the map relative to the outgoing orbit"
        )
