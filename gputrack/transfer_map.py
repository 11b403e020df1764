"""Transfer maps of lattices as truncated power series, by the kernels on a series number type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gputrack.backends.series import run_series
from gputrack.checks import require_integer
from gputrack.elements import Element
from gputrack.elements.map import ReferenceValues
from gputrack.elements.stops import Stops
from gputrack.errors import InputError
from gputrack.lattice import Knobs, Lattice
from gputrack.parameter_tangent import constants_tangent
from gputrack.program import Program, compile_program
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
    orbit: np.ndarray
    final: np.ndarray
    at: np.ndarray


def require_single_particles(lattice: Lattice) -> None:
    """An error where particles do not travel alone: optics and maps are those of one particle."""
    element = lattice.first_collective
    if element is not None:
        raise InputError(
            f"Lattice {lattice.name!r}: {type(element).__name__} {element.name!r} acts on the whole beam, which optics "
            "and maps do not know; give lattice.without_collective_effects()"
        )


def bare(lattice: Lattice, traced: bool = False) -> Lattice:
    """The lattice without apertures, which a map does not know, and without traces, which `traced` lets it have."""
    if lattice.traced and not traced:
        raise InputError("transfer maps of a lattice that is being differentiated are not available; use knobs=")
    require_single_particles(lattice)
    copies: dict[int, Element] = {}
    for element in lattice:
        if id(element) not in copies:
            copies[id(element)] = element.replaced(aperture=None) if element.aperture else element
    elements = [copies[id(element)] for element in lattice]
    return Lattice(elements, lattice.reference, name=lattice.name, model=lattice.model)


def map_program(lattice: Lattice, places: Sequence[int] = (), knobs: Knobs | None = None) -> Program:
    """Program of a lattice for maps, with a record at each place, and with the knobs' parameters in the maps."""
    active: dict[int, frozenset[str]] = {}
    for knob in knobs or ():
        for place in knob.places:
            active[place] = active.get(place, frozenset()) | {knob.parameter}
    return compile_program(bare(lattice), [(1, list(places))] if len(places) else [], active)


def stops_program(lattice: Lattice, stops: Stops) -> Program:
    """Program of a lattice with a record at each of the stops and after every element."""
    return compile_program(bare(lattice), stops=stops)


def identity_map(space: Space, orbit: np.ndarray) -> np.ndarray:
    """Coefficients (6, size) of the coordinates themselves, about an orbit."""
    maps = np.zeros((6, space.size))
    maps[:, 0] = orbit
    if space.order:
        maps[:, 1:7] += np.eye(6)
    return maps


def pass_maps(
    lattice: Lattice,
    order: int,
    orbit: np.ndarray | None = None,
    *,
    places: Sequence[int] = (),
    knobs: Knobs | None = None,
    knob_order: int = 1,
    program: Program | None = None,
) -> Passage:
    """Carry the identity map through a lattice.

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
        That of `map_program`, for whoever passes many times.

    Raises
    ------
    InputError
        A number is out of range, or the orbit cannot be tracked through the lattice.

    Notes
    -----
    Constants of maps (sines of angles, ...) are taken to first order in the knobs: exact where `knob_order` is 1.
    """
    require_integer("transfer map", "order", order, at_least=1)
    if knobs is not None and knob_order != 1:
        raise InputError(f"transfer map: knob_order must be 1, got {knob_order}")
    start = np.zeros(6) if orbit is None else np.array(orbit, dtype=float)
    if start.shape != (6,) or not np.isfinite(start).all():
        raise InputError(f"transfer map: orbit must be six finite numbers, got {orbit!r}")
    count = 0 if knobs is None else len(knobs)
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
