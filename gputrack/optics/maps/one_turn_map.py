"""Transfer maps of lattices and rings as power series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.backends.choice import NAMED_BACKEND
from gputrack.base.arguments import NUMBER, arguments, integer
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.closed_orbit import closed_orbit
from gputrack.optics.maps.arguments import lattices_of
from gputrack.optics.maps.taylor_map import pass_maps
from gputrack.tpsa.map import Map


@arguments(backend=NAMED_BACKEND, threads=integer(1))
def transfer_map(
    lattice: Lattice | Sequence[Lattice],
    order: int,
    orbit: Any = None,
    *,
    knobs: Knobs | None = None,
    backend: str | None = None,
    threads: int = 1,
) -> Map:
    """Map of a lattice about an orbit, or of a batch of lattices or orbits.

    All coefficients are traced if knobs or the reference of the lattice, or the orbit, are traced: one backward sweep
    gives the derivatives of any function of the coefficients with respect to all knobs.

    Parameters
    ----------
    lattice : Lattice, or list of n Lattices
        Lattices of a list have the same elements, models and reference particle, and differ in parameters.
    order : int
        Highest total degree.
    orbit : (6,) or (n, 6) array, optional
        Orbit at the start; by default the reference orbit.
    knobs : Knobs, optional
        Parameters of the map's space: deviations of these knobs from their values, to first order.
    backend : {"array", "host", "cuda"}, optional
        Backend of the map, and device of its coefficients. By default `cuda` for a CuPy orbit, else `host`, or `array`
        without a compiler.
    threads : int
        CPU threads, for batches on the host.

    Returns
    -------
    Map
        Map of deviations from the orbit, from (x, px, y, py, z, delta) at the start to those at the end, without
        constant part. Its batch is (n,) for n lattices or orbits, else (); on the GPU its coefficients are a CuPy
        array.

    Raises
    ------
    InputError
        The order is not an integer >= 1, the numbers of lattices and orbits differ, or a particle on an orbit is lost
        before the end; a batch, or a map on the GPU, is traced.
    BackendError
        The backend cannot run on this machine.

    Notes
    -----
    On a GPU each map is computed by one warp, and hundreds of maps fill the device; a single map is not faster than on
    a CPU.
    """
    passed = pass_maps(lattice, order, orbit, knobs=knobs, backend=backend, threads=threads)
    return Map.of(passed.space, passed.final).without_constant()


@arguments(delta=NUMBER, backend=NAMED_BACKEND, threads=integer(1))
def one_turn_map(
    lattice: Lattice | Sequence[Lattice],
    order: int,
    delta: float = 0.0,
    *,
    knobs: Knobs | None = None,
    backend: str | None = None,
    threads: int = 1,
) -> Map:
    """One-turn map of a ring about its closed orbit, or of a batch of rings, see `transfer_map`.

    Parameters
    ----------
    lattice : Lattice, or list of n Lattices
    order : int
    delta : float
        Momentum deviation of the closed orbit; with cavities on, the start of its search.
    knobs : Knobs, optional
    backend : {"array", "host", "cuda"}, optional
        See `transfer_map`. Closed orbits are computed on the CPU.
    threads : int

    Examples
    --------
    With ``m = gt.one_turn_map(ring, order=4)``: ``m.matrix``, ``m @ m``, ``m.inverse()``. The detuning of the
    horizontal tune with the horizontal action is ``m.normal_form().tune(0, (1,))``, and
    ``gt.grad(lambda k: gt.one_turn_map(ring.with_knobs(knobs, k), 3).normal_form().tune(0, (1,)))(knobs.values)`` are
    its derivatives with respect to knobs.
    """
    orbits = [closed_orbit(one, delta) for one in lattices_of(lattice)]
    orbit = orbits[0] if isinstance(lattice, Lattice) else np.stack(orbits)
    return transfer_map(lattice, order, orbit, knobs=knobs, backend=backend, threads=threads)
