"""Maps: as many power series as there are variables, for one or a batch of systems."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError
from gputrack.tpsa import operations as ops
from gputrack.tpsa.evaluation import evaluate
from gputrack.tpsa.host import kernels
from gputrack.tpsa.layout import beside, namespace, packed, padded
from gputrack.tpsa.series import Series, variables
from gputrack.tpsa.space import Space

if TYPE_CHECKING:
    from gputrack.tpsa.normal_form import NormalForm


class Map:
    """A map of the variables of a space; parameters go through it unchanged.

    Parameters
    ----------
    components : sequence of Series
        One for each variable, of one space. Batches are broadcast.

    Attributes
    ----------
    components : tuple of Series
    space : Space
    batch : tuple of int

    Raises
    ------
    InputError
        Another number of components, or they live in different spaces.
    """

    __slots__ = ("batch", "components", "space")

    def __init__(self, components: Sequence[Series]) -> None:
        given = tuple(components)
        if not given or not all(isinstance(c, Series) for c in given):
            raise InputError(f"Map: components must be series, got {short(components)}")
        space = given[0].space
        if len(given) != space.variables or any(c.space is not space and c.space != space for c in given):
            raise InputError(f"Map: components must be {space.variables} series of one space, got {len(given)}")
        try:
            same = all(c.batch == given[0].batch for c in given)
            batch = given[0].batch if same else np.broadcast_shapes(*(c.batch for c in given))
        except ValueError:
            raise InputError(f"Map: batches {[c.batch for c in given]} do not go together") from None
        self.space, self.batch = space, batch
        self.components = tuple(c._spread(batch) for c in given)

    @classmethod
    def of(cls, space: Space, coefficients: Array) -> Map:
        """Map with given coefficients (..., variables, rows), see `Series.of`."""
        array = coefficients if is_traced(coefficients) else namespace(coefficients).asarray(coefficients)
        if array.ndim < 2 or array.shape[-2] != space.variables:
            raise InputError(
                f"Map: coefficients must have shape (..., {space.variables}, rows), got {tuple(array.shape)}"
            )
        return cls([Series.of(space, array[..., i, :]) for i in range(space.variables)])

    @classmethod
    def _made(cls, space: Space, components: Sequence[Series], batch: tuple[int, ...]) -> Map:
        """Of what is known to fit."""
        made = object.__new__(cls)
        made.space, made.batch, made.components = space, batch, tuple(components)
        return made

    @classmethod
    def identity(cls, space: Space) -> Map:
        """The map that does nothing."""
        return cls(variables(space)[: space.variables])

    # -- what is inside ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.components)

    def __getitem__(self, number: int) -> Series:
        return self.components[number]

    def __repr__(self) -> str:
        lines = (f"  {name}: {c!r}" for name, c in zip(self.space.names(), self.components, strict=False))
        return "\n".join([f"Map of order {self.order}", *lines])

    @property
    def order(self) -> int:
        """Highest order of its components."""
        return max(c.order for c in self.components)

    @property
    def coefficients(self) -> Array:
        """(*batch, variables, size) Coefficients of the components, in the order of ``space.exponents``."""
        parts = [c.coefficients for c in self.components]
        return namespace(*parts).stack(parts, axis=-2)

    @property
    def constant(self) -> Array:
        """(*batch, variables) Where the origin goes."""
        return self._rows(0, 1)[..., 0]

    @property
    def matrix(self) -> Array:
        """(*batch, variables, variables) Linear part."""
        return self._rows(1, 1 + self.space.variables)

    def _rows(self, begin: int, end: int) -> Array:
        parts = [c.coefficients[..., begin:end] for c in self.components]
        return namespace(*parts).stack(parts, axis=-2)

    def truncated(self, order: int) -> Map:
        """Without the coefficients above an order."""
        return Map([c.truncated(order) for c in self.components])

    def without_constant(self) -> Map:
        """The same, with the origin going to the origin."""
        return Map([c - c.constant for c in self.components])

    def evaluate(self, points: Array) -> Array:
        """(variables, *batch, n) Images of points, see `gputrack.tpsa.evaluation.evaluate`."""
        return evaluate(self.components, points)

    # -- algebra -------------------------------------------------------------------------------------------------------

    def __add__(self, other: Map) -> Map:
        return Map([a + b for a, b in zip(self.components, _map(other), strict=True)])

    def __sub__(self, other: Map) -> Map:
        return Map([a - b for a, b in zip(self.components, _map(other), strict=True)])

    def __matmul__(self, inner: Map) -> Map:
        return self.compose(inner)

    def compose(self, inner: Map, order: int | None = None) -> Map:
        """This map after `inner`: x -> self(inner(x)).

        Parameters
        ----------
        inner : Map
            Where its constant part is not 0, the polynomials of this map are taken there as they are.
        order : int, optional
            Highest order of the result; that of the space where not given.
        """
        components = composed(self.components, inner, order)
        return Map._made(inner.space, components, components[0].batch)

    def inverse(self) -> Map:
        """The map that undoes this one, by fixed-point iteration: each round is right to one order more.

        Raises
        ------
        InputError
            The constant part is not 0, or the linear part is singular.
        """
        from gputrack.tpsa.inverse import inverse

        return inverse(self)

    def partial_inverse(self, selected: Sequence[int]) -> Map:
        """See `gputrack.tpsa.inverse.partial_inverse`."""
        from gputrack.tpsa.inverse import partial_inverse

        return partial_inverse(self, selected)

    # -- symplecticity -------------------------------------------------------------------------------------------------

    def symplectic_defect(self) -> Array:
        """See `gputrack.tpsa.symplectic.symplectic_defect`."""
        from gputrack.tpsa.symplectic import symplectic_defect

        return symplectic_defect(self)

    def symplectified(self) -> Map:
        """See `gputrack.tpsa.symplectic.symplectified`."""
        from gputrack.tpsa.symplectic import symplectified

        return symplectified(self)

    # -- normal form ---------------------------------------------------------------------------------------------------

    def normal_form(self) -> NormalForm:
        """See `gputrack.tpsa.normal_form.normal_form`."""
        from gputrack.tpsa.normal_form import normal_form

        return normal_form(self)

    # -- files ---------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """See `gputrack.tpsa.files.save_map`."""
        from gputrack.tpsa.files import save_map

        save_map(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Map:
        """See `gputrack.tpsa.files.load_map`."""
        from gputrack.tpsa.files import load_map

        return load_map(path)


def _map(value: Any) -> tuple[Series, ...]:
    if not isinstance(value, Map):
        raise InputError(f"Map: the other operand must be a Map, got {short(value)}")
    return value.components


def composed(outer: Sequence[Series], inner: Map, order: int | None = None) -> list[Series]:
    """Any series, with a map put in for their variables."""
    space = inner.space
    if any(c.space is not space and c.space != space for c in outer):
        raise InputError(f"compose: the maps live in different spaces, {outer[0].space} and {space}")
    highest = space.order if order is None else min(require_integer("compose", "order", order, at_least=0), space.order)
    same = all(c.batch == inner.batch for c in outer)
    batch = inner.batch if same else np.broadcast_shapes(inner.batch, *(c.batch for c in outer))
    parts = [*inner.components, *(unit_beside(inner[0])[space.variables :] if space.parameters else ())]
    first, second = [c._spread(batch) for c in outer], [c._spread(batch) for c in parts]
    a, b = [c._data for c in first], [c._data for c in second]
    if ops.plain(a) and ops.plain(b):
        data = kernels(space).compose_parts(a, b, highest)
    else:
        data = ops.compose(space, stacked(first), stacked(second), highest)
    return [Series(space, data[i], batch) for i in range(len(outer))]


def unit_beside(series: Series) -> tuple[Series, ...]:
    """Variables and parameters of a series' space, on its device."""
    found = variables(series.space)
    return tuple(Series(v.space, beside(v._data, series._data), ()) for v in found)


def stacked(series: Sequence[Series]) -> Array:
    """(series, tiles, rows, lanes) Data of several series."""
    rows = max(s._data.shape[1] for s in series)
    parts = [padded(s._data, rows) for s in series]
    return namespace(*parts).stack(parts)


def transformed(matrix: Array, series: Sequence[Series]) -> list[Series]:
    """Linear combinations of series: matrix (*batch, n, len(series)), or one for all of the batch."""
    batch, data = series[0].batch, stacked(series)
    sums = combined(lane_matrix(matrix, batch, data), data)
    return [Series(series[0].space, sums[i], batch) for i in range(matrix.shape[-2])]


def lane_matrix(matrix: Array, batch: tuple[int, ...], data: Array) -> Array:
    """(tiles, n, m, lanes) Matrices (*batch, n, m) as the coefficients lie; `data` says on which device."""
    n, m = matrix.shape[-2:]
    xp, zero = namespace(data), np.zeros((*batch, n, m))
    if matrix.shape != zero.shape:
        matrix = matrix + zero if is_traced(matrix) else xp.broadcast_to(beside(matrix, data), zero.shape)
    factors = packed(namespace(matrix).reshape(matrix, (*batch, n * m)))
    return namespace(factors).reshape(factors, (factors.shape[0], n, m, factors.shape[2]))


def combined(matrix: Array, data: Array) -> Array:
    """(n, tiles, rows, lanes) Linear combinations of data (m, tiles, rows, lanes) by a `lane_matrix`."""
    return namespace(matrix, data).einsum("tnml,mtrl->ntrl", matrix, data)


def require_no_constant(name: str, given: Map) -> None:
    """Raise where the origin does not go to the origin."""
    constant = untraced(given.constant)
    if bool((constant != 0).any()):
        worst = np.abs(constant).max()
        raise InputError(
            f"{name}: the constant part must be 0, its largest entry is {worst:.3g}; take map.without_constant(), "
            "about the orbit on either side"
        )
