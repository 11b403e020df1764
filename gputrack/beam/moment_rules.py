"""Derivative rules of moments and eigen-emittances: one pass over the particles, then 6 x 6 matrices.

Sums over particles are evaluated on their device, in the primitives and in their rules; only the moments and
their cotangents are transferred between device and host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd.extend import defjvp, defvjp

from gputrack.base.arrays import Array, is_cupy, is_traced, namespace, on_device, to_numpy
from gputrack.base.errors import InputError
from gputrack.base.primitive import primitive
from gputrack.base.sealed_array import opened, sealed_as
from gputrack.base.symplectic import symplectic_form
from gputrack.beam import moments

#: eigen-emittances closer than this, relative to the largest, count as equal: rounding is 1e-15
_EQUAL = 1e-12
#: below this fraction of the largest, an eigen-emittance is rounding
_ZERO = 16.0 * 2.0**-52


@primitive
def mean_and_sigma(coordinates: Array, weights: Array, alive: Array) -> np.ndarray:
    """Mean and second central moments of the surviving particles.

    Parameters
    ----------
    coordinates : (..., 6, n) array
        NumPy or CuPy; lost particles may be NaN. The only differentiable argument.
    weights : (n,) array
    alive : bool array (..., n)

    Returns
    -------
    (..., 7, 6) NumPy array
        The mean in row 0, sigma below it; NaN where all particles are lost.
    """
    with on_device(coordinates):
        c, w = moments.survivors(opened(coordinates), weights, alive)
        packed: np.ndarray = _packed(to_numpy(moments.mean(c, w)), to_numpy(moments.sigma(c, w)))
        return packed


def _packed(mean: Array, sigma: Array) -> Array:
    xp = namespace(mean)
    return xp.concatenate([mean[..., None, :], sigma], axis=-2)


def _offsets(answer: Array, coordinates: Array, weights: Array, alive: Array) -> tuple[Array, Array]:
    """Offsets from the mean (..., 6, n) and fractions of the total weight (..., 1, n); 0 for lost particles."""
    c, w = moments.survivors(opened(coordinates), weights, alive)
    centre = _on_device_of(coordinates, answer[..., 0, :])[..., None]
    xp = namespace(c, centre)
    fraction = (w / moments.total(w))[..., None, :]
    return xp.where(alive[..., None, :], c - centre, 0.0), xp.where(alive[..., None, :], fraction, 0.0)


def _on_device_of(coordinates: Array, value: Array) -> Array:
    """A small array on the device of the coordinates."""
    return namespace(coordinates).asarray(value) if is_cupy(coordinates) else value


def _pull_moments(answer: Any, coordinates: Any, weights: Any, alive: Any) -> Callable[[Any], Any]:
    """Cotangent of the coordinates c: bar c = s (bar mean + (B + B^T) u), B = bar sigma.

    u is the offset from the mean, s the fraction of the weight. sigma does not depend on the mean to first order,
    since the weighted sum of u is 0.
    """

    def pull(cotangent: Any) -> Any:
        with on_device(coordinates):
            bar = _on_device_of(coordinates, cotangent)
            offset, fraction = _offsets(answer, coordinates, weights, alive)
            both = bar[..., 1:, :] + moments.transposed(bar[..., 1:, :])
            return sealed_as(coordinates, fraction * (bar[..., 0, :][..., None] + both @ offset))

    return pull


def push_moments(tangent: Any, answer: Any, coordinates: Any, weights: Any, alive: Any) -> Any:
    """Tangents of mean and sigma: the sums of s dc and of s (dc u^T + u dc^T) over the particles."""
    offset, fraction = _offsets(answer, coordinates, weights, alive)
    xp = namespace(tangent, offset)
    weighted = fraction * xp.where(alive[..., None, :], opened(tangent), 0.0)
    half = weighted @ moments.transposed(offset)
    mean, sigma = xp.sum(weighted, axis=-1), half + moments.transposed(half)
    return _packed(to_numpy(mean), to_numpy(sigma)) if is_cupy(mean) else _packed(mean, sigma)


defvjp(mean_and_sigma, _pull_moments, argnums=(0,))
defjvp(mean_and_sigma, push_moments, argnums=(0,))


#: numbers of one record from which the cotangents of its particles follow; twin of kernels/program/moments.h
MOMENT_SEEDS = 6 + 6 + 36


def moment_seeds(bar: np.ndarray, answer: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Numbers from cotangents of recorded moments, from which those of each particle follow, see `seeded`.

    Parameters
    ----------
    bar, answer : (..., 7, 6) arrays
        Cotangents of moments, and the moments, as of `mean_and_sigma`.
    total : (...) array
        Sums of the survivors' weights.

    Returns
    -------
    (..., MOMENT_SEEDS) array
        bar mean/W, the mean, and (bar sigma + its transposed)/W row by row; 0 where no particle survives.
    """
    some = total > 0.0
    over = np.where(some, 1.0 / np.where(some, total, 1.0), 0.0)[..., None]
    both = bar[..., 1:, :] + moments.transposed(bar[..., 1:, :])
    mean = np.where(some[..., None], answer[..., 0, :], 0.0)
    return np.concatenate([bar[..., 0, :] * over, mean, both.reshape(*over.shape[:-1], 36) * over], axis=-1)


def seeded(coordinates: np.ndarray, weights: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Cotangents (6, n) of coordinates (6, n) by one record: w (b + B (c - m)), from b, m and B (MOMENT_SEEDS,)."""
    b, mean, matrix = seeds[:6, None], seeds[6:12, None], seeds[12:].reshape(6, 6)
    bars: np.ndarray = weights * (b + matrix @ (coordinates - mean))
    return bars


@primitive
def eigen_emittances(matrix: Array) -> Array:
    """Eigen-emittances of sigma, see `gputrack.beam.moments.eigen_emittances`, with finite derivatives everywhere.

    Equal eigen-emittances (a round beam) all have the average of their derivatives: their sum is smooth and its
    derivative exact, and the average is a sub-gradient of the largest and of the smallest. An eigen-emittance of 0
    (a flat beam) has derivative 0.
    """
    return moments.eigen_emittances(matrix)


def eigen_emittance_gradients(matrix: np.ndarray) -> np.ndarray:
    """Derivatives of the three eigen-emittances with respect to sigma, (3, 6, 6).

    With sigma = L L^T and i L^T S L u = e u: de = a^H dsigma a / e for a = S L u, |u| = 1, the first-order change of
    the eigenvalue -i e of sigma S, whose right and left eigenvectors are L u and a. No inverse occurs, so that sigma
    may be singular.
    """
    if is_traced(matrix):
        raise InputError("eigen_emittances: second derivatives are not available")
    factor = moments.cholesky(matrix)
    values, vectors = np.linalg.eigh(1j * (factor.T @ symplectic_form(6) @ factor))
    values, vectors = values[:2:-1], vectors[:, :2:-1]
    a = symplectic_form(6) @ factor @ vectors
    squares = np.einsum("ik,jk->kij", a, a.conj()).real
    valid = values > _ZERO * values[0]
    gradients = np.where(valid, 1.0, 0.0)[:, None, None] * squares / np.where(valid, values, 1.0)[:, None, None]
    equal = (np.abs(values[:, None] - values) <= _EQUAL * values[0]) & valid & valid[:, None]
    average = np.where(equal, 1.0, 0.0) / np.maximum(1.0, equal.sum(axis=1))[:, None]
    result: np.ndarray = np.einsum("kl,lij->kij", average, gradients)
    return result


def _pull_eigen(answer: Any, matrix: Any) -> Callable[[Any], Any]:
    gradients = eigen_emittance_gradients(matrix)
    return lambda cotangent: namespace(cotangent).einsum("k,kij->ij", cotangent, gradients)


def _push_eigen(tangent: Any, answer: Any, matrix: Any) -> Any:
    return namespace(tangent).einsum("kij,ij->k", eigen_emittance_gradients(matrix), tangent)


defvjp(eigen_emittances, _pull_eigen)
defjvp(eigen_emittances, _push_eigen)
