"""Transfer maps of lattices and rings as power series."""

from __future__ import annotations

from typing import Any

from gputrack.lattice import Knobs, Lattice
from gputrack.optics.closed_orbit import closed_orbit
from gputrack.tpsa.maps import Map
from gputrack.transfer_map import pass_maps


def transfer_map(lattice: Lattice, order: int, orbit: Any = None, *, knobs: Knobs | None = None) -> Map:
    """Map of a lattice about an orbit, by compiled kernels.

    Where knobs or the reference of the lattice are being differentiated, or the orbit is, so are all coefficients: one
    backward sweep gives the derivatives of any function of them with respect to all knobs.

    Parameters
    ----------
    lattice : Lattice
    order : int
        Highest total degree.
    orbit : (6,) array, optional
        At the start; the reference orbit where not given.
    knobs : Knobs, optional
        Parameters of the map's space: deviations of these knobs from their values, to first order.

    Returns
    -------
    Map
        Of deviations from the orbit: (x, px, y, py, z, delta) at the start, less `orbit`, to those at the end, less
        the orbit there. It has no constant part.

    Raises
    ------
    InputError
        The order is not an integer >= 1, or the orbit cannot be tracked to the end.
    """
    passed = pass_maps(lattice, order, orbit, knobs=knobs)
    return Map.of(passed.space, passed.final).without_constant()


def one_turn_map(lattice: Lattice, order: int, delta: float = 0.0, *, knobs: Knobs | None = None) -> Map:
    """One-turn map of a ring about its closed orbit, see `transfer_map`.

    Parameters
    ----------
    lattice : Lattice
    order : int
    delta : float
        Momentum deviation of the closed orbit; where its search starts, with cavities on.
    knobs : Knobs, optional

    Examples
    --------
    ``m = gt.one_turn_map(ring, order=4)``; ``m.matrix``, ``m @ m``, ``m.inverse()``, ``m.normal_form().tune(0, (1,))``
    the detuning of the horizontal tune with the horizontal action, and
    ``gt.grad(lambda k: gt.one_turn_map(ring.with_knobs(knobs, k), 3).normal_form().tune(0, (1,)))(knobs.values)`` its
    derivatives with respect to knobs.
    """
    return transfer_map(lattice, order, closed_orbit(lattice, delta), knobs=knobs)
