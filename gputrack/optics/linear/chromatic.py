"""Chromatic functions: derivatives of beta, alpha, phase and dispersion with respect to momentum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.backends import Choice
from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import recording_program, turn_program
from gputrack.optics.linear.coupled_functions import periodic_dispersion
from gputrack.optics.linear.momentum_series import (
    basis_series,
    cauchy_matmul,
    dispersive_orbit,
    matrices_on,
    tune_series,
)
from gputrack.optics.linear.normal_modes import UnstableMotionError, symplectic_inverse
from gputrack.optics.maps.matrix_derivatives import matrix_rates
from gputrack.optics.maps.taylor_map import pass_maps
from gputrack.tpsa.space import Space

#: differences of tunes [rad], and coupling, below this are rounding errors
_EQUAL = 1e-7


@dataclass(frozen=True, eq=False)
class ChromaticFunctions:
    """First derivatives with respect to delta, at the places of `Twiss`.

    Attributes
    ----------
    wx, wy : (n + 1,) arrays
        Montague's W = sqrt(a^2 + b^2), b = (d beta/d delta)/beta, a = d alpha/d delta - alpha b.
    phix, phiy : (n + 1,) arrays
        Phases atan2(a, b) of W [2 pi], between -1/2 and 1/2.
    dmux, dmuy : (n + 1,) arrays
        d mu/d delta [2 pi].
    ddx, ddpx, ddy, ddpy : (n + 1,) arrays
        Second-order dispersion d^2 (x, px, y, py)/d delta^2 [m, 1]: twice the values of MAD-X.

    Notes
    -----
    B. W. Montague, LEP Note 165 (1979). For the mode closest to each plane, in the form of Mais and Ripken.
    """

    wx: Array
    phix: Array
    dmux: Array
    wy: Array
    phiy: Array
    dmuy: Array
    ddx: Array
    ddpx: Array
    ddy: Array
    ddpy: Array


def chromaticities(
    lattice: Lattice, orbit: Array, bases: Array, one_turn: Array, backend: Choice = None
) -> Array:
    """(2,) First derivatives of the tunes of a ring with its cavities off, about a closed orbit.

    With M the one-turn matrix, M' its derivative along the dispersive orbit and M N = N R, R the rotation of the modes,
    the angle of mode k changes by the antisymmetric part of block k of R^-1 N^-1 M' N (first-order perturbation).

    Parameters
    ----------
    lattice : Lattice
        Its knobs and reference may be traced.
    orbit : (6,) array
        Closed orbit at the start.
    bases : (2, 4, 4) array
        Normal modes N at the start, and M N.
    one_turn : (6, 6) array
    backend : str or Streamed, optional

    Raises
    ------
    UnstableMotionError
        Two coupled modes have the same tune.
    """
    along = anp.concatenate([periodic_dispersion(one_turn), anp.array([0.0, 1.0])])
    rates = matrix_rates(lattice, turn_program(lattice), orbit, along, 4, backend)[0, :4]
    turned = anp.dot(symplectic_inverse(bases[1]), anp.dot(rates, bases[0]))
    _require_distinct(untraced(one_turn[:4, :4]), untraced(turned))
    return anp.stack([turned[0, 1] - turned[1, 0], turned[2, 3] - turned[3, 2]]) / (4.0 * math.pi)


def _require_distinct(matrix: np.ndarray, turned: np.ndarray) -> None:
    """Raise if a change of momentum couples modes of equal tunes, which then have no derivative."""
    angles = np.angle(np.linalg.eigvals(matrix))
    gaps = np.abs(np.diff(np.sort(angles[angles > 0.0])))
    if gaps.size and gaps.min() < _EQUAL and np.abs([turned[:2, 2:], turned[2:, :2]]).max() > _EQUAL:
        raise UnstableMotionError


def tunes_of_momentum(lattice: Lattice, orbit: np.ndarray, order: int) -> Array:
    """(2, order + 1) Coefficients of the fractional tunes as power series in delta, about a closed orbit.

    Parameters
    ----------
    lattice : Lattice
        With its cavities off.
    orbit : (6,) array
        Closed orbit at the start.
    order : int
    """
    traced = lattice.traced or is_traced(orbit)
    space = Space(6, order + 1)
    turn = pass_maps(lattice, order + 1, orbit, program=None if traced else turn_program(lattice)).final
    return tune_series(matrices_on(space, turn, dispersive_orbit(space, turn, order)))


def chromatic_functions(
    lattice: Lattice, orbit: Array, matrices: Array, start: tuple[Array, Array] | None, backend: Choice = None
) -> ChromaticFunctions:
    """Derivatives of Twiss parameters with respect to momentum along a lattice with its cavities off.

    Parameters
    ----------
    lattice : Lattice
        Its knobs and reference may be traced.
    orbit : (6,) array
        At the start.
    matrices : (n + 1, 6, 6) array
        Matrices from the start.
    start : (normal modes (4, 4), dispersion (4,)), optional
        Initial values of a beam line, independent of momentum; by default the periodic ones of a ring.
    backend : str or Streamed, optional
    """
    ring = start is None
    dispersion = periodic_dispersion(matrices[-1]) if start is None else start[1]
    along = anp.concatenate([dispersion, anp.array([0.0, 1.0])])
    rates = matrix_rates(lattice, recording_program(lattice), orbit, along, backend=backend)
    rates = anp.concatenate([np.zeros((1, 6, 6)), rates])
    series = anp.stack([matrices[:, :4, :4], rates[:, :4, :4]], axis=-1)
    bases = cauchy_matmul(series, basis_series(series[-1]) if start is None else _constant(start[0]))
    second = anp.einsum("kij,j->ki", rates[:, :4], along)
    if ring:
        again = anp.linalg.solve(anp.eye(4) - matrices[-1, :4, :4], second[-1])
        second = second + anp.einsum("kij,j->ki", matrices[:, :4, :4], again)
    columns: dict[str, Any] = {}
    for plane, name in enumerate("xy"):
        columns |= _plane_columns(bases[:, 2 * plane : 2 * plane + 2, 2 * plane : 2 * plane + 2], name)
    names = enumerate(("x", "px", "y", "py"))
    return ChromaticFunctions(**columns, **{f"dd{name}": second[:, i] for i, name in names})


def _constant(basis: Array) -> Array:
    return anp.stack([basis, anp.zeros((4, 4))], axis=-1)


def _plane_columns(bases: Array, name: str) -> dict[str, Array]:
    """Columns of one plane from blocks (places, 2, 2, 2): position and momentum, cosine and sine, order in delta."""
    (x, p), (dx, dp) = (bases[:, 0, :, 0], bases[:, 1, :, 0]), (bases[:, 0, :, 1], bases[:, 1, :, 1])
    beta, alpha = anp.sum(x * x, axis=1), -anp.sum(x * p, axis=1)
    b = 2.0 * anp.sum(x * dx, axis=1) / beta
    a = -anp.sum(x * dp + dx * p, axis=1) - alpha * b
    squared = a * a + b * b
    still = np.asarray(untraced(squared)) == 0.0  # W = 0: no phase, and no derivative of the root
    turned = (x[:, 0] * dx[:, 1] - x[:, 1] * dx[:, 0]) / beta
    return {
        f"w{name}": anp.where(still, 0.0, anp.sqrt(anp.where(still, 1.0, squared))),
        f"phi{name}": anp.arctan2(anp.where(still, 0.0, a), anp.where(still, 1.0, b)) / (2.0 * math.pi),
        f"dmu{name}": turned / (2.0 * math.pi),
    }
