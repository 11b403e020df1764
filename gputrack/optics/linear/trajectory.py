"""Orbit and transfer matrices along a lattice, exactly: the maps on dual numbers, all elements in one call."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.backends import choose_backend
from gputrack.backends.protocol import Launch, Particles, Tangents, make_records
from gputrack.base.arrays import is_traced
from gputrack.base.cache import Entry
from gputrack.base.errors import InputError
from gputrack.elements import CrabCavity, RFCavity
from gputrack.elements.map import ReferenceValues
from gputrack.elements.observation import ObservationPoints
from gputrack.lattice.knob_trace import effective_traces, traced_groups
from gputrack.lattice.knobs import Knob, Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import observing_program, recording_program
from gputrack.lattice.program import LoweredGroup
from gputrack.lattice.setting import changes_lengths
from gputrack.optics.maps.transfer_matrices import orbits_and_matrices

_HAS_RF: Entry[bool] = Entry("whether a cavity is on")
_COASTING: Entry[Lattice] = Entry("lattice with its cavities off")
_WITHOUT_VOLTAGE: Entry[Lattice] = Entry("elements with their cavities off")
_VOLTAGES: Entry[Knobs] = Entry("voltages of cavities")
_POSITIONS: Entry[Any] = Entry("traced positions")
_ROW_NAMES: Entry[tuple[str, ...]] = Entry("names of rows")
#: finite, so that its square is a number
_LIMIT = 1e100


def has_rf(lattice: Lattice) -> bool:
    """Whether a cavity is switched on, so that the energy of particles can change."""
    if lattice.setting is not None and not lattice.setting.changes("voltage"):
        return has_rf(lattice.origin)
    return lattice.cache.get(_HAS_RF, lambda: _has_rf(lattice))


def _has_rf(lattice: Lattice) -> bool:
    cavities = [place for place, element in enumerate(lattice.origin.elements) if isinstance(element, RFCavity)]
    present = np.array([getattr(element, "voltage", 0.0) for element in lattice.origin.elements])
    voltages = present if lattice.setting is None else lattice.setting.values("voltage", present)
    return bool(voltages[cavities].any())


def coasting(lattice: Lattice) -> Lattice:
    """The lattice with its cavities switched off; itself where none is on."""
    return lattice.cache.get(_COASTING, lambda: _switched_off(lattice)) if has_rf(lattice) else lattice


def _switched_off(lattice: Lattice) -> Lattice:
    cache, setting = lattice.origin.cache, lattice.setting
    quiet = cache.get(_WITHOUT_VOLTAGE, lambda: _without_voltage(lattice.origin))
    voltages = cache.get(_VOLTAGES, lambda: _voltages(lattice.origin))
    if setting is not None:
        quiet = quiet.based_on(*setting.without(voltages), lattice.reference)
    # nothing depends on these voltages any more
    return quiet.with_traces((*lattice.traces, (voltages, None)) if lattice.traces else ())


def _voltages(lattice: Lattice) -> Knobs:
    """The voltages of all cavities."""
    places = [i for i, element in enumerate(lattice.elements) if isinstance(element, (RFCavity, CrabCavity))]
    return Knobs((Knob("voltage", tuple(places), "voltage", 0.0),))


def _without_voltage(lattice: Lattice) -> Lattice:
    """Elements with the voltages of all cavities at 0."""
    elements = [
        element.replaced(voltage=0.0) if isinstance(element, (RFCavity, CrabCavity)) and element.voltage else element
        for element in lattice.elements
    ]
    return Lattice(elements, lattice.reference, name=lattice.name, model=lattice.model)


def optics_groups(lattice: Lattice) -> tuple[LoweredGroup, ...]:
    """Elements with their parameters as arrays, in groups; traced where knobs are being differentiated."""
    program = recording_program(lattice)
    traces = effective_traces(lattice)
    return traced_groups(program, traces) if traces else program.groups


def positions(lattice: Lattice) -> Any:
    """Entrances of elements and the end [m], (n + 1,); read-only, or traced where lengths are being differentiated."""
    if not any(changes_lengths(knobs) for knobs, _ in effective_traces(lattice)):
        return lattice.positions
    return lattice.cache.get(_POSITIONS, lambda: _traced_positions(lattice))


def _traced_positions(lattice: Lattice) -> Any:
    groups = optics_groups(lattice)
    order = np.argsort(np.concatenate([group.places for group in groups]))
    lengths = anp.concatenate([group.arc_length() for group in groups])
    return anp.concatenate([anp.zeros(1), anp.cumsum(lengths[order])])


def row_names(lattice: Lattice) -> tuple[str, ...]:
    """Names of elements, then "end"."""
    return lattice.origin.cache.get(_ROW_NAMES, lambda: (*lattice.names, "end"))


def trajectory(lattice: Lattice, orbit: Any, points: ObservationPoints | None = None) -> Any:
    """Orbit and matrices from the start, at the entrance of every element and at the end.

    Parameters
    ----------
    lattice : Lattice
        Apertures are left out.
    orbit : (6,) array
        At the start.
    points : ObservationPoints, optional
        Places inside elements, too; rows are in the order of passage.

    Returns
    -------
    array (len(lattice) + 1 + points, 6, 7)
        Traced where the lattice or the orbit is. ``[:, :, 0]`` the orbit, ``[:, :, 1:]``
        d(coordinates)/d(coordinates at the start).

    Raises
    ------
    InputError
        The orbit does not reach the end.
    """
    if lattice.traced or is_traced(orbit):
        return orbits_and_matrices(lattice, orbit, points)
    program = recording_program(lattice) if points is None else observing_program(lattice, points)
    count = len(lattice) if points is None else points.total
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
