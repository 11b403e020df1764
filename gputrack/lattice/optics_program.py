"""Programs for maps: a lattice without apertures, with the parameters that are varied kept in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gputrack.base.arrays import Array, namespace
from gputrack.base.errors import InputError
from gputrack.elements import Element
from gputrack.elements.map import MAPS
from gputrack.elements.observation import Stops
from gputrack.lattice.knob_trace import effective_traces
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program, compile_program
from gputrack.lattice.retune import retuned
from gputrack.tpsa.space import Space


def require_single_particles(lattice: Lattice, knobs: Knobs | None = None) -> None:
    """An error where particles do not travel alone: optics and maps are those of one particle.

    Neither where they would not once knobs, those of the lattice that are being differentiated or others, change.
    """
    sets = [*(own for own, _ in lattice.traces), *([] if knobs is None else [knobs])]
    element = lattice.first_collective or next(filter(None, map(lattice.first_growing, sets)), None)
    if element is not None:
        raise InputError(
            f"Lattice {lattice.name!r}: {type(element).__name__} {element.name!r} acts on the whole beam, which optics "
            "and maps do not know; give lattice.without_collective_effects()"
        )


def require_undamped(lattice: Lattice, what: str) -> None:
    """An error where particles radiate: `what` stands for what damped motion does not have."""
    element = lattice.first_radiating
    if element is not None:
        raise InputError(
            f"Lattice {lattice.name!r}: particles radiate in {type(element).__name__} {element.name!r}, and damped "
            f"motion has no {what}; give lattice.without_radiation(), or see gputrack.damping"
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
    active = {} if knobs is None else driven_by([knobs])
    require_single_particles(lattice, knobs)
    return compile_program(bare(lattice), [(1, list(places))] if len(places) else [], active)


def recording_program(lattice: Lattice) -> Program:
    """Program with a record after every element, of a lattice that is not being differentiated."""
    return retuned_program(lattice) or map_program(lattice, range(len(lattice)))


def stops_program(lattice: Lattice, stops: Stops) -> Program:
    """Program of a lattice with a record at each of the stops and after every element."""
    return compile_program(bare(lattice), stops=stops)


def without_records(program: Program) -> Program:
    """The same program for who looks at the end alone."""
    acting = program.ops[:, 0] != MAPS["record"].code
    return replace(program, ops=np.ascontiguousarray(program.ops[acting]), elements=program.elements[acting])


def traced_program(lattice: Lattice) -> Program:
    """Program with a record after every element, and with the knobs that are being differentiated in its maps.

    Kept with the lattice, which does not change: a closed orbit needs it more than once.
    """
    if "_traced_program" not in lattice.__dict__:
        lattice.__dict__["_traced_program"] = retuned_program(lattice) or _recording(lattice, driven(lattice))
    kept: Program = lattice.__dict__["_traced_program"]
    return kept


def _recording(lattice: Lattice, active: dict[int, frozenset[str]]) -> Program:
    return compile_program(bare(lattice, traced=True), [(1, range(len(lattice)))], active)


def retuned_program(lattice: Lattice) -> Program | None:
    """Program with a record after every element, from that of a lattice with other values of the same knobs.

    The latter is kept with the lattice that knobs were set on. None where there is no such lattice, where more than
    these knobs is being differentiated, or where the values need maps of another form.
    """
    setting = lattice.setting
    if setting is None or setting.origin.traces or len(lattice.traces) > 1:
        return None
    known: tuple[Knobs, Program] | None = setting.origin.__dict__.get("_recording_program")
    if known is None or known[0] is not setting.knobs:
        known = setting.knobs, _recording(setting.origin, driven_by([setting.knobs]))
        setting.origin.__dict__["_recording_program"] = known
    return retuned(known[1], setting.knobs, setting.numbers)


def driven(lattice: Lattice) -> dict[int, frozenset[str]]:
    """Parameters that are being differentiated, by place."""
    return driven_by([knobs for knobs, _ in effective_traces(lattice.traces)])


def driven_by(sets: Sequence[Knobs]) -> dict[int, frozenset[str]]:
    """Parameters of knobs, by place."""
    active: dict[int, frozenset[str]] = {}
    for knobs in sets:
        for parameter, (places, _) in knobs.driven.items():
            for place in places.tolist():
                active[place] = active.get(place, frozenset()) | {parameter}
    return active


def identity_map(space: Space, orbit: Array) -> Array:
    """Coefficients (..., 6, size) of the coordinates themselves, about orbits (..., 6)."""
    xp = namespace(orbit)
    maps = xp.zeros((*orbit.shape, space.size))
    maps[..., 0] = orbit
    if space.order:
        maps[..., 1:7] += xp.eye(6)
    return maps
