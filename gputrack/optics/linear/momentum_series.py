"""Closed orbit, matrices and tunes of a ring as power series in the momentum deviation, from its one-turn map.

The map is a power series about the closed orbit at one momentum. Its fixed point at other momenta is a power series
x*(delta), found order by order by Newton's method; its derivative there is the one-turn matrix as a power series, whose
rotation angles are the tunes. There are no finite differences: all orders are exact, up to that of the map.
Coefficients of delta^0, delta^1, ... are along the last axis. Differentiable with respect to the map's coefficients.
"""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, untraced
from gputrack.optics.linear.normal_modes import transverse_basis, turning_angles
from gputrack.tpsa.series import Series
from gputrack.tpsa.space import Space


def cauchy(a: Array, b: Array) -> Array:
    """Product of power series in delta, coefficients along the last axis."""
    order = a.shape[-1]
    return anp.stack([sum(a[..., i] * b[..., k - i] for i in range(k + 1)) for k in range(order)], axis=-1)


def cauchy_matmul(a: Array, b: Array) -> Array:
    """Product of matrices (..., i, j, order + 1) and (j, k, order + 1) of power series in delta."""
    order = a.shape[-1]
    terms = [sum(anp.matmul(a[..., i], b[..., k - i]) for i in range(k + 1)) for k in range(order)]
    return anp.stack(terms, axis=-1)


def monomials(space: Space, orbit: Array) -> Array:
    """(space.size, order + 1) Each monomial of a space at (6, order + 1) power series in delta."""
    done = [anp.array([[1.0] + [0.0] * (orbit.shape[-1] - 1)])]
    for degree in range(1, space.order + 1):
        powers = space.exponents[space.first[degree] : space.first[degree + 1]]
        last = powers.shape[1] - 1 - np.argmax(powers[:, ::-1] > 0, axis=1)
        parents = powers.copy()
        parents[np.arange(len(powers)), last] -= 1
        below = done[-1][space.find(parents) - space.first[degree - 1]]
        done.append(cauchy(below, orbit[last]))
    return anp.concatenate(done)


def dispersive_orbit(space: Space, turn: Array, order: int) -> Array:
    """(6, order + 1) Deviation of the closed orbit, with z = 0, from the orbit about which the map is expanded.

    Parameters
    ----------
    space : Space
        Of order >= `order`.
    turn : (6, space.size) array
        One-turn map, cavities off.
    order : int
    """
    matrix = turn[:4, 1:5]
    orbit = start_orbit(anp.zeros((4, order)))
    for _ in range(order):  # each step adds one correct coefficient
        miss = (anp.dot(turn, monomials(space, orbit)) - orbit)[:4, 1:]
        orbit = start_orbit(orbit[:4, 1:] + anp.linalg.solve(anp.eye(4) - matrix, miss))
    return orbit


def start_orbit(rates: Array) -> Array:
    """(6, order + 1) Orbit at the start from the coefficients (4, order) of delta, delta^2, ... of x, px, y, py."""
    order = rates.shape[1]
    delta = np.zeros((1, order + 1))
    delta[0, 1:2] = 1.0
    return anp.concatenate(
        [anp.concatenate([anp.zeros((4, 1)), rates], axis=1), np.zeros((1, order + 1)), anp.array(delta)]
    )


def matrices_on(space: Space, maps: Array, orbit: Array) -> Array:
    """(..., 4, 4, order + 1) Transverse matrices of maps (..., 6, size) on an orbit (6, order + 1)."""
    order = orbit.shape[-1] - 1
    count = space.rows(order)  # terms of higher degree are of higher order in delta
    values = monomials(Space(6, order), orbit)
    columns = []
    for j in range(4):
        raised = space.exponents[:count] + np.eye(6, dtype=int)[j]
        columns.append(anp.matmul(maps[..., :4, space.find(raised)] * raised[:, j], values))
    return anp.stack(columns, axis=-2)


def basis_series(matrix: Array) -> Array:
    """(4, 4, order + 1) Normal modes of a matrix of power series; see `transverse_basis`."""
    order = matrix.shape[-1] - 1
    rows = transverse_basis(_entries(matrix))
    return anp.stack([anp.stack([_coefficients(e, order) for e in row]) for row in rows])


def tune_series(matrix: Array) -> Array:
    """(2, order + 1) Tunes of the modes of a matrix of power series, without their integer parts."""
    order = matrix.shape[-1] - 1
    return anp.stack([_angle(c, s, order) for c, s in turning_angles(_entries(matrix))]) / (2.0 * math.pi)


def _angle(cosine: Any, sine: Any, order: int) -> Array:
    """Angle from its cosine and sine, as power series."""
    c, s = cosine.constant, sine.constant
    turned = (sine * c - cosine * s).arcsin()
    first = anp.reshape(anp.arctan2(s, c), (1,))
    return anp.concatenate([first, _coefficients(turned, order)[1:]])


def _entries(matrix: Array) -> list[list[Series]]:
    space = Space(1, matrix.shape[-1] - 1)
    return [[Series.of(space, matrix[i, j]) for j in range(4)] for i in range(4)]


def _coefficients(number: Any, order: int) -> Array:
    if isinstance(number, Series):
        return anp.reshape(number.coefficients, (order + 1,))
    return anp.concatenate([anp.reshape(anp.array(untraced(number)), (1,)), anp.zeros(order)])
