"""Moments and emittances: pure functions of coordinates (..., 6, n) and weights (..., n), or of the matrix sigma.

They use array-API operations that autograd differentiates and accept NumPy, CuPy and traced arrays.
Averages are weighted, <a> = sum(w a) / W with the total weight W, so that a particle of weight 2 counts
as two equal particles. Results are NaN where the total weight is 0.
"""

from __future__ import annotations

import math

import numpy as np

from gputrack.base.arrays import Array, namespace
from gputrack.base.errors import InputError
from gputrack.base.symplectic import symplectic_form

COORDINATES = ("x", "px", "y", "py", "z", "delta")
PLANES = {"x": 0, "y": 2, "z": 4}

#: S with d(x, px, ...)/ds = S grad H: the symplectic form of (x, px, y, py, z, delta)

# A pivot below this fraction of its variance is rounding error: the distribution is flat in that direction.
_FLAT = 16.0 * 2.0**-52


def coordinate_index(name: str) -> int:
    """Row of a coordinate given by name; `InputError` if there is none."""
    if name not in COORDINATES:
        raise InputError(f"coordinate must be one of {', '.join(COORDINATES)}, got {name!r}")
    return COORDINATES.index(name)


def plane_index(plane: str) -> int:
    """First row of a plane given by name; `InputError` if there is none."""
    if plane not in PLANES:
        raise InputError(f"plane must be 'x', 'y' or 'z', got {plane!r}")
    return PLANES[plane]


def survivors(coordinates: Array, weights: Array, alive: Array) -> tuple[Array, Array]:
    """Coordinates and weights, 0 for lost particles, whose coordinates may be NaN."""
    xp = namespace(coordinates, weights)
    return (
        xp.where(alive[..., None, :], coordinates, xp.zeros_like(coordinates)),
        xp.where(alive, weights, xp.zeros_like(weights)),
    )


def total(weights: Array) -> Array:
    """Sum of the weights over the particles, shape (..., 1); NaN where it is 0."""
    xp = namespace(weights)
    summed = xp.sum(weights, axis=-1, keepdims=True)
    return xp.where(summed > 0.0, summed, math.nan * xp.ones_like(summed))


def transposed(matrix: Array) -> Array:
    """Exchange the last two axes."""
    return namespace(matrix).moveaxis(matrix, -1, -2)


def mean(coordinates: Array, weights: Array) -> Array:
    """Centroid <u>, shape (..., 6), in the units of the coordinates."""
    xp = namespace(coordinates, weights)
    return xp.sum(coordinates * weights[..., None, :], axis=-1) / total(weights)


def sigma(coordinates: Array, weights: Array) -> Array:
    """Second central moments <(u - <u>)(u - <u>)^T>, shape (..., 6, 6)."""
    # Centred first: <u u> - <u><u> loses digits for a small beam far from the axis.
    offset = coordinates - mean(coordinates, weights)[..., None]
    square = (offset * weights[..., None, :]) @ transposed(offset)
    return 0.5 * (square + transposed(square)) / total(weights)[..., None]


def projected_emittance(matrix: Array, plane: str) -> Array:
    """Projected rms emittance sqrt(<q^2><p^2> - <q p>^2) [m] of plane x, y or z (z with delta).

    Value and derivative are 0 where the plane is flat to rounding.

    Parameters
    ----------
    matrix : (6, 6) array
        Second moments, see `sigma`.
    plane : {"x", "y", "z"}

    Raises
    ------
    InputError
        `plane` is none of x, y, z.
    """
    i = plane_index(plane)
    product = matrix[i, i] * matrix[i + 1, i + 1]
    return root(product - matrix[i, i + 1] * matrix[i, i + 1], _FLAT * product)


def eigen_emittances(matrix: Array) -> Array:
    """Eigen-emittances [m], the moduli of the eigenvalues of sigma S, largest first, shape (3,).

    Linear symplectic maps conserve them, coupled or not (A. J. Dragt, F. Neri, G. Rangarajan, Phys. Rev. A 45
    (1992) 2572). With sigma = L L^T they are the moduli of the imaginary eigenvalues of the antisymmetric
    A = L^T S L, thus the eigenvalues, in equal pairs, of the real symmetric [[0, -A], [A, 0]], which are
    real whatever the rounding. Errors are relative to the largest of the three.

    Parameters
    ----------
    matrix : (6, 6) array
        Second moments, see `sigma`; may be singular.
    """
    xp = namespace(matrix)
    factor = cholesky(matrix)
    form = factor.T @ xp.asarray(symplectic_form(6)) @ factor
    upper, lower = xp.asarray(np.eye(12, 6)), xp.asarray(np.eye(12, 6, -6))
    values = xp.linalg.eigh(lower @ form @ upper.T - upper @ form @ lower.T)[0]
    return xp.stack([0.5 * (values[i] + values[i - 1]) for i in (11, 9, 7)])


def cholesky(matrix: Array) -> Array:
    """Lower triangular L with L L^T = matrix; columns are 0 in the null space of a positive semi-definite matrix.

    Written out because library routines do not accept singular matrices (one particle, no energy spread).
    """
    xp = namespace(matrix)
    size = matrix.shape[0]
    factor = [[0.0 * matrix[0, 0]] * size for _ in range(size)]
    for j in range(size):
        pivot = matrix[j, j] - sum(factor[j][k] * factor[j][k] for k in range(j))
        factor[j][j] = root(pivot, _FLAT * matrix[j, j])
        for i in range(j + 1, size):
            rest = matrix[i, j] - sum(factor[i][k] * factor[j][k] for k in range(j))
            factor[i][j] = _ratio(rest, factor[j][j])
    return xp.stack([xp.stack(row) for row in factor])


def root(value: Array, floor: Array = 0.0) -> Array:
    """Square root; value and derivative are 0 where `value` does not exceed `floor`."""
    xp = namespace(value)
    valid = value > floor
    return xp.where(valid, xp.sqrt(xp.where(valid, value, xp.ones_like(value))), 0.0 * value)


def _ratio(value: Array, divisor: Array) -> Array:
    """Quotient; 0 where the divisor is 0."""
    xp = namespace(value)
    valid = divisor > 0.0
    return xp.where(valid, value / xp.where(valid, divisor, xp.ones_like(divisor)), 0.0 * value)
