"""Driving terms of resonances, by first-order perturbation theory: sums over magnets.

Conventions. A multipole's part of the Hamiltonian is V = Re sum_n (b_n + i a_n) (x + i y)^(n+1)/(n+1), b_n = k_n/n!,
a_n = k_ns/n!, over (1 + delta), at x + D delta. With x = sqrt(beta_x) (h+ exp(i mu_x) + h- exp(-i mu_x))/2, h+- =
sqrt(2 J_x) exp(+-i phi_x), and y likewise, the term h_jklmp is the coefficient of h_x+^j h_x-^k h_y+^l h_y-^m delta^p
in the integral of V over one turn from the point of observation, mu the phase from there. So h_kjmlp is the complex
conjugate of h_jklmp, and a term drives (j - k) Qx + (l - m) Qy = integer.

- J. Bengtsson, SLS Note 9/97: all terms of the opposite sign (his generator is -V).
- pyAT's `get_rdts`: these, but h10010 and h10100 of the opposite sign.
- Generating functions f_jklm = h_jklm/(1 - exp(2 pi i ((j-k) Qx + (l-m) Qy))), with these h.

Only what is no part of the linear optics counts: upright gradients at delta^0, and all at x delta, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.arrays import Array
from gputrack.errors import InputError
from gputrack.lattice import Lattice
from gputrack.optics.inside import Inside, inside
from gputrack.optics.magnets import Magnets, magnets_of
from gputrack.optics.twiss import Twiss, twiss

#: terms of quadrupoles with delta, skew quadrupoles, sextupoles and octupoles
TERMS = (
    "h21000", "h30000", "h10110", "h10020", "h10200",
    "h11001", "h00111", "h20001", "h00201", "h10002",
    "h10010", "h10100",
    "h22000", "h11110", "h00220", "h31000", "h40000", "h20110", "h11200", "h20020", "h20200", "h00310", "h00400",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class DrivingTerms(Mapping[str, complex]):
    """Driving terms of a ring: ``terms["h21000"]`` or ``terms.h21000`` at its start.

    Attributes
    ----------
    twiss : Twiss
    places : (n,) int array
        Magnets' places in the lattice.
    contributions : dict of str to (n,) complex arrays
        What each magnet adds to a term, seen from the start.
    """

    twiss: Twiss
    places: np.ndarray
    contributions: dict[str, Array]

    def __getitem__(self, name: str) -> Any:
        """A term at the start of the ring, [m^(1 - order/2)] with order = j + k + l + m."""
        return anp.sum(self._of(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.contributions)

    def __len__(self) -> int:
        return len(self.contributions)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("h") and name[1:].isdigit():
            return self[name]
        raise AttributeError(name)

    def _of(self, name: str) -> Array:
        if name not in self.contributions:
            known = ", ".join(self.contributions)
            raise InputError(f"DrivingTerms: {name!r} was not computed, these were: {known}; ask for it with terms=")
        return self.contributions[name]

    def along(self, name: str) -> Array:
        """(rows of twiss,) A term seen from the entrance of every element and from the end."""
        j, k, u, v, _ = exponents_of(name)
        before = anp.concatenate([anp.zeros(1), anp.cumsum(self._per_element(name))])
        turn = anp.exp(2j * math.pi * ((j - k) * self.twiss.qx + (u - v) * self.twiss.qy))
        phase = 2.0 * math.pi * ((j - k) * self.twiss.mux + (u - v) * self.twiss.muy)
        return anp.exp(-1j * phase) * (before[-1] - before + turn * before)

    def _per_element(self, name: str) -> Array:
        """(elements,) Contributions at all places."""
        count = len(self.twiss.lattice)
        rows = np.full(count, len(self.places))  # the last one is 0
        rows[self.places] = np.arange(len(self.places))
        return anp.concatenate([self._of(name), anp.zeros(1)])[rows]

    def generating(self, name: str) -> Any:
        """f_jklm = h_jklm/(1 - exp(2 pi i ((j-k) Qx + (l-m) Qy))) at the start.

        Raises
        ------
        InputError
            The term does not turn, as of h11001: it has no generating function.
        """
        j, k, u, v, _ = exponents_of(name)
        if (j, u) == (k, v):
            raise InputError(f"DrivingTerms: {name} shifts tunes, and drives no resonance")
        return self[name] / (1.0 - anp.exp(2j * math.pi * ((j - k) * self.twiss.qx + (u - v) * self.twiss.qy)))

    def __repr__(self) -> str:
        rows = [f"  {name}  {complex(self[name]):.8g}  |{name}| = {abs(self[name]):.8g}" for name in self]
        head = f"<DrivingTerms of {self.twiss.lattice.name!r}, first order, {len(self.places)} magnets:"
        return "\n".join([head, *rows]) + ">"


def exponents_of(name: str) -> tuple[int, ...]:
    """(j, k, l, m, p) of a name as "h21000"."""
    digits = name[1:] if isinstance(name, str) and name.startswith("h") else ""
    if len(digits) != 5 or not digits.isdigit() or sum(map(int, digits[:4])) < 1:
        raise InputError(f"driving_terms: terms are named as 'h21000', j k l m and p digits, got {name!r}")
    return tuple(map(int, digits))


def driving_terms(lattice: Lattice, terms: tuple[str, ...] = TERMS, *, delta: float = 0.0) -> DrivingTerms:
    """First-order driving terms; conventions as above.

    Thick magnets are integrated with the beta functions, phases and dispersion inside them. Fields are taken on the
    closed orbit (feed-down). Curvature and faces of bends, and what drifts contribute in higher orders, are left out.

    Parameters
    ----------
    lattice : Lattice
        A ring; its cavities are taken as off.
    terms : sequence of str
        Any terms "hjklmp", to any order that multipoles have.
    delta : float
        Relative momentum deviation.

    Returns
    -------
    DrivingTerms

    Raises
    ------
    InputError
        As of `twiss`; or a name is none of a driving term.
    """
    wanted = {name: exponents_of(name) for name in terms}
    optics = twiss(lattice, delta=delta).coasting
    magnets = magnets_of(optics.lattice)
    magnets = magnets.chosen(np.abs(magnets.fields[:, 1:]).max(axis=1, initial=0.0) > 0.0)
    places = magnets.places
    start = anp.stack([optics.dx, optics.dpx, optics.dy, optics.dpy], axis=1)[places]
    inner = inside(magnets, optics.bases[places], start, optics.delta[places])
    fields = fields_on_orbit(magnets, optics)
    contributions = {name: term_of(powers, fields, inner) for name, powers in wanted.items()}
    return DrivingTerms(optics, places, contributions)


def fields_on_orbit(magnets: Magnets, optics: Twiss) -> Array:
    """(n, orders) Multipoles in the frame of the ring, about the mean of the orbit at entrance and exit."""
    orders = magnets.fields.shape[1]
    rolled = magnets.fields * anp.exp(-1j * magnets.tilt[:, None] * (1.0 + np.arange(orders)))
    x, y = (0.5 * (column[magnets.places] + column[magnets.places + 1]) for column in (optics.x, optics.y))
    shift = x + 1j * y - magnets.offset
    columns = []
    for m in range(orders):
        columns.append(sum(math.comb(n, m) * rolled[:, n] * shift ** (n - m) for n in range(m, orders)))
    return anp.stack(columns, axis=1)


def term_of(powers: tuple[int, ...], fields: Array, inner: Inside) -> Array:
    """(n,) Contributions of magnets to one term."""
    j, k, u, v, p = powers
    ux = 0.5 * (inner.bases[..., 0, 0] + 1j * inner.bases[..., 0, 1])
    uy = 0.5 * (inner.bases[..., 2, 2] + 1j * inner.bases[..., 2, 3])
    waves = math.comb(j + k, j) * math.comb(u + v, u) * ux**j * anp.conj(ux) ** k * uy**u * anp.conj(uy) ** v
    strength = _strength(j + k, u + v, p, fields, inner.dispersion[..., 0] + 1j * inner.dispersion[..., 2])
    return anp.sum(inner.weights * waves * strength, axis=1)


def _strength(x: int, y: int, p: int, fields: Array, dispersion: Array) -> Any:
    """Coefficients of x^x y^y delta^p in V at x + D delta, over 1 + delta."""
    total: Any = 0.0
    for r in range(p + 1):
        n = x + y + r - 1
        linear = n == 1 and r == p and not (x == 1 and y == 1)  # a part of the linear optics, or of the dispersion
        if n < 1 or n >= fields.shape[1] or linear:
            continue
        ways = math.factorial(n) / (math.factorial(x) * math.factorial(y) * math.factorial(r))
        field = anp.real(fields[:, n][:, None] * (1j**y) * dispersion**r)
        total = total + (-1.0) ** (p - r) * ways * field
    return total
