"""Luminosity of a beam in collision with a strong bunch."""

from __future__ import annotations

import math
from typing import Any

from gputrack.base.arguments import TEXT, arguments
from gputrack.base.arrays import Array, exp, is_cupy, is_traced, namespace, sqrt
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.beam.beam import Beam
from gputrack.elements import BeamBeam
from gputrack.elements.beam_beam import CHARGE_VOLTS, SLICE_KICK, meeting
from gputrack.elements.crossing import crossing
from gputrack.elements.map import MapCall, ReferenceValues, make_state
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameters_of
from gputrack.elements.roles import Role
from gputrack.lattice.knob_trace import effective_traces
from gputrack.lattice.lattice import Lattice


@arguments(name=TEXT)
def luminosity(collision: Lattice | BeamBeam, beam: Beam, name: str = "*") -> Array:
    """Luminosity of one crossing [1/m^2]; multiply by the collision rate for units of 1/(m^2 s).

    Sum over particles and slices of the particle's weight (number of real particles) times the slice's particles times
    exp(-x^2/2a - y^2/2b)/(2 pi sqrt(a b)), the density of the slice at the particle's position, in the head-on frame
    and after the kicks of the preceding slices.

    Parameters
    ----------
    collision : Lattice or BeamBeam
        Lattice with a `BeamBeam`, whose knobs may be traced.
    beam : Beam
        At the entrance of that element. Its coordinates may be traced, as in results of `track`; lost particles do
        not contribute. Traced beams need NumPy arrays.
    name : str
        Name of the element, if the lattice has several.

    Returns
    -------
    number
        Differentiable with `gputrack.grad` with respect to the coordinates and the element's parameters.

    Raises
    ------
    InputError
        There is no such element, or more than one; its particles or charge are 0.
    """
    if not isinstance(beam, Beam):
        raise InputError(f"luminosity: beam must be a Beam, got {short(beam)}")
    if is_traced(beam.coordinates) and is_cupy(beam.coordinates):
        raise InputError("luminosity: gradients need NumPy arrays; use beam.to_device('numpy')")
    element, parameters, active = _found(collision, name)
    if not element.particles or not element.charge:
        raise InputError(f"luminosity: BeamBeam {element.name!r} must have particles and charge other than 0")
    calls = element.form(element.model or Model(), active).lower(parameters)
    return _through(calls, beam) / (CHARGE_VOLTS * parameters["charge"])


def _found(collision: Any, name: str) -> tuple[BeamBeam, dict[str, Any], frozenset[str]]:
    """The element, its parameters, traced if knobs drive them, and the names of these."""
    if isinstance(collision, BeamBeam):
        return collision, parameters_of(collision), frozenset()
    if not isinstance(collision, Lattice):
        raise InputError(f"luminosity: collision must be a Lattice or a BeamBeam, got {short(collision)}")
    found = [(place, collision[place]) for place in collision.indices(name)]
    collisions = [(place, element) for place, element in found if isinstance(element, BeamBeam)]
    if len(collisions) != 1:
        raise InputError(f"luminosity: {len(collisions)} BeamBeam elements match name={name!r}; one must match")
    place, element = collisions[0]
    parameters = parameters_of(element)
    traced = set()
    for knobs, box in effective_traces(collision):
        for i, knob in enumerate(knobs):
            if place in knob.places:
                parameters[knob.parameter] = box[i]
                traced.add(knob.parameter)
    return element, parameters, frozenset(traced)


def _through(calls: list[MapCall], beam: Beam) -> Array:
    """Sum over particles and slices of weight, strength and density."""
    ref = ReferenceValues.of(beam.reference)
    xp = namespace(beam.weights)
    s = make_state(namespace(beam.coordinates).where(beam.alive, beam.coordinates, 0.0), ref)  # lost ones may be NaN
    weights = xp.where(beam.alive, beam.weights, 0.0)
    total: Array = 0.0
    for call in calls:
        if call.kind is SLICE_KICK:
            op = call.op()
            m = meeting(s, op, ref, crossing(op.nx, op.ny, ref))
            density = exp(-0.5 * (m.x * m.x / m.a + m.y * m.y / m.b)) / (2.0 * math.pi * sqrt(m.a * m.b))
            total = total + op.strength * namespace(density).sum(weights * density)
        if call.role is not Role.CHECK:
            s = call.forward(s, ref)
    return total
