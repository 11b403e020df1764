"""Driving terms to first order: sums over magnets, in the normal modes of the ring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, untraced
from gputrack.optics.driving.names import TERMS, Powers, exponents_of
from gputrack.optics.driving.result import Detuning, DrivingMethod, DrivingTerms
from gputrack.optics.linear.inside_magnets import Inside, inside
from gputrack.optics.linear.magnets import Magnets, magnets_of
from gputrack.optics.linear.twiss_columns import Twiss


@dataclass(frozen=True)
class FirstOrder(DrivingMethod):
    """Sums over magnets, linear in the strengths of the multipoles; any terms, up to the order of the multipoles.

    Integrals over thick magnets use the beta functions, phases and dispersion inside them. Fields are those on the
    closed orbit (feed-down). Curvature and faces of bends, and contributions of drifts in higher orders, are not
    included; `FromMap` includes them and gives the contribution of each element to terms of third order.
    Fields that determine the linear optics or the dispersion are not perturbations: upright gradients at delta^0, all
    gradients at x delta; but h10010 and h10100 are given as if skew gradients were not part of the optics.
    """

    def terms(self, names: tuple[str, ...] | None, optics: Twiss) -> FirstOrderTerms:
        """See `driving_terms`."""
        names = TERMS if names is None else names
        powers = [exponents_of(name) for name in names]
        density = Density.of(optics)
        contributions = {name: density.integrated(p) for name, p in zip(names, powers, strict=True)}
        return FirstOrderTerms(optics, density.places, contributions, density)


@dataclass(frozen=True, eq=False, repr=False)
class FirstOrderTerms(DrivingTerms):
    """Driving terms to first order, see `DrivingTerms`.

    Attributes
    ----------
    twiss : Twiss
    places : (n,) int array
        Places of the magnets in the lattice.
    contributions : dict of str to (n,) complex arrays
        Contribution of each magnet to a term at the start.
    density : Density
        Integrands of the contributions inside magnets.
    """

    twiss: Twiss
    places: np.ndarray
    contributions: dict[str, Array]
    density: Density

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.contributions)

    def _theory(self) -> str:
        return f"first order, {len(self.places)} magnets"

    def _h(self, powers: Powers, along: bool) -> Any:
        parts = self._parts(powers)
        if not along:
            return anp.sum(parts)
        before = cumulated(parts)[rows_before(self)]
        return self.unwound(powers) * (before[-1] - before + self.turned(powers) * before)

    def _parts(self, powers: Powers) -> Array:
        name = "h" + "".join(map(str, powers))
        return self.contributions[name] if name in self.contributions else self.density.integrated(powers)

    def _f(self, powers: Powers, along: bool) -> Any:
        return self._h(powers, along) / (1.0 - self.turned(powers))

    @property
    def detuning(self) -> Detuning:
        """Tune shifts by octupoles; those by sextupoles are of second order."""
        values = {name: self._h(exponents_of(name), False) for name in ("h22000", "h11110", "h00220")}
        return detuning_of(**values)


def detuning_of(h22000: Any, h11110: Any, h00220: Any) -> Detuning:
    """Detuning Q_j = (d K/d J_j)/(2 pi) of K = h22000 (2 Jx)^2 + h11110 (2 Jx)(2 Jy) + h00220 (2 Jy)^2."""
    factors = (4.0, h22000), (2.0, h11110), (4.0, h00220)
    return Detuning(*(factor * anp.real(value) / math.pi for factor, value in factors))


def rows_before(terms: Any) -> np.ndarray:
    """Number of magnets before each row of twiss, (rows,)."""
    return np.searchsorted(terms.places, np.arange(len(terms.twiss.s)))


def cumulated(parts: Array) -> Array:
    """Sums of the first 0, 1, ... n parts, (n + 1, ...)."""
    return anp.concatenate([anp.zeros((1, *parts.shape[1:])), anp.cumsum(parts, axis=0)])


@dataclass(frozen=True, eq=False)
class Density:
    """Terms of V inside magnets, with phases from the start of the ring.

    Attributes
    ----------
    places : (n,) int array
        Places of the magnets in the lattice.
    inner : Inside
    fields : (n, orders) complex array
        Multipoles about the closed orbit, in the frame of the ring.
    opd : float
        1 + delta of the orbit.
    """

    places: np.ndarray
    inner: Inside
    fields: Array
    opd: Any

    @classmethod
    def of(cls, optics: Twiss) -> Density:
        """Density of all magnets of a ring with fields beyond the dipole."""
        magnets = magnets_of(optics.lattice)
        sizes = np.abs(untraced(magnets.fields[:, 1:])).max(axis=1, initial=0.0)
        magnets = magnets.chosen((sizes > 0.0) | magnets.traced)
        places = magnets.places
        start = anp.stack([optics.dx, optics.dpx, optics.dy, optics.dpy], axis=1)[places]
        inner = inside(magnets, optics.bases[places], start, optics.delta[places])
        return cls(places, inner, fields_on_orbit(magnets, optics), 1.0 + optics.delta[0])

    def integrated(self, powers: Powers) -> Array:
        """Contributions of the magnets to a term, (n,)."""
        return anp.sum(self.inner.weights * self(powers), axis=1)

    def __call__(self, powers: Powers) -> Any:
        """Values of a term at nodes inside magnets, per length, or integrated for thin magnets, (n, nodes)."""
        j, k, u, v, p = powers
        total: Any = anp.zeros(self.inner.weights.shape, dtype=complex)
        for r in range(p + 1):
            n = j + k + u + v + r - 1
            if n < 1 or n >= self.fields.shape[1]:
                continue
            field = self.fields[:, n][:, None]
            if n == 1 and r == p:  # part of the linear optics or of the dispersion
                if (j + k, u + v) != (1, 1):
                    continue
                field = 1j * anp.imag(field)
            multiplicity = math.factorial(n) / math.prod(map(math.factorial, (j, k, u, v, r)))
            total = total + (-1.0 / self.opd) ** (p - r) * multiplicity * self._real_part(field, (j, k, u, v, r))
        return total

    def _real_part(self, field: Array, powers: Powers) -> Array:
        """Coefficient of powers of the four phasors and delta, as independent variables, in Re(field (x + i y)^n)."""
        both = []
        for factor, waves in zip((field, anp.conj(field)), self._waves, strict=True):
            for power, wave in zip(powers, waves, strict=True):
                factor = factor * wave**power if power else factor
            both.append(factor)
        return 0.5 * (both[0] + both[1])

    @cached_property
    def _waves(self) -> tuple[list[Array], list[Array]]:
        """Coefficients of h_x+, h_x-, h_y+, h_y- and delta in x + i y and in x - i y."""
        bases, dispersion = self.inner.bases, self.inner.dispersion
        x, y = ([_phasor(bases[..., row, :], mode) for mode in (0, 2)] for row in (0, 2))
        x, y = ([a for wave in plane for a in (wave, anp.conj(wave))] for plane in (x, y))
        x, y = [*x, dispersion[..., 0]], [*y, dispersion[..., 2]]
        return [a + 1j * b for a, b in zip(x, y, strict=True)], [a - 1j * b for a, b in zip(x, y, strict=True)]


def _phasor(row: Array, mode: int) -> Array:
    """sqrt(beta) exp(i mu)/2 of a mode in one plane."""
    return 0.5 * (row[..., mode] + 1j * row[..., mode + 1])


def fields_on_orbit(magnets: Magnets, optics: Twiss) -> Array:
    """Multipoles (n, orders) in the frame of the ring, about the mean of the orbit at entrance and exit."""
    orders = magnets.fields.shape[1]
    rolled = magnets.fields * anp.exp(-1j * magnets.tilt[:, None] * (1.0 + np.arange(orders)))
    x, y = (0.5 * (column[magnets.places] + column[magnets.places + 1]) for column in (optics.x, optics.y))
    shift = x + 1j * y - magnets.offset
    columns = []
    for m in range(orders):
        columns.append(sum(math.comb(n, m) * rolled[:, n] * shift ** (n - m) for n in range(m, orders)))
    return anp.stack(columns, axis=1)
