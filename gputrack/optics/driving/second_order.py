"""Driving terms to second order: sums over pairs of magnets in the order along the beam.

Each pair of magnets, i before j, contributes -[V_i, V_j]/2 to h (J. Bengtsson, SLS Note 9/97; C.-X. Wang,
ANL/APS/LS-330). Brackets of monomials are monomials, so that for each pair (a, b) of first-order terms the sum of
a_i b_j over i < j is needed: a cumulative sum over the magnets. Inside thick magnets it is an integral.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array
from gputrack.optics.driving.first_order import FirstOrder, FirstOrderTerms, cumulated, detuning_of, rows_before
from gputrack.optics.driving.names import Powers, brackets, exponents_of, turns
from gputrack.optics.driving.result import Detuning, DrivingMethod, DrivingTerms
from gputrack.optics.linear.inside_magnets import NODES
from gputrack.optics.linear.twiss_columns import Twiss


@dataclass(frozen=True)
class SecondOrder(DrivingMethod):
    """First-order sums and the contributions of pairs of magnets, of second order in the strengths.

    Sextupoles drive h22000 h31000 h40000 h11110 h20110 h11200 h20020 h20200 h00220 h00310 h00400 and shift tunes with
    amplitude. All pairs of multipoles and of orders in delta are included. Terms with j + k + l + m + p > 4 lack
    products of three and more strengths; other omissions are those of `FirstOrder`.
    """

    def terms(self, names: tuple[str, ...] | None, optics: Twiss) -> SecondOrderTerms:
        """See `driving_terms`."""
        first = FirstOrder().terms(names, optics)
        return SecondOrderTerms(first, CrossTerms(first))


@dataclass(frozen=True, eq=False, repr=False)
class SecondOrderTerms(DrivingTerms):
    """Driving terms to second order, see `DrivingTerms`.

    Attributes
    ----------
    first : FirstOrderTerms
        Terms of first order, with the contribution of each magnet.
    second : CrossTerms
        Contributions of second order.
    """

    first: FirstOrderTerms
    second: CrossTerms

    @property
    def twiss(self) -> Twiss:  # type: ignore[override]
        """Twiss parameters of the ring with its cavities off."""
        return self.first.twiss

    @property
    def _names(self) -> tuple[str, ...]:
        return self.first._names

    def _theory(self) -> str:
        return f"second order, {len(self.first.places)} magnets"

    def _h(self, powers: Powers, along: bool) -> Any:
        return self.first._h(powers, along) + self.second.term(powers, along)

    def _f(self, powers: Powers, along: bool) -> Any:
        return self._normalised(powers, along) / (1.0 - self.turned(powers))

    def _normalised(self, powers: Powers, along: bool) -> Any:
        """(1 - R) f + K of a term: h - [f, R f]/2 - [K, f + R f]/2 with the first-order tune shifts K."""
        total = self._h(powers, along)
        for a, b, factor in brackets(powers):
            shift, own, other = self._first_shift(a, along), self._first_f(a, along), self._first_f(b, along)
            rotated = self.turned(b) * other
            total = total - 0.5 * factor * (own * rotated + shift * (other + rotated))
        return total

    def _first_f(self, powers: Powers, along: bool) -> Any:
        return 0.0 if turns(powers) == (0, 0) else self._first_h(powers, along) / (1.0 - self.turned(powers))

    def _first_shift(self, powers: Powers, along: bool) -> Any:
        return self._first_h(powers, along) if turns(powers) == (0, 0) else 0.0

    def _first_h(self, powers: Powers, along: bool) -> Any:
        key = powers, along
        if key not in self._cache:
            self._cache[key] = self.first._h(powers, along)
        return self._cache[key]

    @cached_property
    def _cache(self) -> dict[tuple[Powers, bool], Any]:
        return {}

    @property
    def detuning(self) -> Detuning:
        """Tune shifts by octupoles in first order and by pairs of sextupoles."""
        return detuning_of(*(self._normalised(exponents_of(name), False) for name in ("h22000", "h11110", "h00220")))


@dataclass(frozen=True, eq=False)
class CrossTerms(Mapping[str, complex]):
    """Second-order contributions to driving terms: ``cross["h22000"]``, ``cross.along("h22000")``."""

    first: FirstOrderTerms

    def __getitem__(self, name: str) -> Any:
        """Contribution at the start of the ring."""
        return self.term(exponents_of(name), False)

    def __iter__(self) -> Iterator[str]:
        return iter(self.first)

    def __len__(self) -> int:
        return len(self.first)

    def along(self, name: str) -> Array:
        """Contribution with the entrance of each element, and the end, as point of observation; (rows of twiss,)."""
        return self.term(exponents_of(name), True)

    def term(self, powers: Powers, along: bool) -> Any:
        """Term of -1/2 sum over i < j of [V_i, V_j]."""
        pairs = brackets(powers)
        if not pairs:
            return anp.zeros(len(self.first.twiss.s), dtype=complex) if along else 0.0j
        firsts, seconds, factors = zip(*pairs, strict=True)
        steps = anp.stack([self._steps(a, b) for a, b in zip(firsts, seconds, strict=True)], axis=1)
        sums = self._along(firsts, seconds, steps) if along else anp.sum(steps, axis=0)
        term = anp.dot(sums, -0.5 * np.array(factors))
        return self.first.unwound(powers) * term if along else term

    def _steps(self, a: Powers, b: Powers) -> Array:
        """Contribution of each magnet j to the sum of a_i b_j over i < j, with phases from the start, (n,)."""
        later, sums = self._at_nodes(b), self._before(a)
        return anp.sum(later * self._at_nodes(a, running=True), axis=1) + sums[:-1] * anp.sum(later, axis=1)

    def _along(self, firsts: tuple[Powers, ...], seconds: tuple[Powers, ...], steps: Array) -> Array:
        """Sums with each row of twiss as start, where preceding magnets come last, one turn later; (rows, pairs)."""
        rows = rows_before(self.first)
        a, b = (anp.stack([self._before(p) for p in q], axis=1)[rows] for q in (firsts, seconds))
        turned_a, turned_b = (anp.stack([self.first.turned(p) for p in q]) for q in (firsts, seconds))
        sums = cumulated(steps)[rows]
        ahead = sums[-1] - sums - a * (b[-1] - b)
        across = (a[-1] - a) * turned_b * b
        return ahead + across + turned_a * turned_b * sums

    def _before(self, powers: Powers) -> Array:
        """First-order sums over the magnets before each, (n + 1,)."""
        return self._cached(("before", powers), lambda: cumulated(anp.sum(self._at_nodes(powers), axis=1)))

    def _at_nodes(self, powers: Powers, running: bool = False) -> Array:
        """First-order term at the nodes of magnets, times their weights, or its integral up to there, (n, nodes)."""
        if running:
            return self._cached(("running", powers), lambda: anp.dot(self._at_nodes(powers), RUNNING.T))
        density = self.first.density
        return self._cached(("nodes", powers), lambda: density.inner.weights * density(powers))

    def _cached(self, key: tuple[str, Powers], make: Callable[[], Array]) -> Array:
        if key not in self._arrays:
            self._arrays[key] = make()
        return self._arrays[key]

    @cached_property
    def _arrays(self) -> dict[tuple[str, Powers], Array]:
        return {}


def _running(nodes: int) -> np.ndarray:
    """Matrix (nodes, nodes) of integrals from the entrance of a magnet to each node, from values times weights.

    Entries are sums over n of (2 n + 1)/2 P_n(x_k) times the integral of P_n up to x_j, P_n Legendre polynomials.
    """
    points, _ = np.polynomial.legendre.leggauss(nodes)
    values = np.polynomial.legendre.legvander(points, nodes)
    below = np.concatenate([-np.ones((nodes, 1)), values[:, : nodes - 1]], axis=1)
    integrals: np.ndarray = 0.5 * (values[:, 1:] - below) @ values[:, :nodes].T
    return integrals


RUNNING = _running(NODES)
