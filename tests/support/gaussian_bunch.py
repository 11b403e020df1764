"""Gaussian bunches without noise."""

from __future__ import annotations

import numpy as np


def gaussian_points(n, sizes):
    """Quiet: a lattice of points through the inverse distribution, mirrored in each axis so that no mean is left."""
    from scipy.special import ndtri

    i = np.arange(n)
    primes = np.sqrt([2.0, 3.0, 5.0])[: len(sizes)]
    points = ndtri(0.5 + 0.5 * ((np.outer(primes, i + 0.5)) % 1.0)) * np.array(sizes)[:, None]
    for axis in range(len(sizes)):
        mirror = np.ones(len(sizes))
        mirror[axis] = -1.0
        points = np.concatenate([points, mirror[:, None] * points], axis=1)
    return points
