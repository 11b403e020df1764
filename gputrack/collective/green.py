"""Integrated Green functions of free space on a grid, and their convolution with charge densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.base.arrays import Array, is_traced, namespace


def line_green(steps: Sequence[float], counts: Sequence[int]) -> np.ndarray:
    """-ln(x^2 + y^2) of a line charge, averaged over cells: (columns, rows) for distances of 0, 1, ... steps.

    Its integral is x y (ln(x^2 + y^2) - 3) + x^2 atan(y/x) + y^2 atan(x/y).
    """
    x, y = (h * (np.arange(n + 1.0) - 0.5) for h, n in zip(steps, counts, strict=True))
    x, y = x[:, None], y[None, :]
    integral = x * y * (np.log(x * x + y * y) - 3.0) + x * x * np.arctan(y / x) + y * y * np.arctan(x / y)
    result: np.ndarray = -np.diff(np.diff(integral, axis=0), axis=1) / (steps[0] * steps[1])
    return result


def point_green(steps: Sequence[Any], counts: Sequence[int]) -> Array:
    """1/r of a point charge, averaged over cells, for distances of 0, 1, ... steps along the three axes.

    J. Qiang, S. Lidia, R. D. Ryne, C. Limborg-Deprey, Phys. Rev. ST Accel. Beams 9 (2006) 044204. Steps may be traced.
    """
    xp: Any = namespace(*steps) if any(map(is_traced, steps)) else np
    x, y, z = (h * (np.arange(n + 1.0) - 0.5) for h, n in zip(steps, counts, strict=True))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    r = xp.sqrt(x * x + y * y + z * z)
    integral = (
        y * z * _log_sum(xp, x, y * y + z * z, r) + x * z * _log_sum(xp, y, x * x + z * z, r)
        + x * y * _log_sum(xp, z, x * x + y * y, r) - 0.5 * z * z * xp.arctan(x * y / (z * r))
        - 0.5 * y * y * xp.arctan(x * z / (y * r)) - 0.5 * x * x * xp.arctan(y * z / (x * r))
    )  # fmt: skip
    for axis in range(3):
        ends = [slice(None)] * 3
        upper, lower = list(ends), list(ends)
        upper[axis], lower[axis] = slice(1, None), slice(None, -1)
        integral = integral[tuple(upper)] - integral[tuple(lower)]
    return integral / (steps[0] * steps[1] * steps[2])


def _log_sum(xp: Any, a: Array, others: Array, r: Array) -> Array:
    """ln(a + r); for a < 0 from (r + a)(r - a) = r^2 - a^2, without cancellation."""
    return xp.where(a > 0.0, xp.log(xp.where(a > 0.0, a, 0.0) + r), xp.log(others / (r - xp.where(a > 0.0, 0.0, a))))


def convolved(green: Array, charge: Array) -> Array:
    """Potential on the grid of the charge on the grid, both (points, ...), by FFT on a grid doubled along each axis.

    Doubling removes the periodic images: R. W. Hockney, J. W. Eastwood, Computer Simulation Using Particles, section
    6-5-4. The convolution is symmetric, hence its own adjoint.
    """
    xp = namespace(charge, green)
    mirrored = green
    for axis in range(charge.ndim):
        take = [slice(None)] * charge.ndim
        take[axis] = slice(charge.shape[axis] - 1, 0, -1)
        middle = [slice(None)] * charge.ndim
        middle[axis] = slice(0, 1)
        mirrored = xp.concatenate([mirrored, 0.0 * mirrored[tuple(middle)], mirrored[tuple(take)]], axis=axis)
    padded = charge
    for axis in range(charge.ndim):
        padded = xp.concatenate([padded, 0.0 * padded], axis=axis)
    both = xp.real(xp.fft.ifftn(xp.fft.fftn(mirrored) * xp.fft.fftn(padded)))
    return both[tuple(slice(0, n) for n in charge.shape)]
