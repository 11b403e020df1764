"""Transfer maps of lattices as truncated power series, by the kernels on a series number type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gputrack.arrays import Array, is_traced
from gputrack.backends.series import run_series
from gputrack.checks import require_integer
from gputrack.elements.map import ReferenceValues
from gputrack.errors import InputError
from gputrack.lattice import Knobs, Lattice
from gputrack.map_gradient import traced_maps
from gputrack.map_program import identity_map, map_program
from gputrack.parameter_tangent import constants_tangent
from gputrack.program import Program
from gputrack.tpsa.space import Space


@dataclass(frozen=True)
class Passage:
    """Maps from the start of a lattice.

    Attributes
    ----------
    space : Space
        Of the six coordinates, and of the knobs' deviations as parameters.
    orbit : (6,) array
        The orbit at the start, about which the maps are expanded: variables are deviations from it.
    final : (6, space.size) array
        Coefficients of the outgoing coordinates; constant parts are the orbit.
    at : (places, 6, space.size) array
        Those at the exits of chosen elements.
    """

    space: Space
    orbit: Array
    final: Array
    at: Array


def pass_maps(
    lattice: Lattice,
    order: int,
    orbit: Any = None,
    *,
    places: Sequence[int] = (),
    knobs: Knobs | None = None,
    knob_order: int = 1,
    program: Program | None = None,
) -> Passage:
    """Carry the identity map through a lattice.

    Where the lattice has knobs or a reference that are being differentiated, or the orbit is, so are the maps: by one
    backward sweep, `gputrack.map_gradient`.

    Parameters
    ----------
    lattice : Lattice
    order : int
        Highest total degree, 1 to 12.
    orbit : (6,) array, optional
        About which to expand, at the start; the reference orbit where not given.
    places : sequence of int
        Elements at whose exits maps are kept.
    knobs : Knobs, optional
        Further variables: their deviations from the present values, to `knob_order`.
    knob_order : int
        Highest degree in the knobs.
    program : Program, optional
        That of `map_program`, for whoever passes many times; not used where something is being differentiated.

    Raises
    ------
    InputError
        A number is out of range, or the orbit cannot be tracked through the lattice; there are `knobs` in what is being
        differentiated.

    Notes
    -----
    Constants of maps (sines of angles, ...) are taken to first order in the knobs: exact where `knob_order` is 1.
    """
    require_integer("transfer map", "order", order, at_least=1)
    if knobs is not None and knob_order != 1:
        raise InputError(f"transfer map: knob_order must be 1, got {knob_order}")
    count = 0 if knobs is None else len(knobs)
    if lattice.traced or is_traced(orbit):
        if count:
            raise InputError("transfer map: knobs= cannot be given where the lattice or the orbit is differentiated")
        return _traced_passage(lattice, Space(6, order), orbit, places)
    start = np.zeros(6) if orbit is None else np.array(orbit, dtype=float)
    if start.shape != (6,) or not np.isfinite(start).all():
        raise InputError(f"transfer map: orbit must be six finite numbers, got {orbit!r}")
    space = Space(6, order, count, min(order, knob_order)) if count else Space(6, order)
    program = program or map_program(lattice, places, knobs)
    slopes = None
    if knobs is not None and count:
        unit = np.eye(count)
        slopes = np.stack([constants_tangent(program, [(knobs, row)]) for row in unit], axis=1)
    values = np.zeros((4, 1 + count))
    values[:, 0] = ReferenceValues.of(lattice.require_reference())
    final, at = run_series(space, [program], values, identity_map(space, start)[None], len(places), slopes)
    if not np.isfinite(final).all():
        raise InputError(f"Lattice {lattice.name!r}: the orbit {start.tolist()} does not reach the end")
    return Passage(space, start, final[0], at[0])


def _traced_passage(lattice: Lattice, space: Space, orbit: Any, places: Sequence[int]) -> Passage:
    start = np.zeros(6) if orbit is None else orbit
    maps = traced_maps(lattice, space, start, places)
    return Passage(space, start, maps[-1], maps[:-1])
