"""Maps: as many power series as there are variables, for one or a batch of systems."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from gputrack.base.arrays import Array, is_traced
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.tpsa import files, inverse, normal_form, symplectic
from gputrack.tpsa.components import coefficient_rows, composed, constant_part, linear_part, without_constant
from gputrack.tpsa.evaluation import evaluate
from gputrack.tpsa.layout import namespace
from gputrack.tpsa.series import Series, variables
from gputrack.tpsa.space import Space


class Map(Sequence[Series]):
    """Map of the variables of a space; parameters are unchanged.

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
        The number of components is wrong, or their spaces differ.
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
            raise InputError(f"Map: batches {[c.batch for c in given]} cannot be broadcast together") from None
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
        """Map of components of one space and batch, without checks."""
        made = object.__new__(cls)
        made.space, made.batch, made.components = space, batch, tuple(components)
        return made

    def _like(self, components: Sequence[Series]) -> Map:
        """Map with other components."""
        return Map(components)

    @classmethod
    def identity(cls, space: Space) -> Map:
        """Identity map."""
        return cls(variables(space)[: space.variables])

    # -- contents ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.components)

    @overload
    def __getitem__(self, number: int) -> Series: ...
    @overload
    def __getitem__(self, number: slice) -> tuple[Series, ...]: ...
    def __getitem__(self, number: int | slice) -> Series | tuple[Series, ...]:
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
        return coefficient_rows(self.components, 0, self.space.size)

    @property
    def constant(self) -> Array:
        """(*batch, variables) Image of the origin."""
        return constant_part(self.components)

    @property
    def matrix(self) -> Array:
        """(*batch, variables, variables) Linear part."""
        return linear_part(self.components)

    def truncated(self, order: int) -> Map:
        """Copy without the coefficients above an order."""
        return Map([c.truncated(order) for c in self.components])

    def without_constant(self) -> Map:
        """Map without its constant part, so that the origin is a fixed point."""
        return Map(without_constant(self.components))

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
            If its constant part is not 0, the truncated polynomials of this map are evaluated there.
        order : int, optional
            Highest order of the result; by default that of the space.
        """
        components = composed(self.components, _map(inner), order)
        return Map._made(inner.space, components, components[0].batch)

    def inverse(self) -> Map:
        """Inverse map, by fixed-point iteration: each step adds one correct order.

        Raises
        ------
        InputError
            The constant part is not 0, or the linear part is singular.
        """
        components = inverse.inverse(self.components)
        return Map._made(self.space, components, self.batch)

    def partial_inverse(self, selected: Sequence[int]) -> Map:
        """Exchange some outgoing coordinates with the incoming ones of the same number.

        Parameters
        ----------
        selected : sequence of int
            Numbers of the variables to exchange, counted from 0.

        Returns
        -------
        Map
            With y = map(x): from the selected y and the other x, the selected x and the other y.

        Raises
        ------
        InputError
            A number is out of range or repeated, the constant part is not 0, or the exchange is singular.
        """
        return Map(inverse.partial_inverse(self.components, selected))

    # -- symplecticity -------------------------------------------------------------------------------------------------

    def symplectic_defect(self) -> Array:
        """Largest coefficient of [M_i, M_j] - S_ij, by degree.

        Returns
        -------
        (*batch, order) array
            For degrees 0 to order - 1: brackets are of one order less than the map.
        """
        return symplectic.symplectic_defect(self.components)

    def symplectified(self) -> Map:
        """Nearby symplectic map, see `gputrack.tpsa.symplectic.symplectified`.

        Raises
        ------
        InputError
            The variables do not come in pairs, or the map depends on parameters in first order.
        """
        return Map(symplectic.symplectified(self.components))

    # -- normal form ---------------------------------------------------------------------------------------------------

    def normal_form(self) -> normal_form.NormalForm:
        """Nonlinear normal form about the fixed point, see `gputrack.tpsa.normal_form.normal_form`."""
        return normal_form.normal_form(self)

    # -- files ---------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file, see `gputrack.tpsa.files.save_coefficients`.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.save_coefficients(path, self.space, self.coefficients)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Map:
        """Read a file written by `save`.

        Raises
        ------
        InputError
            The file cannot be read, or does not contain a map.
        """
        return cls.of(*files.load_coefficients(path))


def _map(value: Any) -> tuple[Series, ...]:
    if not isinstance(value, Map):
        raise InputError(f"Map: the other operand must be a Map, got {short(value)}")
    return value.components
