"""How far a map is from being symplectic, and the nearest one that is."""

from __future__ import annotations

import numpy as np

from gputrack.base.arrays import Array
from gputrack.tpsa.calculus import poisson
from gputrack.tpsa.layout import namespace
from gputrack.tpsa.lie import exponential_map, hamiltonian, lie_logarithm
from gputrack.tpsa.map import Map, transformed

_ROUNDS = 8  # of a quadratically convergent iteration


def form(variables: int) -> np.ndarray:
    """S with S[q, p] = 1 = -S[p, q] for each pair."""
    return np.kron(np.eye(variables // 2), np.array([[0.0, 1.0], [-1.0, 0.0]]))


def symplectic_defect(given: Map) -> Array:
    """Largest coefficient of [M_i, M_j] - S_ij, by degree.

    Returns
    -------
    (*batch, order) array
        For degrees 0 to order - 1: brackets are known to one order less than the map.
    """
    s, space = form(len(given)), given.space
    xp = namespace(given[0]._data)
    worst = 0.0
    for i in range(len(given)):
        for j in range(i + 1, len(given)):
            found = abs((poisson(given[i], given[j]) - s[i, j]).coefficients)
            edges = zip(space.first[: space.order], space.first[1:], strict=False)
            worst = xp.maximum(worst, xp.stack([xp.max(found[..., a:b], axis=-1) for a, b in edges], axis=-1))
    return worst


def symplectified(given: Map) -> Map:
    """A symplectic map nearby: linear part by Newton's iteration, then order by order through the Lie generator.

    With M = L N, N is the exponential of a vector field, of which the part that comes from a Hamiltonian is kept.
    What the map does to the origin is left as it is.

    Raises
    ------
    InputError
        The variables do not come in pairs, or the map depends on parameters in first order.
    """
    constant = [c.constant for c in given.components]
    moved = given.without_constant()
    linear = moved.matrix
    rest = Map(transformed(np.linalg.inv(linear), moved.components))
    nonlinear = exponential_map(hamiltonian(lie_logarithm(rest)))
    parts = transformed(symplectic_matrix(linear), [c._spread(given.batch) for c in nonlinear.components])
    return Map([part + value for part, value in zip(parts, constant, strict=True)])


def symplectic_matrix(matrix: np.ndarray) -> np.ndarray:
    """Symplectic matrix near a matrix (..., n, n): L <- L (3 - A) / 2 with A = -S L^T S L, which is 1 in the end."""
    s, unit = form(matrix.shape[-1]), np.eye(matrix.shape[-1])
    for _ in range(_ROUNDS):
        matrix = matrix @ (3.0 * unit + s @ np.swapaxes(matrix, -1, -2) @ s @ matrix) / 2.0
    return matrix
