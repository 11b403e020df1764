"""Maps in the coordinates of the linear normal modes, four variables w and delta as a parameter.

About the closed orbit x0 at a place, x = x0 + B w + D delta, B the normal modes carried on from the start without being
turned back, so that a map from the start is linearly the identity. Momenta of particles off momentum are slopes,
p/(1 + delta): so Hamiltonians are those of the perturbation theory of thin lenses. (w1, w2) = sqrt(2 J) (cos phi,
-sin phi) in each mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array
from gputrack.optics.linear.twiss import COORDINATES, Twiss
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
        Of maps.
    """

    twiss: Twiss
    order: int

    @cached_property
    def space(self) -> Space:
        """Of w, with delta as a parameter."""
        return Space(4, self.order, 1)

    def maps(self, space: Space, coefficients: Array, rows: slice) -> Map:
        """Maps from the start to some rows of twiss, (rows, 6, size), about the closed orbit, in w."""
        kept = _coasting_rows(self.space, space)
        deviations = [Series.of(self.space, coefficients[:, i][:, kept]) for i in range(4)]
        deviations = [series - series.constant for series in deviations]
        return self._of_coordinates(composed(deviations, self._coordinates), rows)

    def turned(self, given: Map) -> Map:
        """R^-1 given R with R the rotation of one turn."""
        turn, back = self._rotation, self._rotation.T
        inner = Map(transformed(turn, variables(self.space)[:4]))
        return Map(transformed(back, composed(given.components, inner)))

    @cached_property
    def _rotation(self) -> Array:
        (a, b), (c, d) = ((anp.cos(2.0 * np.pi * q), anp.sin(2.0 * np.pi * q)) for q in (self.twiss.qx, self.twiss.qy))
        return anp.array([[a, b, 0.0, 0.0], [-b, a, 0.0, 0.0], [0.0, 0.0, c, d], [0.0, 0.0, -d, c]])

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
        return Map(transformed(anp.linalg.inv(self.twiss.bases[rows]), parts))

    @cached_property
    def _places(self) -> tuple[Array, Array, Array]:
        """Dispersion (rows, 4) of slopes, orbit (rows, 4) and 1 + delta (rows,)."""
        tw = self.twiss
        opd, orbit = 1.0 + tw.delta, anp.stack([getattr(tw, name) for name in COORDINATES[:4]], axis=1)
        dispersion = anp.stack([tw.dx, tw.dpx - tw.px / opd, tw.dy, tw.dpy - tw.py / opd], axis=1)
        return dispersion, orbit, opd


@cache
def _coasting_rows(own: Space, whole: Space) -> np.ndarray:
    """Where monomials of (w, delta) stand among those of six variables, z left out."""
    powers = own.exponents
    return whole.find(np.stack([*powers[:, :4].T, 0 * powers[:, 4], powers[:, 4]], axis=1))
