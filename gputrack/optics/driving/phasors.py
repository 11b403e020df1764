"""Functions of normal-mode coordinates w as polynomials of the phasors h+- = w1 -+ i w2 of each mode."""

from __future__ import annotations

from functools import cache
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array
from gputrack.optics.driving.names import Powers
from gputrack.tpsa.components import composed, transformed
from gputrack.tpsa.map import Map
from gputrack.tpsa.series import Series, variables
from gputrack.tpsa.space import Space


class InPhasors:
    """Batch of functions of w and delta, expanded in phasors."""

    def __init__(self, functions: Series) -> None:
        self._space, self._coefficients = functions.space, functions.coefficients

    def term(self, powers: Powers) -> Array:
        """Coefficients (*batch,) of h_x+^j h_x-^k h_y+^l h_y-^m delta^p."""
        column = _to_phasors(self._space)[:, self._space.row(powers)]
        rows = np.flatnonzero(column)
        return anp.dot(_complex(self._coefficients[..., rows]), column[rows])


def scaled(functions: Series, factors: Array) -> Series:
    """Functions of w whose phasor terms are multiplied by factors (size,), conjugate for conjugate terms."""
    terms = anp.dot(_complex(functions.coefficients), _to_phasors(functions.space))
    return Series.of(functions.space, anp.real(anp.dot(terms * factors, _from_phasors(functions.space))))


def _complex(values: Array) -> Array:
    """Complex array by a product, whose rule in autograd returns real cotangents of real arrays."""
    return values * (1.0 + 0.0j)


def winding(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """j - k and l - m of all terms, (size,); both are 0 for functions of the actions and delta alone."""
    powers = space.exponents
    return powers[:, 0] - powers[:, 1], powers[:, 2] - powers[:, 3]


@cache
def _to_phasors(space: Space) -> Any:
    """Monomials of w (rows) as polynomials of phasors, (size, size): w1 = (h+ + h-)/2, w2 = i (h+ - h-)/2."""
    block = np.array([[0.5, 0.5], [0.5j, -0.5j]])
    linear = transformed(np.kron(np.eye(2), block), [x + 0.0j for x in variables(space)[:4]])
    monomials = Series.of(space, np.eye(space.size, dtype=complex))
    return np.array(composed([monomials], Map(linear))[0].coefficients)


@cache
def _from_phasors(space: Space) -> Any:
    """Monomials of phasors (rows) as polynomials of w, (size, size)."""
    return np.linalg.inv(_to_phasors(space))
