"""Chromatic functions: how beta, alpha, phase and dispersion change with momentum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.arrays import Array, is_traced, untraced
from gputrack.lattice import Lattice
from gputrack.map_program import identity_map
from gputrack.optics.functions import periodic_dispersion
from gputrack.optics.momentum_series import (
    basis_series,
    cauchy_matmul,
    dispersive_orbit,
    matrices_on,
    monomials,
    start_orbit,
    tune_series,
)
from gputrack.optics.trajectory import optics_program, trajectory, turn_program
from gputrack.optics.turn_tensor import turn_tensor
from gputrack.tpsa.space import Space
from gputrack.transfer_map import pass_maps


@dataclass(frozen=True, eq=False)
class ChromaticFunctions:
    """First derivatives with respect to delta, at the places of `Twiss`.

    Attributes
    ----------
    wx, wy : (n + 1,) arrays
        Montague's W = sqrt(a^2 + b^2), b = (d beta/d delta)/beta, a = d alpha/d delta - alpha b.
    phix, phiy : (n + 1,) arrays
        Their phases atan2(a, b) [2 pi], between -1/2 and 1/2.
    dmux, dmuy : (n + 1,) arrays
        d mu/d delta [2 pi].
    ddx, ddpx, ddy, ddpy : (n + 1,) arrays
        Second-order dispersion d^2 (x, px, y, py)/d delta^2 [m, 1]: twice what MAD-X prints.

    Notes
    -----
    B. W. Montague, LEP Note 165 (1979). Of the mode nearest to each plane, as it shows there (Mais and Ripken).
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


def tunes_of_momentum(lattice: Lattice, orbit: np.ndarray, order: int) -> Array:
    """(2, order + 1) Coefficients of the tunes (their fractions) as power series in delta, about a closed orbit.

    Parameters
    ----------
    lattice : Lattice
        With its cavities off.
    orbit : (6,) array
        Closed orbit at the start.
    order : int
    """
    traced = lattice.traced or is_traced(orbit)
    if order == 1 and not traced:
        return tune_series(_first_order(lattice, orbit))
    space = Space(6, order + 1)
    turn = pass_maps(lattice, order + 1, orbit, program=None if traced else turn_program(lattice)).final
    return tune_series(matrices_on(space, turn, dispersive_orbit(space, turn, order)))


def _first_order(lattice: Lattice, orbit: np.ndarray) -> Array:
    """(4, 4, 2) One-turn matrix and its derivative along the dispersive orbit, without power series."""
    one_turn = trajectory(lattice, orbit)[-1, :, 1:]
    along = np.concatenate([periodic_dispersion(one_turn), [0.0, 1.0]])
    return anp.stack([one_turn[:4, :4], turn_tensor(lattice, orbit) @ along], axis=-1)


def ring_functions(lattice: Lattice, orbit: np.ndarray) -> ChromaticFunctions:
    """Those of a ring, cavities off, about its closed orbit."""
    space, maps = _maps(lattice, orbit)
    turn = maps[-1]
    dispersive = dispersive_orbit(space, turn, 2)
    start = basis_series(matrices_on(space, turn, dispersive[:, :2]))
    return _functions(space, maps, dispersive, start)


def line_functions(lattice: Lattice, orbit: np.ndarray, basis: Array, dispersion: Array) -> ChromaticFunctions:
    """Those of a beam line whose Twiss parameters at the start do not depend on momentum."""
    space, maps = _maps(lattice, orbit)
    rates = anp.stack([dispersion, anp.zeros(4)], axis=-1)
    return _functions(space, maps, start_orbit(rates), anp.stack([basis, anp.zeros((4, 4))], axis=-1))


def _maps(lattice: Lattice, orbit: np.ndarray) -> tuple[Space, Array]:
    """Maps of second order from the start to all rows, (n + 1, 6, size)."""
    program = None if lattice.traced or is_traced(orbit) else optics_program(lattice)
    passed = pass_maps(lattice, 2, orbit, places=range(len(lattice)), program=program)
    # its constant part is the orbit, which nobody asks for
    start = identity_map(passed.space, np.asarray(untraced(passed.orbit)))
    return passed.space, anp.concatenate([start[None], passed.at])


def _functions(space: Space, maps: Array, orbit: Array, start: Array) -> ChromaticFunctions:
    """From maps about an orbit, the dispersive orbit (6, 3) at the start, and the basis (4, 4, 2) there."""
    bases = cauchy_matmul(matrices_on(space, maps, orbit[:, :2]), start)
    second = 2.0 * anp.dot(maps[:, :4], monomials(space, orbit)[:, 2])
    columns: dict[str, Any] = {}
    for plane, name in enumerate("xy"):
        columns |= _plane_columns(bases[:, 2 * plane : 2 * plane + 2, 2 * plane : 2 * plane + 2], name)
    return ChromaticFunctions(
        **columns, **{f"dd{name}": second[:, i] for i, name in enumerate(("x", "px", "y", "py"))}
    )


def _plane_columns(bases: Array, name: str) -> dict[str, Array]:
    """Of blocks (places, 2, 2, 2): rows position and momentum, columns cosine and sine, order in delta."""
    (x, p), (dx, dp) = (bases[:, 0, :, 0], bases[:, 1, :, 0]), (bases[:, 0, :, 1], bases[:, 1, :, 1])
    beta, alpha = anp.sum(x * x, axis=1), -anp.sum(x * p, axis=1)
    b = 2.0 * anp.sum(x * dx, axis=1) / beta
    a = -anp.sum(x * dp + dx * p, axis=1) - alpha * b
    turned = (x[:, 0] * dx[:, 1] - x[:, 1] * dx[:, 0]) / beta
    return {
        f"w{name}": anp.sqrt(a * a + b * b),
        f"phi{name}": anp.arctan2(a, b) / (2.0 * math.pi),
        f"dmu{name}": turned / (2.0 * math.pi),
    }
