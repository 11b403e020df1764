"""Orbit and transfer matrices along a lattice, exactly: the maps on dual numbers, all elements in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.backends import choose_backend
from gputrack.backends.protocol import Launch, Particles, Tangents, make_records
from gputrack.base.arrays import is_traced
from gputrack.base.errors import InputError
from gputrack.elements import CrabCavity, RFCavity
from gputrack.elements.map import ReferenceValues
from gputrack.elements.observation import Stops
from gputrack.lattice.knob_trace import effective_traces, traced_groups
from gputrack.lattice.knobs import Knob, Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import recording_program, stops_program, traced_program, without_records
from gputrack.lattice.program import LoweredGroup, Program
from gputrack.optics.maps.transfer_matrices import orbits_and_matrices

#: finite, so that its square is a number
_LIMIT = 1e100


def kept(lattice: Lattice, key: str, make: Callable[[], Any]) -> Any:
    """What was made of a lattice before, kept with it: lattices do not change."""
    if key not in lattice.__dict__:
        lattice.__dict__[key] = make()
    return lattice.__dict__[key]


def has_rf(lattice: Lattice) -> bool:
    """Whether a cavity is switched on, so that the energy of particles can change."""
    if lattice.setting is not None and not lattice.setting.changes("voltage"):
        return has_rf(lattice.setting.origin)
    found: bool = kept(
        lattice, "_has_rf", lambda: any(isinstance(element, RFCavity) and element.voltage for element in lattice)
    )
    return found


def coasting(lattice: Lattice) -> Lattice:
    """The lattice with its cavities switched off; itself where none is on. Kept with the lattice."""
    if not has_rf(lattice):
        return lattice
    quiet: Lattice = kept(lattice, "_coasting", lambda: _switched_off(lattice))
    return quiet


def _switched_off(lattice: Lattice) -> Lattice:
    setting = lattice.setting
    if setting is not None and not setting.origin.traces and not setting.changes("voltage"):
        return lattice.based_on(coasting(setting.origin))
    off = {
        place: element.replaced(voltage=0.0)
        for place, element in enumerate(lattice)
        if isinstance(element, (RFCavity, CrabCavity)) and element.voltage
    }
    elements = [off.get(place, element) for place, element in enumerate(lattice)]
    quiet = Lattice(elements, lattice.reference, name=lattice.name, model=lattice.model)
    quiet.traces = lattice.traces
    if lattice.traces:  # nothing depends on these voltages any more
        quiet.traces += ((Knobs((Knob("voltage", tuple(off), "voltage", 0.0),)), None),)
    return quiet


def optics_program(lattice: Lattice) -> Program:
    """The program with a record after every element; kept with the lattice, which does not change."""
    if lattice.traced:
        return traced_program(lattice)
    program: Program = kept(lattice, "_optics_program", lambda: recording_program(lattice))
    return program


def optics_groups(lattice: Lattice) -> tuple[LoweredGroup, ...]:
    """Elements with their parameters as arrays, in groups; traced where knobs are being differentiated."""
    program = optics_program(lattice)
    traces = effective_traces(lattice.traces)
    return traced_groups(program, traces) if traces else program.groups


def turn_program(lattice: Lattice) -> Program:
    """The same program without its records."""
    program: Program = kept(lattice, "_turn_program", lambda: without_records(optics_program(lattice)))
    return program


def positions(lattice: Lattice) -> Any:
    """Entrances of elements and the end [m], (n + 1,); read-only, or traced where lengths are being differentiated."""
    return kept(lattice, "_positions", lambda: _positions(lattice))


def _positions(lattice: Lattice) -> Any:
    setting = lattice.setting
    if setting is not None and not setting.changes("length", "angle"):
        return positions(setting.origin)
    if setting is None and not lattice.traces:
        s = lattice.s
        s.flags.writeable = False
        return s
    groups = optics_groups(lattice)
    order = np.argsort(np.concatenate([group.places for group in groups]))
    lengths = anp.concatenate([arc_length(group) for group in groups])
    return anp.concatenate([anp.zeros(1), anp.cumsum(lengths[order])])


def arc_length(group: LoweredGroup) -> Any:
    """(n,) Length of the reference orbit in the elements of a group [m]."""
    own = getattr(group.kind, "_arc_length", None)
    return own(group.parameters) if own else group.parameters["length"]


def row_names(lattice: Lattice) -> tuple[str, ...]:
    """Names of elements, then "end"."""
    if lattice.setting is not None:
        return row_names(lattice.setting.origin)
    names: tuple[str, ...] = kept(lattice, "_row_names", lambda: (*lattice.names, "end"))
    return names


def trajectory(lattice: Lattice, orbit: Any, stops: Stops | None = None) -> Any:
    """Orbit and matrices from the start, at the entrance of every element and at the end.

    Parameters
    ----------
    lattice : Lattice
        Apertures are left out.
    orbit : (6,) array
        At the start.
    stops : Stops, optional
        Places inside elements, too; rows are in the order of passage.

    Returns
    -------
    array (len(lattice) + 1 + stops, 6, 7)
        Traced where the lattice or the orbit is. ``[:, :, 0]`` the orbit, ``[:, :, 1:]``
        d(coordinates)/d(coordinates at the start).

    Raises
    ------
    InputError
        The orbit does not reach the end.
    """
    if lattice.traced or is_traced(orbit):
        return orbits_and_matrices(lattice, orbit, stops)
    program = optics_program(lattice) if stops is None else stops_program(lattice, stops)
    count = len(lattice) if stops is None else stops.total
    particles = _columns(orbit)
    records = make_records([(1, count)], 6, np)
    zeros = np.zeros(len(program.constants)), np.zeros(len(ReferenceValues._fields))
    launch = Launch(program, lattice.require_reference(), 0, 1, _LIMIT, records)
    backend: Any = choose_backend(None, particles.coordinates, 1)
    rates = backend.step_tangent(particles, Tangents(np.eye(6), *zeros), launch) if count else np.zeros(0)
    if particles.loss_code.any() or not np.isfinite(particles.coordinates).all():
        raise InputError(f"Lattice {lattice.name!r}: the orbit {list(map(float, orbit))} does not reach the end")
    start = np.concatenate([np.asarray(orbit, dtype=float)[:, None], np.eye(6)], axis=1)
    passed = np.concatenate([records.views[0][0][:, :, :1], rates.reshape(count, 6, 6)], axis=2)
    return np.concatenate([start[None], passed])


def _columns(orbit: np.ndarray) -> Particles:
    """Six particles on the orbit, one for each column of the matrix."""
    coordinates = np.repeat(np.asarray(orbit, dtype=float)[:, None], 6, axis=1)
    return Particles(
        np.ascontiguousarray(coordinates), np.zeros(6, np.int32), np.full(6, -1, np.int64), np.full(6, -1, np.int32)
    )
