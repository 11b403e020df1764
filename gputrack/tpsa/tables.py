"""Tables of a space: terms of products and of their adjoints, derivatives, integrals, and the tree of monomials.

Shared by the algebra of series and the tracking of series; built once for each space by NumPy, and read-only.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from gputrack.tpsa.space import Space


class Terms(NamedTuple):
    """Sums of products out_k = sum of x_i y_j, row by row of the result.

    Attributes
    ----------
    starts : int32 array (size, order + 2)
        For each row k, its first term with a left factor of degree at least 0, 1, ..., order + 1.
    left, right : int32 arrays (terms,)
        Rows i, j of the two factors; within a row k, sorted by i.
    """

    starts: np.ndarray
    left: np.ndarray
    right: np.ndarray


@cache
def product_terms(space: Space) -> Terms:
    """Terms of c_k = sum of a_i b_j over all i + j = k."""
    left, right, out = _triples(space)
    return _by_row(space, out, left, right)


@cache
def adjoint_terms(space: Space) -> Terms:
    """Terms of abar_i = sum of b_j g_{i+j} over all j: the adjoint of a product, applied to a cotangent g."""
    left, right, out = _triples(space)
    return _by_row(space, left, right, out)


def _triples(space: Space) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (i, j, k) of all products within the space."""
    found = []
    for degree in range(space.order + 1):
        own = np.arange(space.first[degree], space.first[degree + 1])
        other = np.arange(space.rows(space.order - degree))
        i, j = np.repeat(own, len(other)), np.tile(other, len(own))
        k = space.find(space.exponents[i] + space.exponents[j])
        found.append(np.stack([i, j, k])[:, k >= 0])
    i, j, k = np.concatenate(found, axis=1)
    return i, j, k


def _by_row(space: Space, row: np.ndarray, left: np.ndarray, right: np.ndarray) -> Terms:
    order = np.lexsort((left, row))
    row, left, right = row[order], left[order], right[order]
    width = space.order + 2
    # sort by row, then by degree of the left factor
    keys = row * width + space.degrees[left]
    starts = np.searchsorted(keys, np.arange(space.size * width)).reshape(space.size, width)
    return Terms(*(_frozen(np.ascontiguousarray(a, dtype=np.int32)) for a in (starts, left, right)))


@cache
def by_length(space: Space) -> np.ndarray:
    """(size,) Rows, degree by degree, sorted by their number of terms in a product."""
    starts = product_terms(space).starts
    lengths = starts[:, -1] - starts[:, 0]
    return _frozen(np.lexsort((lengths, space.degrees)).astype(np.int32))


@cache
def derivative_rows(space: Space, variable: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of a derivative, the row one power higher and its power (size, 1); 0 if there is none."""
    source = _shifted(space, variable, 1)
    factor = np.where(source >= 0, space.exponents[:, variable] + 1.0, 0.0)
    return _frozen(np.maximum(source, 0)), _frozen(factor[:, None])


@cache
def integral_rows(space: Space, variable: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of an integral, the row one power lower and 1/power (size, 1); 0 if there is none."""
    source = _shifted(space, variable, -1)
    factor = np.where(source >= 0, 1.0 / np.maximum(space.exponents[:, variable], 1), 0.0)
    return _frozen(np.maximum(source, 0)), _frozen(factor[:, None])


def _shifted(space: Space, variable: int, step: int) -> np.ndarray:
    steps = np.zeros(space.dimensions, dtype=np.int64)
    steps[variable] = step
    return space.find(space.exponents + steps)


class Tree(NamedTuple):
    """Monomials in depth-first order, each after its parent, which has one power less of its last variable.

    Attributes
    ----------
    rows, lasts : int32 arrays (size,)
        Rows of the monomials; their last variables (-1 for the constant).
    """

    rows: np.ndarray
    lasts: np.ndarray


@cache
def tree(space: Space) -> Tree:
    """Monomials sorted by the lists of their variables: x1 before x1 x1 before x1 x2 before x2."""
    n, order = space.dimensions, space.order
    words = np.full((space.size, max(order, 1)), -1, dtype=np.int64)
    for row, powers in enumerate(space.exponents):
        word = np.repeat(np.arange(n), powers)
        words[row, : len(word)] = word
    rows = np.lexsort(words.T[::-1])
    lasts = np.take_along_axis(words, np.maximum(space.degrees - 1, 0)[:, None], axis=1)[:, 0]
    return Tree(_frozen(rows.astype(np.int32)), _frozen(lasts[rows].astype(np.int32)))


@cache
def parents(space: Space) -> np.ndarray:
    """(size,) Row of each monomial's parent in the tree; 0 for the constant."""
    lower = space.exponents.copy()
    lasts = np.zeros(space.size, dtype=np.int64)
    lasts[tree(space).rows] = tree(space).lasts
    lower[np.arange(1, space.size), lasts[1:]] -= 1
    return _frozen(space.find(lower))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
