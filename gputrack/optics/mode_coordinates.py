"""Maps in the coordinates of the linear normal modes, four variables w and delta as a parameter.

About the closed orbit x0 at a place, x = x0 + B w + D delta, B the normal modes carried on from the start without being
turned back, so that a map from the start is linearly the identity. Momenta of particles off momentum are slopes,
p/(1 + delta): so Hamiltonians are those of the perturbation theory of thin lenses. (w1, w2) = sqrt(2 J) (cos phi,
-sin phi) in each mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from gputrack.arrays import Array
from gputrack.optics.driving_names import Powers
from gputrack.optics.twiss import COORDINATES, Twiss
from gputrack.tpsa.maps import Map, composed, transformed
from gputrack.tpsa.series import Series, variables
from gputrack.tpsa.space import Space


@dataclass(frozen=True, eq=False)
class ModeCoordinates:
    """Normal modes along a coasting ring.

    Attributes
    ----------
    twiss : Twiss
    order : int
        Of maps.
    """

    twiss: Twiss
    order: int

    @cached_property
    def space(self) -> Space:
        """Of w, with delta as a parameter."""
        return Space(4, self.order, 1)

    def maps(self, space: Space, coefficients: Array) -> Map:
        """Maps from the start (rows of twiss, 6, size) about the closed orbit, in w."""
        deviations = [Series.of(self.space, coefficients[:, i][:, _coasting_rows(self.space, space)]) for i in range(4)]
        deviations = [series - series.constant for series in deviations]
        return self._of_coordinates(composed(deviations, self._coordinates), slice(None))

    def normalising(self, transformation: Map) -> Map:
        """exp(:f:) at the start from the transformation of a normal form, whose phasors are turned and mixed to w.

        Its actions are those of momenta, 1 + delta times those of slopes.
        """
        rows = _coasting_rows(self.space, transformation.space)
        parts = [Series.of(self.space, np.array(c.coefficients)[None, rows]) for c in transformation.components[:4]]
        found = self._of_coordinates(parts, slice(1))
        *w, delta = variables(self.space)
        phasors = transformed(np.linalg.inv(found.matrix[0]), w)
        size = (1.0 + delta / self._places[2][0]).sqrt()
        return Map([c.real for c in composed(found.components, Map([size * u for u in phasors]))])

    def turned(self, given: Map) -> Map:
        """R^-1 given R with R the rotation of one turn."""
        turn, back = self._rotation, self._rotation.T
        inner = Map(transformed(turn, variables(self.space)[:4]))
        return Map(transformed(back, composed(given.components, inner)))

    @cached_property
    def _rotation(self) -> np.ndarray:
        rotation = np.zeros((4, 4))
        for mode, tune in ((0, self.twiss.qx), (2, self.twiss.qy)):
            c, s = np.cos(2.0 * np.pi * tune), np.sin(2.0 * np.pi * tune)
            rotation[mode : mode + 2, mode : mode + 2] = [[c, s], [-s, c]]
        return rotation

    @cached_property
    def _coordinates(self) -> Map:
        """(x, px, y, py) less the closed orbit at the start, of w."""
        *w, delta = variables(self.space)
        linear = transformed(self.twiss.bases[0], w)
        dispersion, orbit, opd = (column[0] for column in self._places)
        parts = [x + d * delta for x, d in zip(linear, dispersion, strict=True)]
        for p in (1, 3):
            parts[p] = parts[p] * (1.0 + delta / opd) + (orbit[p] / opd) * delta
        return Map(parts)

    def _of_coordinates(self, parts: list[Series], rows: slice) -> Map:
        """w of (x, px, y, py) less the closed orbit, at some rows."""
        delta = variables(self.space)[4]
        dispersion, orbit, opd = (column[rows] for column in self._places)
        slopes = 1.0 / (1.0 + delta * (1.0 / opd))
        parts = [x + 0.0 * slopes for x in parts]
        for p in (1, 3):
            parts[p] = (parts[p] - delta * (orbit[:, p] / opd)) * slopes
        parts = [x - delta * dispersion[:, i] for i, x in enumerate(parts)]
        return Map(transformed(np.linalg.inv(self.twiss.bases[rows]), parts))

    @cached_property
    def _places(self) -> tuple[Array, Array, Array]:
        """Dispersion (rows, 4) of slopes, orbit (rows, 4) and 1 + delta (rows,)."""
        tw = self.twiss
        opd, orbit = 1.0 + tw.delta, np.stack([getattr(tw, name) for name in COORDINATES[:4]], axis=1)
        dispersion = np.stack([tw.dx, tw.dpx, tw.dy, tw.dpy], axis=1)
        dispersion[:, 1::2] -= orbit[:, 1::2] / opd[:, None]
        return dispersion, orbit, opd


@cache
def _coasting_rows(own: Space, whole: Space) -> np.ndarray:
    """Where monomials of (w, delta) stand among those of six variables, z left out."""
    powers = own.exponents
    return whole.find(np.stack([*powers[:, :4].T, 0 * powers[:, 4], powers[:, 4]], axis=1))


# -- phasors -----------------------------------------------------------------------------------------------------------


class InPhasors:
    """Functions of w, read as polynomials of h_x+, h_x-, h_y+, h_y- and delta, h+- = w1 -+ i w2."""

    def __init__(self, functions: Series) -> None:
        self._space, self._coefficients = functions.space, functions.coefficients

    def term(self, powers: Powers) -> Array:
        """(*batch,) Coefficients of h_x+^j h_x-^k h_y+^l h_y-^m delta^p."""
        column = _to_phasors(self._space)[:, self._space.row(powers)]
        rows = np.flatnonzero(column)
        return self._coefficients[..., rows] @ column[rows]


def of_actions(functions: Series, degree: int) -> Series:
    """What depends on actions (and delta) alone in functions of w, of one degree."""
    space = functions.space
    powers = space.exponents
    kept = (powers[:, 0] == powers[:, 1]) & (powers[:, 2] == powers[:, 3]) & (space.degrees == degree)
    forth = _to_phasors(space)[:, kept]
    back = np.linalg.inv(_to_phasors(space))[kept]
    return Series.of(space, np.real(functions.coefficients @ forth @ back))


@cache
def _to_phasors(space: Space) -> Any:
    """(size, size) Monomials of w (rows) as polynomials of phasors: w1 = (h+ + h-)/2, w2 = i (h+ - h-)/2."""
    block = np.array([[0.5, 0.5], [0.5j, -0.5j]])
    linear = transformed(np.kron(np.eye(2), block), [x + 0.0j for x in variables(space)[:4]])
    monomials = Series.of(space, np.eye(space.size, dtype=complex))
    return np.array(composed([monomials], Map(linear))[0].coefficients)
