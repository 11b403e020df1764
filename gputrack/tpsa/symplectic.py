"""Deviation of a map from symplecticity, and a nearby symplectic map; maps are given by their components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gputrack.base.arrays import Array
from gputrack.base.symplectic import symplectic_form
from gputrack.tpsa.calculus import poisson
from gputrack.tpsa.components import linear_part, transformed, without_constant
from gputrack.tpsa.layout import namespace
from gputrack.tpsa.series import Series
from gputrack.tpsa.vector_field import hamiltonian, hamiltonian_field, logarithm, time_one_map

_ROUNDS = 8  # of a quadratically convergent iteration


def symplectic_defect(given: Sequence[Series]) -> Array:
    """(*batch, order) Largest coefficient of [M_i, M_j] - S_ij for degrees 0 to order - 1."""
    s, space = symplectic_form(len(given)), given[0].space
    xp = namespace(given[0]._data)
    worst = 0.0
    for i in range(len(given)):
        for j in range(i + 1, len(given)):
            found = abs((poisson(given[i], given[j]) - s[i, j]).coefficients)
            edges = zip(space.first[: space.order], space.first[1:], strict=False)
            worst = xp.maximum(worst, xp.stack([xp.max(found[..., a:b], axis=-1) for a, b in edges], axis=-1))
    return worst


def symplectified(given: Sequence[Series]) -> list[Series]:
    """Components of a nearby symplectic map: linear part by Newton's iteration, the remainder by its Lie generator.

    With M = L N, N is the exponential of a vector field, which is projected onto Hamiltonian fields. The constant part
    is unchanged.

    Raises
    ------
    InputError
        The variables do not come in pairs, or the map depends on parameters in first order.
    """
    moved, linear = without_constant(given), linear_part(given)
    rest = transformed(np.linalg.inv(linear), moved)
    nonlinear = time_one_map(hamiltonian_field(hamiltonian(logarithm(rest))))
    parts = transformed(symplectic_matrix(linear), [c._spread(given[0].batch) for c in nonlinear])
    return [part + c.constant for part, c in zip(parts, given, strict=True)]


def symplectic_matrix(matrix: np.ndarray) -> np.ndarray:
    """Symplectic matrix near a matrix (..., n, n): L <- L (3 - A) / 2 with A = -S L^T S L, which converges to 1."""
    s, unit = symplectic_form(matrix.shape[-1]), np.eye(matrix.shape[-1])
    for _ in range(_ROUNDS):
        matrix = matrix @ (3.0 * unit + s @ np.swapaxes(matrix, -1, -2) @ s @ matrix) / 2.0
    return matrix
