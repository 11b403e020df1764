"""Driving terms to second order: pairs of magnets, summed in the order in which the beam meets them.

Of two magnets i before j, -[V_i, V_j]/2 adds to h (J. Bengtsson, SLS Note 9/97; C.-X. Wang, ANL/APS/LS-330).
Brackets of monomials are monomials, so that for each pair (a, b) of first-order terms one needs the sum of a_i b_j over
i < j: a running sum, in as many steps as there are magnets. Inside thick magnets it is an integral.
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
from gputrack.optics.linear.twiss import Twiss


@dataclass(frozen=True)
class SecondOrder(DrivingMethod):
    """First-order sums, and what pairs of magnets add in second order of their strengths.

    So sextupoles drive h22000 h31000 h40000 h11110 h20110 h11200 h20020 h20200 h00220 h00310 h00400 and detune with
    amplitude. All pairs of multipoles and of orders in delta are taken. With j + k + l + m + p > 4 there would be
    products of three and more; what else is left out is as of `FirstOrder`.
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
        Those of first order, with what each magnet adds to them.
    second : CrossTerms
        What second order adds.
    """

    first: FirstOrderTerms
    second: CrossTerms

    @property
    def twiss(self) -> Twiss:  # type: ignore[override]
        """Of the ring with its cavities off."""
        return self.first.twiss

    @property
    def _names(self) -> tuple[str, ...]:
        return self.first._names

    def _theory(self) -> str:
        return f"second order, {len(self.first.places)} magnets"

    def _h(self, powers: Powers, along: bool) -> Any:
        return self.first._h(powers, along) + self.second.term(powers, along)

    def _f(self, powers: Powers, along: bool) -> Any:
        return self._left(powers, along) / (1.0 - self.turned(powers))

    def _left(self, powers: Powers, along: bool) -> Any:
        """(1 - R) f + K of a term: h less [f, R f]/2, and less [K, f + R f]/2 with the tune shifts K of first order."""
        total = self._h(powers, along)
        for a, b, factor in brackets(powers):
            shift, own, other = self._first_shift(a, along), self._first_f(a, along), self._first_f(b, along)
            turned = self.turned(b) * other
            total = total - 0.5 * factor * (own * turned + shift * (other + turned))
        return total

    def _first_f(self, powers: Powers, along: bool) -> Any:
        return 0.0 if turns(powers) == (0, 0) else self._kept(powers, along) / (1.0 - self.turned(powers))

    def _first_shift(self, powers: Powers, along: bool) -> Any:
        return self._kept(powers, along) if turns(powers) == (0, 0) else 0.0

    def _kept(self, powers: Powers, along: bool) -> Any:
        key = powers, along
        if key not in self._cache:
            self._cache[key] = self.first._h(powers, along)
        return self._cache[key]

    @cached_property
    def _cache(self) -> dict[tuple[Powers, bool], Any]:
        return {}

    @property
    def detuning(self) -> Detuning:
        """Of octupoles in first order, and of pairs of sextupoles."""
        return detuning_of(*(self._left(exponents_of(name), False) for name in ("h22000", "h11110", "h00220")))


@dataclass(frozen=True, eq=False)
class CrossTerms(Mapping[str, complex]):
    """What second order adds to driving terms: ``cross["h22000"]``, ``cross.along("h22000")``."""

    first: FirstOrderTerms

    def __getitem__(self, name: str) -> Any:
        """At the start of the ring."""
        return self.term(exponents_of(name), False)

    def __iter__(self) -> Iterator[str]:
        return iter(self.first)

    def __len__(self) -> int:
        return len(self.first)

    def along(self, name: str) -> Array:
        """(rows of twiss,) Seen from the entrance of every element and from the end."""
        return self.term(exponents_of(name), True)

    def term(self, powers: Powers, along: bool) -> Any:
        """-1/2 sum over i < j of [V_i, V_j]."""
        pairs = brackets(powers)
        if not pairs:
            return anp.zeros(len(self.first.twiss.s), dtype=complex) if along else 0.0j
        firsts, seconds, factors = zip(*pairs, strict=True)
        steps = anp.stack([self._steps(a, b) for a, b in zip(firsts, seconds, strict=True)], axis=1)
        sums = self._along(firsts, seconds, steps) if along else anp.sum(steps, axis=0)
        term = anp.dot(sums, -0.5 * np.array(factors))
        return self.first.unwound(powers) * term if along else term

    def _steps(self, a: Powers, b: Powers) -> Array:
        """(n,) Sum of a_i b_j over i < j: what each magnet j adds to it, seen from the start."""
        later, sums = self._at_nodes(b), self._before(a)
        return anp.sum(later * self._at_nodes(a, running=True), axis=1) + sums[:-1] * anp.sum(later, axis=1)

    def _along(self, firsts: tuple[Powers, ...], seconds: tuple[Powers, ...], steps: Array) -> Array:
        """(rows of twiss, pairs) The same sums for who starts elsewhere: what is behind comes last, one turn later."""
        rows = rows_before(self.first)
        a, b = (anp.stack([self._before(p) for p in q], axis=1)[rows] for q in (firsts, seconds))
        turned_a, turned_b = (anp.stack([self.first.turned(p) for p in q]) for q in (firsts, seconds))
        sums = cumulated(steps)[rows]
        ahead = sums[-1] - sums - a * (b[-1] - b)
        across = (a[-1] - a) * turned_b * b
        return ahead + across + turned_a * turned_b * sums

    def _before(self, powers: Powers) -> Array:
        """(n + 1,) First-order sums over the magnets before each."""
        return self._once(("before", powers), lambda: cumulated(anp.sum(self._at_nodes(powers), axis=1)))

    def _at_nodes(self, powers: Powers, running: bool = False) -> Array:
        """(n, nodes) A first-order term at the nodes of magnets, times their weights; or its integral up to there."""
        if running:
            return self._once(("running", powers), lambda: anp.dot(self._at_nodes(powers), RUNNING.T))
        density = self.first.density
        return self._once(("nodes", powers), lambda: density.inner.weights * density(powers))

    def _once(self, key: tuple[str, Powers], make: Callable[[], Array]) -> Array:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @cached_property
    def _made(self) -> dict[tuple[str, Powers], Array]:
        return {}


def _running(nodes: int) -> np.ndarray:
    """(nodes, nodes) The integral of a function from the entrance of a magnet to each node, of its values there times
    their weights: sum over n of (2 n + 1)/2 P_n(x_k) times the integral of P_n up to x_j, Legendre's polynomials.
    """
    points, _ = np.polynomial.legendre.leggauss(nodes)
    values = np.polynomial.legendre.legvander(points, nodes)
    below = np.concatenate([-np.ones((nodes, 1)), values[:, : nodes - 1]], axis=1)
    integrals: np.ndarray = 0.5 * (values[:, 1:] - below) @ values[:, :nodes].T
    return integrals


RUNNING = _running(NODES)
