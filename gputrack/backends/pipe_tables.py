"""Tables for the kernels of the field in a rectangular pipe, with numbers of modes rounded up."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from gputrack.collective.perveance import perveance, perveance_bars
from gputrack.collective.pipe_modes import PipeModes
from gputrack.elements.map import ReferenceValues

ROWS = 4  # as in kernels/collective/pipe_modes.h


def padded(modes: int) -> int:
    """Number of modes rounded up to a multiple of `ROWS`."""
    return -(-modes // ROWS) * ROWS


@cache
def modes(effect: PipeModes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wavenumbers kx and ky [1/m], and phi_lm/rho_lm [m^2], 0 for the padded modes."""
    (a, b), (nx, ny) = effect.pipe, effect.modes
    kx = (math.pi / a) * np.arange(1.0, padded(nx) + 1)
    ky = (math.pi / b) * np.arange(1.0, padded(ny) + 1)
    factors = (16.0 * math.pi / (a * b)) / (kx[:, None] ** 2 + ky[None, :] ** 2)
    factors[nx:], factors[:, ny:] = 0.0, 0.0
    for table in (kx, ky, factors):
        table.setflags(write=False)
    return kx, ky, factors


def kick_table(effect: PipeModes, density: np.ndarray, total: float) -> np.ndarray:
    """Coefficients of the kick (horizontal, vertical, 2), from sum w sin sin and the sum of all weights."""
    kx, ky, factors = modes(effect)
    phi = factors * (density / total)
    return np.stack([0.5 * kx[:, None] * phi, 0.5 * ky * phi], axis=-1)


class AdjointTable(NamedTuple):
    """Coefficients of the kick's adjoint (horizontal, vertical, 6), and the derivative with respect to c."""

    table: np.ndarray
    c_bar: float


def adjoint_table(effect: PipeModes, sums: np.ndarray, total: float, c: float) -> AdjointTable:
    """Coefficients of the adjoint, from the three sums (3, horizontal, vertical) of the kernels' `deposit_adjoint`."""
    kx, ky, factors = modes(effect)
    x, y = 0.5 * kx[:, None], 0.5 * ky
    phi, g = factors * (sums[0] / total), x * sums[1] + y * sums[2]
    r = (-c * factors) * g
    rows = [x * phi, y * phi, ky * ky * phi, x * r, y * r, np.zeros_like(phi)]
    return AdjointTable(np.stack(rows, axis=-1), -float(np.sum(phi * g)))


def strength(op: Any, ref: ReferenceValues) -> float:
    """Factor c of the kick: length K/2, with the perveance K."""
    c: float = 0.5 * op.length * perveance(op.current, ref)
    return c


def constant_bars(op: Any, ref: ReferenceValues, c_bar: float) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives with respect to length and current, and to the reference's values."""
    current_bar, reference = perveance_bars(0.5 * op.length * c_bar, op.current, ref)
    return np.array([0.5 * perveance(op.current, ref) * c_bar, current_bar]), np.array(reference)
