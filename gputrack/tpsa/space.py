"""Spaces of truncated power series: their monomials and the order of these.

Monomials are graded: all of degree 0, then of degree 1, 2, ...; within a degree, powers of the first variable decrease
first (x^2, x y, x z, y^2, ...). The coefficients up to a lower order are therefore the first ones, whatever the order
of the space, and truncation takes a prefix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError

#: names of the variables of spaces of six: those of the coordinates
COORDINATES = ("x", "px", "y", "py", "z", "delta")
MOST_MONOMIALS = 2**20
MOST_ORDER = 63  # limited by buffers of the kernels


@dataclass(frozen=True, eq=False)
class Space:
    """Space of power series in some variables, truncated at some order.

    Parameters
    ----------
    variables : int
        Number of variables, >= 1. Maps have as many components.
    order : int
        Highest total degree, 0 to 63.
    parameters : int
        Number of further variables, after the first ones, which maps leave unchanged.
    parameter_order : int, optional
        Highest degree in the parameters; by default that of the space.

    Raises
    ------
    InputError
        A number is not an integer in its range, or there would be more than 2^20 monomials.

    Examples
    --------
    >>> space = Space(2, 3)
    >>> space.size, space.exponents[3].tolist()
    (10, [2, 0])
    """

    variables: int
    order: int
    parameters: int = 0
    parameter_order: int | None = None

    def __post_init__(self) -> None:
        require_integer("Space", "variables", self.variables, at_least=1)
        if require_integer("Space", "order", self.order, at_least=0) > MOST_ORDER:
            raise InputError(f"Space: order must be <= {MOST_ORDER}, got {self.order}")
        require_integer("Space", "parameters", self.parameters, at_least=0)
        given = self.parameter_order
        if given is None or not self.parameters:
            object.__setattr__(self, "parameter_order", self.order)
        elif require_integer("Space", "parameter_order", given, at_least=0) > self.order:
            raise InputError(f"Space: parameter_order must be <= order = {self.order}, got {given}")
        if self._count() > MOST_MONOMIALS:
            raise InputError(
                f"Space: {self.dimensions} variables at order {self.order} have {self._count()} monomials, more than "
                f"{MOST_MONOMIALS}; lower the order, or give the parameters a parameter_order of their own"
            )

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Space) and self._numbers == other._numbers)

    def __hash__(self) -> int:
        return self._hash  # needed in each operation to look up tables

    @cached_property
    def _hash(self) -> int:
        return hash(self._numbers)

    @cached_property
    def _numbers(self) -> tuple[int, ...]:
        assert self.parameter_order is not None
        return self.variables, self.order, self.parameters, self.parameter_order

    def _count(self) -> int:
        """Number of monomials, as a sum over the degree in the parameters."""
        assert self.parameter_order is not None
        n, p = self.variables, self.parameters
        return sum(
            (math.comb(p - 1 + q, q) if p else int(q == 0)) * math.comb(n + self.order - q, n)
            for q in range(self.parameter_order + 1)
        )

    @property
    def dimensions(self) -> int:
        """Variables and parameters together."""
        return self.variables + self.parameters

    @cached_property
    def size(self) -> int:
        """Number of monomials."""
        return self.first[-1]

    @cached_property
    def first(self) -> tuple[int, ...]:
        """(order + 2,) Number of monomials below each degree, 0 to order + 1: its first row."""
        return _first(self)

    @cached_property
    def exponents(self) -> np.ndarray:
        """(size, dimensions) Powers of each monomial; read-only."""
        return _exponents(self)

    @cached_property
    def degrees(self) -> np.ndarray:
        """(size,) Total degree of each monomial; read-only."""
        return _degrees(self)

    def rows(self, order: int) -> int:
        """Number of monomials up to an order."""
        return self.first[min(order, self.order) + 1]

    @cached_property
    def order_of(self) -> dict[int, int]:
        """Order of a series, by its number of coefficients."""
        return {rows: order for order, rows in enumerate(self.first[1:])}

    def names(self) -> tuple[str, ...]:
        """Names of variables and parameters for printing."""
        own = COORDINATES if self.variables == 6 else tuple(f"x{i + 1}" for i in range(self.variables))
        return own + tuple(f"k{i + 1}" for i in range(self.parameters))

    def row(self, exponents: Sequence[int]) -> int:
        """Row of a monomial, by its exponents.

        Raises
        ------
        InputError
            The number of exponents is wrong, one is negative, or the space has no such monomial.
        """
        try:
            powers = tuple(require_integer("Space", "exponents", e, at_least=0) for e in exponents)
        except TypeError:
            powers = ()
        if len(powers) != self.dimensions:
            raise InputError(f"Space: exponents must be {self.dimensions} integers, got {short(exponents)}")
        row = _rows_by_exponents(self).get(powers)
        if row is None:
            text = f"order {self.order}" + (f", {self.parameter_order} in parameters" if self.parameters else "")
            raise InputError(f"Space: exponents {powers} lie beyond {text}; use a space of higher order")
        return row

    def find(self, exponents: np.ndarray) -> np.ndarray:
        """Rows of monomials (..., dimensions); -1 if the space has no such monomial, or a power is negative."""
        inside = (exponents >= 0).all(axis=-1) & (exponents.sum(axis=-1) <= self.order)
        keys, allowed = _keys(self, np.where(inside[..., None], exponents, 0)), _allowed_keys(self)
        rows = np.minimum(np.searchsorted(allowed, keys), self.size - 1)
        return np.where(inside & (allowed[rows] == keys), rows, -1)


def _keys(space: Space, exponents: np.ndarray) -> np.ndarray:
    """Rank of monomials among all monomials in these variables, without a limit on parameters.

    With r_v the degree in the variables from v on, and m = n - v of these, the preceding monomials that share the
    powers before v and differ at v number C(m + r_v - 1, m) minus those counted at v + 1; sum over v.
    """
    n = space.dimensions
    keys = np.zeros(exponents.shape[:-1], dtype=np.int64)
    rest = np.zeros(exponents.shape[:-1], dtype=np.int64)
    for v in range(n - 1, -1, -1):
        rest = rest + exponents[..., v]
        counts = [0] + [math.comb(n - v + r - 1, n - v) for r in range(1, space.order + 1)]
        keys += np.array(counts, dtype=np.int64)[rest]
    return keys


@cache
def _exponents(space: Space) -> np.ndarray:
    """All exponents, degree by degree: each monomial times the variables from its last one on."""
    n = space.dimensions
    degrees = [np.zeros((1, n), dtype=np.int64)]
    lasts = np.zeros(1, dtype=np.int64)
    for _ in range(space.order):
        below = degrees[-1]
        steps = n - lasts
        parents = np.repeat(np.arange(len(below)), steps)
        offsets = np.arange(len(parents)) - np.repeat(np.cumsum(steps) - steps, steps)
        lasts = lasts[parents] + offsets
        powers = below[parents]
        powers[np.arange(len(powers)), lasts] += 1
        allowed = powers[:, space.variables :].sum(axis=1) <= space.parameter_order
        degrees.append(powers[allowed])
        lasts = lasts[allowed]
    return _frozen(np.concatenate(degrees))


@cache
def _degrees(space: Space) -> np.ndarray:
    return _frozen(space.exponents.sum(axis=1))


@cache
def _first(space: Space) -> tuple[int, ...]:
    return tuple(int(i) for i in np.searchsorted(space.degrees, np.arange(space.order + 2)))


@cache
def _allowed_keys(space: Space) -> np.ndarray:
    return _frozen(_keys(space, space.exponents))


@cache
def _rows_by_exponents(space: Space) -> dict[tuple[int, ...], int]:
    return {tuple(powers): row for row, powers in enumerate(space.exponents.tolist())}


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
