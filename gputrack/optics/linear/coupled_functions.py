"""Optical functions from a basis of normal modes propagated along a lattice; differentiable functions of arrays.

`bases` are N_k = R_k N_0, shape (places, 2 d, 2 d): the basis at the start, multiplied by the transfer matrices. Row
2 p is the position in plane p, row 2 p + 1 the momentum; columns 2 m and 2 m + 1 belong to mode m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.autodiff.slices import part
from gputrack.base.arrays import Array

PLANES = ("x", "y")


@dataclass(frozen=True)
class MaisRipken:
    """Beta functions of each mode in each plane: betx is beta_x1, bety is beta_y2.

    Beam sizes are sqrt(beta_x1 e1 + beta_x2 e2), with or without coupling, and with cavities a sum over three modes.
    H. Mais and G. Ripken, DESY M-82-05 (1982); F. Willeke and G. Ripken, DESY 88-114 (1988).
    """

    def scale(self, bases: Array, plane: int) -> Any:
        """Divisor of beta and alpha of the plane's own mode: 1."""
        return 1.0


@dataclass(frozen=True)
class EdwardsTeng:
    """Courant-Snyder functions of the decoupled modes, as in MAD-X's `twiss`: betx is beta_1, bety is beta_2.

    They are Mais and Ripken's beta_x1 and beta_y2 divided by g^2, the determinant of the block of the basis (D. Sagan
    and D. Rubin, PRST-AB 2 (1999) 074001, eq. 47). Where g^2 <= 0, the larger part of a mode's action is in the other
    plane; the functions do not exist and are NaN.
    """

    def scale(self, bases: Array, plane: int) -> Any:
        """Divisor of beta and alpha of the plane's own mode: g^2."""
        squared = coupling_factor(bases, plane)
        return anp.where(squared > 0.0, squared, math.nan)


def coupling_factor(bases: Array, plane: int = 0) -> Array:
    """(places,) g^2, the determinant of the block of a plane and its own mode; 1 without coupling."""
    p = 2 * plane
    result: Array = bases[:, p, p] * bases[:, p + 1, p + 1] - bases[:, p, p + 1] * bases[:, p + 1, p]
    return result


def beta(bases: Array, plane: int, mode: int) -> Array:
    """(places,) Mais and Ripken's beta [m] of a mode in a plane."""
    p, m = 2 * plane, 2 * mode
    return bases[:, p, m] ** 2 + bases[:, p, m + 1] ** 2


def alpha(bases: Array, plane: int, mode: int) -> Array:
    """(places,) Mais and Ripken's alpha of a mode in a plane: minus the correlation of position and momentum."""
    p, m = 2 * plane, 2 * mode
    return -(bases[:, p, m] * bases[:, p + 1, m] + bases[:, p, m + 1] * bases[:, p + 1, m + 1])


def own_block(bases: Array, plane: int) -> Any:
    """Entries ((c, s), (pc, ps)) of the basis for the position and momentum of a plane and its own mode, (places,)."""
    own = slice(2 * plane, 2 * plane + 2)
    block = anp.transpose(part(bases, np.s_[:, own, own]), (1, 2, 0))  # contiguous arrays of its four entries
    return tuple(tuple(part(block, (i, j)) for j in range(2)) for i in range(2))


def phase_steps(block: Any) -> tuple[Array, Array]:
    """(places - 1,) Sine and cosine, times sizes, of the phase advances between adjacent places."""
    ((c, c_next), (s, s_next)) = ([part(a, slice(-1)), part(a, slice(1, None))] for a in block[0])
    return c * s_next - s * c_next, c * c_next + s * s_next


def phase(steps: tuple[Array, Array], turns: Any = 0.0) -> Array:
    """(places,) Phase advance of a mode from the start [2 pi], from `phase_steps` and the whole turns in each step."""
    turned = anp.arctan2(*steps) / (2.0 * math.pi)
    return anp.concatenate([anp.zeros(1), anp.cumsum(turned if isinstance(turns, float) else turned + turns)])


def plane_columns(bases: Array, plane: int, form: Any, block: Any, mu: Array) -> dict[str, Array]:
    """Columns betx, alfx, mux; or bety, alfy, muy."""
    name, scale, ((c, s), (pc, ps)) = PLANES[plane], form.scale(bases, plane), block
    return {f"bet{name}": (c * c + s * s) / scale, f"alf{name}": -(c * pc + s * ps) / scale, f"mu{name}": mu}


def periodic_dispersion(one_turn: Array) -> Array:
    """(4,) d(x, px, y, py)/d delta of the closed orbit without cavities, from the one-turn matrix (6, 6)."""
    return anp.linalg.solve(anp.eye(4) - one_turn[:4, :4], one_turn[:4, 5])


def dispersion_along(matrices: Array, start: Array) -> Array:
    """(places, 4) Dispersion at all places, from the dispersion at the start."""
    return anp.dot(part(matrices, np.s_[:, :4, :4]), start) + part(matrices, np.s_[:, :4, 5])


def dispersion_of_mode(bases: Array) -> Array:
    """(places, 4) Dispersion with cavities on: the ratio of (x, px, y, py) to delta in the synchrotron mode."""
    pair, deltas = bases[:, :4, 4:], bases[:, 5, 4:]
    return anp.einsum("kim,km->ki", pair, deltas) / anp.sum(deltas**2, axis=1)[:, None]


def drift_of_arrival(one_turn: Array, dispersion: Array) -> Array:
    """dz/d delta over one turn [m] for particles on the dispersive closed orbit."""
    return anp.dot(one_turn[4, :4], dispersion) + one_turn[4, 5]
