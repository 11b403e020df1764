"""Maps in the coordinates of the linear normal modes: four variables w, with delta as a parameter.

About the closed orbit x0 at a place, x = x0 + B w + D delta, with B the normal modes at the start multiplied by the
transfer matrix, so that the linear part of a map from the start is the identity. Momenta are replaced by slopes
p/(1 + delta), as in the perturbation theory of thin lenses. (w1, w2) = sqrt(2 J) (cos phi, -sin phi) in each mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array
from gputrack.optics.linear.twiss_columns import COORDINATES, Twiss
from gputrack.tpsa.components import composed, transformed
from gputrack.tpsa.map import Map
from gputrack.tpsa.series import Series, variables
from gputrack.tpsa.space import Space


@dataclass(frozen=True, eq=False)
class ModeCoordinates:
    """Normal modes along a coasting ring.

    Attributes
    ----------
    twiss : Twiss
    order : int
        Order of the maps.
    """

    twiss: Twiss
    order: int

    @cached_property
    def space(self) -> Space:
        """Power series in w, with delta as a parameter."""
        return Space(4, self.order, 1)

    def maps(self, space: Space, coefficients: Array, rows: slice) -> Map:
        """Convert maps from the start to some rows of twiss, (rows, 6, size), about the closed orbit, to maps of w."""
        monomials = _coasting_rows(self.space, space)
        deviations = [Series.of(self.space, coefficients[:, i][:, monomials]) for i in range(4)]
        deviations = [series - series.constant for series in deviations]
        return self._of_coordinates(composed(deviations, self._coordinates), rows)

    def conjugated(self, maps: Map) -> Map:
        """R^-1 maps R with the rotation R of one turn."""
        turn, inverse = self._rotation, self._rotation.T
        inner = Map(transformed(turn, variables(self.space)[:4]))
        return Map(transformed(inverse, composed(maps.components, inner)))

    @cached_property
    def _rotation(self) -> Array:
        (a, b), (c, d) = ((anp.cos(2.0 * np.pi * q), anp.sin(2.0 * np.pi * q)) for q in (self.twiss.qx, self.twiss.qy))
        return anp.array([[a, b, 0.0, 0.0], [-b, a, 0.0, 0.0], [0.0, 0.0, c, d], [0.0, 0.0, -d, c]])

    @cached_property
    def _coordinates(self) -> Map:
        """(x, px, y, py) relative to the closed orbit at the start, as functions of w."""
        *w, delta = variables(self.space)
        linear = transformed(self.twiss.bases[0], w)
        dispersion, orbit, opd = (column[0] for column in self._places)
        parts = [x + d * delta for x, d in zip(linear, dispersion, strict=True)]
        for p in (1, 3):
            parts[p] = parts[p] * (1.0 + delta / opd) + (orbit[p] / opd) * delta
        return Map(parts)

    def _of_coordinates(self, parts: list[Series], rows: slice) -> Map:
        """w as functions of (x, px, y, py) relative to the closed orbit, at some rows."""
        delta = variables(self.space)[4]
        dispersion, orbit, opd = (column[rows] for column in self._places)
        slopes = 1.0 / (1.0 + delta * (1.0 / opd))
        parts = [x + 0.0 * slopes for x in parts]
        for p in (1, 3):
            parts[p] = (parts[p] - delta * (orbit[:, p] / opd)) * slopes
        parts = [x - delta * dispersion[:, i] for i, x in enumerate(parts)]
        return Map(transformed(anp.linalg.inv(self.twiss.bases[rows]), parts))

    @cached_property
    def _places(self) -> tuple[Array, Array, Array]:
        """Dispersion of positions and slopes (rows, 4), orbit (rows, 4) and 1 + delta (rows,)."""
        tw = self.twiss
        opd, orbit = 1.0 + tw.delta, anp.stack([getattr(tw, name) for name in COORDINATES[:4]], axis=1)
        dispersion = anp.stack([tw.dx, tw.dpx - tw.px / opd, tw.dy, tw.dpy - tw.py / opd], axis=1)
        return dispersion, orbit, opd


@cache
def _coasting_rows(modes_space: Space, whole: Space) -> np.ndarray:
    """Indices of the monomials of (w, delta) among those of six variables; z does not occur."""
    powers = modes_space.exponents
    return whole.find(np.stack([*powers[:, :4].T, 0 * powers[:, 4], powers[:, 4]], axis=1))
