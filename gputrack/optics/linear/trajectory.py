"""Orbit and transfer matrices along a lattice, as exact derivatives of its maps; positions and names of its rows."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.backends import Choice
from gputrack.base.cache import Entry
from gputrack.elements import CrabCavity, RFCavity
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


def has_rf(lattice: Lattice) -> bool:
    """Whether a cavity is on, so that the energy of particles can change."""
    if lattice.setting is not None and not lattice.setting.changes("voltage"):
        return has_rf(lattice.origin)
    return lattice.cache.get(_HAS_RF, lambda: _has_rf(lattice))


def _has_rf(lattice: Lattice) -> bool:
    cavities = [place for place, element in enumerate(lattice.origin.elements) if isinstance(element, RFCavity)]
    present = np.array([getattr(element, "voltage", 0.0) for element in lattice.origin.elements])
    voltages = present if lattice.setting is None else lattice.setting.values("voltage", present)
    return bool(voltages[cavities].any())


def coasting(lattice: Lattice) -> Lattice:
    """Lattice with its cavities off; itself if none is on."""
    return lattice.cache.get(_COASTING, lambda: _switched_off(lattice)) if has_rf(lattice) else lattice


def _switched_off(lattice: Lattice) -> Lattice:
    cache, setting = lattice.origin.cache, lattice.setting
    quiet = cache.get(_WITHOUT_VOLTAGE, lambda: _without_voltage(lattice.origin))
    voltages = cache.get(_VOLTAGES, lambda: _voltages(lattice.origin))
    if setting is not None:
        quiet = quiet.based_on(*setting.without(voltages), lattice.reference)
    # results no longer depend on these voltages
    return quiet.with_traces((*lattice.traces, (voltages, None)) if lattice.traces else ())


def _voltages(lattice: Lattice) -> Knobs:
    """Voltages of all cavities."""
    places = [i for i, element in enumerate(lattice.elements) if isinstance(element, (RFCavity, CrabCavity))]
    return Knobs((Knob("voltage", tuple(places), "voltage", 0.0),))


def _without_voltage(lattice: Lattice) -> Lattice:
    """Lattice of elements with the voltages of all cavities at 0."""
    elements = [
        element.replaced(voltage=0.0) if isinstance(element, (RFCavity, CrabCavity)) and element.voltage else element
        for element in lattice.elements
    ]
    return Lattice(elements, lattice.reference, name=lattice.name, model=lattice.model)


def optics_groups(lattice: Lattice) -> tuple[LoweredGroup, ...]:
    """Groups of elements with their parameters as arrays, traced if knobs drive them."""
    program = recording_program(lattice)
    traces = effective_traces(lattice)
    return traced_groups(program, traces) if traces else program.groups


def positions(lattice: Lattice) -> Any:
    """Entrances of elements and the end [m], (n + 1,); read-only, or traced if lengths are."""
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


def trajectory(
    lattice: Lattice, orbit: Any, points: ObservationPoints | None = None, backend: Choice = None
) -> Any:
    """Orbit and matrices from the start, at the entrance of every element and at the end.

    Parameters
    ----------
    lattice : Lattice
        Apertures are ignored.
    orbit : (6,) array
        At the start.
    points : ObservationPoints, optional
        Additional places inside elements; rows are in the order of passage.
    backend : {"array", "host", "cuda"} or Streamed, optional
        See `gputrack.backends.choose_backend`.

    Returns
    -------
    array (len(lattice) + 1 + points, 6, 7)
        ``[:, :, 0]`` is the orbit, ``[:, :, 1:]`` d(coordinates)/d(coordinates at the start). Traced if the lattice or
        the orbit is.

    Raises
    ------
    InputError
        A particle on the orbit is lost before the end.
    """
    if points is None:
        return orbits_and_matrices(lattice, recording_program(lattice), orbit, len(lattice), backend)
    return orbits_and_matrices(lattice, observing_program(lattice, points), orbit, points.total, backend)
