"""Transfer maps of lattices as truncated power series, by kernels with series as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gputrack.backends import choose_map_backend
from gputrack.backends.taylor.array import run_series_arrays
from gputrack.backends.taylor.cuda import run_series_cuda
from gputrack.backends.taylor.host import run_series
from gputrack.base.arrays import Array, is_traced, namespace, on_device, to_numpy
from gputrack.base.checks import require_integer
from gputrack.base.errors import InputError
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.knob_tangent import constants_tangent
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import identity_map, map_program
from gputrack.lattice.program import Program
from gputrack.optics.maps.arguments import batch_of, bound_to_all, lattices_of, orbits_of
from gputrack.optics.maps.taylor_map_adjoint import traced_array_maps, traced_maps
from gputrack.tpsa.space import Space


@dataclass(frozen=True)
class Passage:
    """Maps from the start of a lattice.

    Attributes
    ----------
    space : Space
        Variables are the six coordinates; parameters are the deviations of the knobs.
    orbit : (..., 6) array
        Orbit at the start, about which the maps are expanded: variables are deviations from it.
    final : (..., 6, space.size) array
        Coefficients of the outgoing coordinates; constant parts are the orbit.
    at : (..., places, 6, space.size) array
        Coefficients at the exits of selected elements.
    """

    space: Space
    orbit: Array
    final: Array
    at: Array


def pass_maps(
    lattice: Lattice | Sequence[Lattice],
    order: int,
    orbit: Any = None,
    *,
    places: Sequence[int] = (),
    knobs: Knobs | None = None,
    knob_order: int = 1,
    program: Program | None = None,
    backend: str | None = None,
    threads: int = 1,
) -> Passage:
    """Propagate the identity map through a lattice, or through each of several lattices that differ in parameters.

    The maps are traced if knobs or the reference of the lattice, or the orbit, are traced; see
    `gputrack.optics.maps.taylor_map_adjoint`.

    Parameters
    ----------
    lattice : Lattice or sequence of Lattice
        A sequence of n lattices, or n orbits, give a batch: arrays with a leading axis of n.
    order : int
        Highest total degree, 1 to 12.
    orbit : (6,) or (n, 6) array, optional
        Orbit at the start, about which to expand; by default the reference orbit.
    places : sequence of int
        Elements at whose exits maps are recorded.
    knobs : Knobs, optional
        Further variables: their deviations from the present values, to `knob_order`.
    knob_order : int
        Highest degree in the knobs.
    program : Program, optional
        Result of `map_program`, to be reused in many passes; ignored if anything is traced.
    backend : {"array", "host", "cuda"}, optional
        Backend and device of the maps, see `gputrack.backends.choose_map_backend`.
    threads : int
        CPU threads, for batches on the host.

    Raises
    ------
    InputError
        An argument is invalid, or a particle on an orbit is lost; or, for a traced lattice or orbit, there are `knobs`,
        several lattices or orbits, or the backend is `cuda`.
    BackendError
        The backend cannot run on this machine.

    Notes
    -----
    Constants of maps (sines of angles, ...) are expanded to first order in the knobs, which is exact for
    `knob_order` = 1.
    """
    require_integer("transfer map", "order", order, at_least=1)
    if knobs is not None and knob_order != 1:
        raise InputError(f"transfer map: knob_order must be 1, got {knob_order}")
    lattices = lattices_of(lattice)
    knobs = None if knobs is None else bound_to_all(lattices, knobs)
    if is_traced(orbit) or any(one.traced for one in lattices):
        return _traced_passage(lattice, order, orbit, places, knobs, backend)
    start, name = orbits_of(orbit, backend)
    batch = batch_of(lattice, start)
    count = 0 if knobs is None else len(knobs)
    space = Space(6, order, count, min(order, knob_order)) if count else Space(6, order)
    programs = [program] if program else [map_program(one, places, knobs) for one in lattices]
    values = np.zeros((len(ReferenceValues._fields), 1 + count))
    values[:, 0] = ReferenceValues.of(lattices[0].require_reference())
    slopes = _slopes(programs, knobs) if knobs else None
    with on_device(start):
        maps = identity_map(space, namespace(start).broadcast_to(start, (math.prod(batch), 6)))
    run: Any = {"array": run_series_arrays, "host": partial(run_series, threads=threads), "cuda": run_series_cuda}[name]
    final, at = run(space, programs, values, maps, len(places), slopes)
    _require_passed(lattices, start, final)
    return Passage(space, start, final.reshape(*batch, *final.shape[1:]), at.reshape(*batch, *at.shape[1:]))


def _slopes(programs: Sequence[Program], knobs: Knobs) -> np.ndarray:
    """(programs, constants, knobs) Derivatives of the programs' constants."""
    unit = np.eye(len(knobs))
    rates = [[constants_tangent(program, [(knobs, row)]) for row in unit] for program in programs]
    return np.moveaxis(np.array(rates), 1, 2)


def _require_passed(lattices: Sequence[Lattice], start: Array, final: Array) -> None:
    """Raise `InputError` if a map is not finite."""
    xp = namespace(final)
    good = to_numpy(xp.isfinite(final).all(axis=(1, 2)))
    if not good.all():
        place = int(np.argmin(good))
        orbit = to_numpy(start).reshape(-1, 6)[place if start.ndim == 2 else 0].tolist()
        lattice = lattices[place if len(lattices) > 1 else 0]
        which = f" of map {place}" if len(good) > 1 else ""
        raise InputError(f"Lattice {lattice.name!r}: a particle on the orbit {orbit}{which} is lost before the end")


def _traced_passage(
    lattice: Lattice | Sequence[Lattice],
    order: int,
    orbit: Any,
    places: Sequence[int],
    knobs: Knobs | None,
    backend: str | None,
) -> Passage:
    if not isinstance(lattice, Lattice):
        raise InputError("transfer map: a batch cannot be differentiated; compute the maps one by one")
    if knobs:
        raise InputError("transfer map: knobs= is not available if the lattice or the orbit is being differentiated")
    name = choose_map_backend(backend, orbit)
    if name == "cuda":
        raise InputError("transfer map: gradients need backend='host' or 'array', and NumPy orbits")
    space, start = Space(6, order), np.zeros(6) if orbit is None else orbit
    maps = (traced_maps if name == "host" else traced_array_maps)(lattice, space, start, places)
    return Passage(space, start, maps[-1], maps[:-1])
