"""Programs for maps: a lattice without apertures, with varied parameters in the maps even if they are zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gputrack.base.arrays import Array, namespace
from gputrack.base.cache import Entry
from gputrack.base.errors import InputError
from gputrack.elements import Element
from gputrack.elements.map import MAPS
from gputrack.elements.observation import ObservationPoints
from gputrack.lattice.knob_trace import effective_traces
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program, compile_program
from gputrack.lattice.retune import Active, driven_by, program_for
from gputrack.tpsa.space import Space

_RECORDING: Entry[Program] = Entry("program with records")
_RECORDING_FORMS: Entry[Program] = Entry("programs with records of the origin of settings", most=4)
_TURN: Entry[Program] = Entry("program without records")
_ACTING: Entry[tuple[np.ndarray, np.ndarray]] = Entry("ops but for records")


def require_single_particles(lattice: Lattice, knobs: Knobs | None = None) -> None:
    """Raise `InputError` for collective elements: optics and maps are those of single particles.

    Elements that would become collective when knobs change (those given, or traced ones) are refused as well.
    """
    sets = [*(own for own, _ in lattice.traces), *([] if knobs is None else [knobs])]
    element = lattice.first_collective or next(filter(None, map(lattice.first_growing, sets)), None)
    if element is not None:
        raise InputError(
            f"Lattice {lattice.name!r}: {type(element).__name__} {element.name!r} acts on the whole beam, which optics "
            "and maps do not include; use lattice.without_collective_effects()"
        )


def require_undamped(lattice: Lattice, quantity: str) -> None:
    """Raise `InputError` where particles radiate; `quantity` names a property that damped motion lacks."""
    element = lattice.first_radiating
    if element is not None:
        raise InputError(
            f"Lattice {lattice.name!r}: particles radiate in {type(element).__name__} {element.name!r}, and damped "
            f"motion has no {quantity}; use lattice.without_radiation(), or see gputrack.damping"
        )


def bare(lattice: Lattice, traced: bool = False) -> Lattice:
    """Lattice without apertures, which maps ignore; raises `InputError` for a traced lattice unless `traced`."""
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
    """Program for maps, with a record at each place and the knobs' parameters in the maps."""
    active = {} if knobs is None else driven_by([knobs])
    require_single_particles(lattice, knobs)
    return compile_program(bare(lattice), [(1, list(places))] if len(places) else [], active)


def recording_program(lattice: Lattice) -> Program:
    """Program with a record after every element and the traced knobs in the maps."""
    return lattice.cache.get(_RECORDING, lambda: _recording(lattice))


def share_program(lattice: Lattice, other: Lattice) -> None:
    """Share the program of `recording_program` with a lattice of the same elements that has none yet."""
    other.cache.get(_RECORDING, lambda: recording_program(lattice))


def _recording(lattice: Lattice) -> Program:
    require_single_particles(lattice)
    return program_for(lattice, _RECORDING_FORMS, compile_recording)


def compile_recording(lattice: Lattice, active: Active) -> Program:
    """`recording_program` of a lattice of elements, with `active` parameters in the maps."""
    return compile_program(bare(lattice, traced=True), [(1, range(len(lattice)))], active)


def observing_program(lattice: Lattice, points: ObservationPoints) -> Program:
    """Program with a record at each observation point and after every element, and the traced knobs in the maps."""
    return compile_program(bare(lattice, traced=True), (), driven(lattice), points)


def without_records(program: Program) -> Program:
    """Program without its records, for results at the end only."""
    ops, elements = program.layout.get(_ACTING, lambda: _acting(program))
    return replace(program, ops=ops, elements=elements)


def _acting(program: Program) -> tuple[np.ndarray, np.ndarray]:
    acting = program.ops[:, 0] != MAPS["record"].code
    return np.ascontiguousarray(program.ops[acting]), program.elements[acting]


def turn_program(lattice: Lattice) -> Program:
    """Program of a lattice without records."""
    return lattice.cache.get(_TURN, lambda: without_records(recording_program(lattice)))


def driven(lattice: Lattice) -> dict[int, frozenset[str]]:
    """Traced parameters, by place."""
    return driven_by([knobs for knobs, _ in effective_traces(lattice)])


def identity_map(space: Space, orbit: Array) -> Array:
    """Coefficients (..., 6, size) of the coordinates themselves, about orbits (..., 6)."""
    xp = namespace(orbit)
    maps = xp.zeros((*orbit.shape, space.size))
    maps[..., 0] = orbit
    if space.order:
        maps[..., 1:7] += xp.eye(6)
    return maps
