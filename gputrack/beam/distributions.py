"""Random distributions of particles in normalised coordinates: zero mean, unit variances, shape (6, n).

Random numbers are drawn on the host by NumPy's PCG64, so that a seed gives the same beam on every device.
`shaped` then applies a matrix, which gives the sizes and correlations.
"""

from __future__ import annotations

import numpy as np

from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.base.checks import require_integer, require_number, require_unmasked
from gputrack.base.errors import InputError
from gputrack.beam.moments import cholesky, sigma


def generator(owner: str, seed: object) -> np.random.Generator:
    """Random generator for a seed >= 0."""
    return np.random.Generator(np.random.PCG64(require_integer(owner, "seed", seed, at_least=0, at_most=np.inf)))


def gaussian(n: int, random: np.random.Generator, cut: float = np.inf) -> np.ndarray:
    """Normal distribution whose amplitude sqrt(q^2 + p^2) in each plane is below `cut`.

    With a cut in amplitude rather than in each coordinate the distribution stays round, hence matched. Without a
    cut this is Box and Muller's method (Ann. Math. Stat. 29 (1958) 610); a cut reduces the variances.
    """
    # The distribution function of the amplitude, 1 - exp(-r^2/2) normalised to 1 at the cut, is inverted.
    fraction = -np.expm1(-0.5 * cut * cut)
    radius = np.sqrt(-2.0 * np.log1p(-fraction * random.random((3, n))))
    phase = 2.0 * np.pi * random.random((3, n))
    return np.stack([radius * np.cos(phase), radius * np.sin(phase)], axis=1).reshape(6, n)


def kv(n: int, random: np.random.Generator) -> np.ndarray:
    """Kapchinskij-Vladimirskij: uniform on the 3-sphere of radius 2 in x, px, y, py; normal in z, delta.

    Every projection on two of the four coordinates is a uniform disc of radius 2, thus of unit variances
    (I. M. Kapchinskij, V. V. Vladimirskij, Proc. HEACC (CERN, 1959) 274).
    """
    points = gaussian(n, random)
    points[:4] *= 2.0 / np.sqrt(np.sum(points[:4] ** 2, axis=0))
    return points


def waterbag(n: int, random: np.random.Generator, dimensions: int) -> np.ndarray:
    """Uniform in a ball of the first 4 coordinates (z, delta normal), or of all 6.

    A ball of radius R in d dimensions has variances R^2 / (d + 2): R is sqrt(6) or sqrt(8).
    """
    points = gaussian(n, random)
    ball = points[:dimensions]
    radius = np.sqrt(dimensions + 2.0) * random.random(n) ** (1.0 / dimensions)
    ball *= radius / np.sqrt(np.sum(ball**2, axis=0))
    return points


def with_exact_moments(owner: str, points: np.ndarray) -> np.ndarray:
    """Shift and transform the points linearly so that their mean is 0 and their covariance 1 to rounding.

    Raises
    ------
    InputError
        There are fewer than 7 particles: they cannot span six dimensions around their mean.
    """
    n = points.shape[1]
    if n < 7:
        raise InputError(f"{owner}: exact_moments needs n >= 7 particles, got {n}")
    for _ in range(2):  # the second pass removes the rounding of the first
        points = points - points.mean(axis=1, keepdims=True)
        points = np.linalg.solve(cholesky(sigma(points, np.ones(n))), points)
    return points


def shaped(owner: str, points: np.ndarray, factor: Array, centroid: Array) -> Array:
    """Coordinates centroid + factor points; traced if `factor` or `centroid` is; `InputError` on overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        coordinates = factor @ points + centroid[:, None]
    if not np.all(np.isfinite(untraced(coordinates))):
        raise InputError(f"{owner}: the coordinates overflow; reduce the sizes or the centroid")
    return coordinates


def require_cut(owner: str, cut: object) -> float:
    """Amplitude limit in rms sizes; None for no limit."""
    return np.inf if cut is None else require_number(owner, "cut", cut, above=0.0)


def require_sigma_factor(owner: str, matrix: object) -> Array:
    """Cholesky factor of a (6, 6) symmetric positive semi-definite matrix of second moments; traced if that is.

    Raises
    ------
    InputError
        The matrix has a wrong shape, is not symmetric, or has a negative eigenvalue.
    """
    require_unmasked(owner, "sigma", matrix)
    try:
        values = np.asarray(untraced(matrix))
    except (TypeError, ValueError):
        raise InputError(f"{owner}: sigma must be a (6, 6) array of numbers") from None
    if values.dtype.kind not in "fiu":
        raise InputError(f"{owner}: sigma must be a (6, 6) array of numbers, got dtype {values.dtype}")
    values = values.astype(float)
    if values.shape != (6, 6):
        raise InputError(f"{owner}: sigma must have shape (6, 6), got {values.shape}")
    if not np.all(np.isfinite(values)):
        raise InputError(f"{owner}: sigma must be finite")
    if np.any(np.abs(values) > 1e150):
        raise InputError(f"{owner}: products of entries of sigma overflow; they must be below 1e150")
    variances = np.diag(values)
    if np.any(variances < 0.0):
        raise InputError(f"{owner}: sigma must have diagonal entries >= 0, got {variances.min():g}")
    # Relative to the sizes, since the units of the entries may differ by many orders of magnitude.
    scale = np.sqrt(np.outer(variances, variances))
    if np.any(np.abs(values - values.T) > 1e-9 * scale):
        raise InputError(f"{owner}: sigma must be symmetric")
    factor = cholesky(0.5 * (values + values.T))
    if np.any(np.abs(factor @ factor.T - values) > 1e-8 * scale):
        raise InputError(f"{owner}: sigma must be positive semi-definite; a correlation exceeds 1")
    return cholesky(0.5 * (matrix + matrix.T)) if is_traced(matrix) else factor  # type: ignore[attr-defined]
