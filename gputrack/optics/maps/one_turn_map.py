"""Transfer maps of lattices and rings as power series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.closed_orbit import closed_orbit
from gputrack.optics.maps.arguments import lattices_of
from gputrack.optics.maps.taylor_map import pass_maps
from gputrack.tpsa.map import Map


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

    Where knobs or the reference of the lattice are being differentiated, or the orbit is, so are all coefficients: one
    backward sweep gives the derivatives of any function of them with respect to all knobs.

    Parameters
    ----------
    lattice : Lattice, or list of n Lattices
        Those of a list have the same elements, models and reference particle; parameters differ.
    order : int
        Highest total degree.
    orbit : (6,) or (n, 6) array, optional
        At the start; the reference orbit where not given.
    knobs : Knobs, optional
        Parameters of the map's space: deviations of these knobs from their values, to first order.
    backend : {"array", "host", "cuda"}, optional
        Where the map is computed and its coefficients stay. Default `cuda` for a CuPy orbit, else `host`, or `array`
        without a compiler.
    threads : int
        CPU threads, for batches on the host.

    Returns
    -------
    Map
        Of deviations from the orbit: (x, px, y, py, z, delta) at the start, less `orbit`, to those at the end, less
        the orbit there. It has no constant part. Its batch is (n,) for n lattices or orbits, else (); on the GPU its
        coefficients are a CuPy array.

    Raises
    ------
    InputError
        The order is not an integer >= 1, lattices and orbits do not go together, or an orbit cannot be tracked to the
        end; a batch, or a map on the GPU, is being differentiated.
    BackendError
        The backend cannot run on this machine.

    Notes
    -----
    On a GPU a warp works on each map, and hundreds of maps fill the device; a single one is no faster than on a CPU.
    """
    passed = pass_maps(lattice, order, orbit, knobs=knobs, backend=backend, threads=threads)
    return Map.of(passed.space, passed.final).without_constant()


def one_turn_map(
    lattice: Lattice | Sequence[Lattice],
    order: int,
    delta: float = 0.0,
    *,
    knobs: Knobs | None = None,
    backend: str | None = None,
    threads: int = 1,
) -> Map:
    """One-turn map of a ring about its closed orbit, or of a batch of rings about theirs, see `transfer_map`.

    Parameters
    ----------
    lattice : Lattice, or list of n Lattices
    order : int
    delta : float
        Momentum deviation of the closed orbit; where its search starts, with cavities on.
    knobs : Knobs, optional
    backend : {"array", "host", "cuda"}, optional
        See `transfer_map`. Closed orbits are found on the CPU.
    threads : int

    Examples
    --------
    ``m = gt.one_turn_map(ring, order=4)``; ``m.matrix``, ``m @ m``, ``m.inverse()``, ``m.normal_form().tune(0, (1,))``
    the detuning of the horizontal tune with the horizontal action, and
    ``gt.grad(lambda k: gt.one_turn_map(ring.with_knobs(knobs, k), 3).normal_form().tune(0, (1,)))(knobs.values)`` its
    derivatives with respect to knobs.
    """
    orbits = [closed_orbit(one, delta) for one in lattices_of(lattice)]
    orbit = orbits[0] if isinstance(lattice, Lattice) else np.stack(orbits)
    return transfer_map(lattice, order, orbit, knobs=knobs, backend=backend, threads=threads)
