"""Driving terms of resonances, by perturbation theory or from the one-turn map.

Conventions. The Hamiltonian of multipoles is V = Re sum_n (b_n + i a_n) (x + i y)^(n+1)/(n+1), b_n = k_n/n!,
a_n = k_ns/n!, divided by (1 + delta), at x + D delta. With x = sqrt(beta_x) (h+ exp(i mu_x) + h- exp(-i mu_x))/2,
h+- = sqrt(2 J_x) exp(+-i phi_x), and y likewise, the term h_jklmp is the coefficient of h_x+^j h_x-^k h_y+^l h_y-^m
delta^p in the integral of V over one turn from the point of observation, mu the phase advance from there. h_kjmlp is
the complex conjugate of h_jklmp, and a term drives the resonance (j - k) Qx + (l - m) Qy = integer. delta is the
deviation from the momentum of the orbit; where it is not 0, slopes px/(1 + delta) replace momenta.

Beyond first order, the Lie operator of one turn is M = exp(-:h:) R, R the linear motion: h is the integral of V minus
half the integrals of [V(s1), V(s2)] over s1 < s2, and so on. Generating functions transform M to its normal form,
exp(:f:) M exp(-:f:) = exp(-:K:) R, with K a function of the actions alone; f has no terms of the actions alone. To
first order f_jklmp = h_jklmp/(1 - exp(2 pi i ((j-k) Qx + (l-m) Qy))). Tune shifts are d Qx/d delta = h11001/pi and
d Qy/d delta = h00111/pi.

Conventions of other codes:

- J. Bengtsson, SLS Note 9/97: all terms with the opposite sign (his generator is -V).
- pyAT's `get_rdts`: the same, except for the opposite sign of h10010 and h10100; also to second order.
- MAD-NG's `gnf`, columns "fjklm" of its twiss: the complex conjugates of f_jklm0. Away from the start its f contains
  functions of the actions, so that terms with j + k + l + m >= 5 differ.
"""

from __future__ import annotations

from gputrack.backends import Choice
from gputrack.backends.choice import BACKEND
from gputrack.base.arguments import NUMBER, arguments, instance, optional
from gputrack.base.errors import InputError
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.optics.driving.first_order import FirstOrder
from gputrack.optics.driving.result import DrivingMethod, DrivingTerms
from gputrack.optics.linear.twiss import twiss


@arguments(
    lattice=LATTICE, terms=optional(instance((tuple, list), "a tuple of names such as 'h21000'")), delta=NUMBER,
    backend=BACKEND,
)  # fmt: skip
def driving_terms(
    lattice: Lattice,
    terms: tuple[str, ...] | None = None,
    *,
    delta: float = 0.0,
    method: DrivingMethod | None = None,
    backend: Choice = None,
) -> DrivingTerms:
    """Driving terms of a ring, in the conventions of `gputrack.optics.driving.driving_terms`.

    Parameters
    ----------
    lattice : Lattice
        A ring; its cavities are treated as off.
    terms : sequence of str, optional
        Terms "hjklmp"; default all terms of sextupoles, octupoles and skew quadrupoles that the method supports.
    delta : float
        Relative momentum deviation of the closed orbit about which the terms are computed.
    method : FirstOrder, SecondOrder or FromMap
        Default `FirstOrder`.
    backend : {"array", "host", "cuda"} or Streamed, optional
        Backend of the maps of the linear optics; see `twiss`.

    Returns
    -------
    DrivingTerms

    Raises
    ------
    InputError
        See `twiss`; or a name is not that of a driving term, or the method does not support the term.
    """
    method = FirstOrder() if method is None else method
    if not isinstance(method, DrivingMethod):
        raise InputError(f"driving_terms: method must be FirstOrder(), SecondOrder() or FromMap(order), got {method!r}")
    if isinstance(terms, str):
        raise InputError(f"driving_terms: terms must be a sequence of names, got {terms!r}; write ({terms!r},)")
    return method.terms(None if terms is None else tuple(terms), twiss(lattice, delta=delta, backend=backend).coasting)
