"""Setup of the battery: every case with every relevant model, for particles of all species at once."""

from functools import cache
from types import SimpleNamespace

import numpy as np
from support.cases import CASES, SPECIES
from support.helpers import coordinates_of

from gputrack.elements.map import ReferenceValues, make_state
from gputrack.elements.models import DriftKick, Exact, Expanded, FullEdge, LinearEdge, MatrixKick, Model
from gputrack.elements.parameters import parameters_of

INTEGRATORS = {f"{kind.__name__}-{order}": kind(order, 2) for kind in (DriftKick, MatrixKick) for order in (2, 4, 6)}
INTEGRATORS |= {"MatrixKick": MatrixKick(), "DriftKick": DriftKick()}
HAMILTONIANS = {"exact": Exact(), "expanded": Expanded()}
EDGES = {"full": FullEdge(), "linear": LinearEdge()}
MODELS = {
    f"{i}-{h}-{e}": Model(integrator, hamiltonian, edge)
    for i, integrator in INTEGRATORS.items()
    for h, hamiltonian in HAMILTONIANS.items()
    for e, edge in EDGES.items()
}
COMPLEX_STEP = 1e-200  # small enough that its square vanishes: derivatives are exact to rounding


def _combinations():
    """Pairs (case, model); models that lower an element to the same maps are taken once."""
    for case in CASES:
        seen = set()
        for model in MODELS:
            key = _maps_of(case, model)
            if key not in seen:
                seen.add(key)
                yield case, model


def _maps_of(case, model):
    """Maps of a case, as text."""
    return repr([(c.kind.name, c.integers, c.constants, c.series) for c in lowered(case, model)])


def lowered(case, model):
    """Map calls of a case with a named model."""
    element = CASES[case].element
    return lowered_element(element, MODELS[model])


def lowered_element(element, model=None, active=(), **changes):
    """Map calls of an element; `active` parameters keep their place, `changes` replace numbers by traced ones."""
    return element.form(element.model or model or Model(), frozenset(active)).lower(parameters_of(element) | changes)


def forward(calls, coordinates, ref):
    """State after the maps."""
    s = make_state(coordinates, ref)
    for call in calls:
        s = call.forward(s, ref)
    return s


def backward(calls, coordinates, ref):
    """State before the maps."""
    s = make_state(coordinates, ref)
    for call in reversed(calls):
        s = call.inverse(s, ref)
    return s


def usual():
    """Coordinates (6, 6): on axis, rms-like, far out in each direction."""
    scale = np.array([3e-3, 1e-3, 2e-3, 1.5e-3, 5e-3, 8e-3])[:, None]
    signs = np.random.default_rng(7).uniform(-1, 1, (6, 6))
    signs[:, 0] = 0.0
    signs[:, 1] = [6, 12, -4, 8, 10, -5]  # 18 mm, 12 mrad, delta -4 %
    return scale * signs


def steep():
    """Coordinates (6, 9): slopes up to 0.3, on both sides of the angle where kernels change to a square root."""
    slopes = np.array([0.0, 1e-9, 0.02, 0.0625 * (1 - 1e-9), 0.0625, 0.0625 * (1 + 1e-9), 0.1, 0.2, 0.3])
    turned = np.arange(len(slopes))
    zero = 0.0 * slopes
    where = np.array([2e-3 * np.cos(5 * turned), -1e-3 * np.sin(3 * turned)])
    return np.array([where[0], slopes * np.cos(turned), where[1], slopes * np.sin(turned), zero, zero])


COORDINATES = {"usual": usual, "steep": steep}


@cache
def all_species(which):
    """Particles of all species side by side, with the reference values of each: coordinates, ref."""
    one = COORDINATES[which]()
    refs = [ReferenceValues.of(reference) for reference in SPECIES.values()]
    ref = ReferenceValues(*(np.repeat(values, one.shape[1]) for values in zip(*refs, strict=True)))
    return np.tile(one, len(SPECIES)), ref


def jacobian(calls, coordinates, ref):
    """Jacobians (6, 6, n) of the maps at coordinates (6, n) by the complex step: exact to rounding."""
    steps = 1j * COMPLEX_STEP * np.eye(6)[:, :, None]
    return coordinates_of(forward(calls, coordinates[:, None, :] + steps, ref)).imag / COMPLEX_STEP


@cache
def passage(case, model, which):
    """Maps, coordinates before and after, and Jacobians, for particles of all species."""
    calls = lowered(case, model)
    before, ref = all_species(which)
    after = np.broadcast_to(coordinates_of(forward(calls, before, ref)), before.shape)
    matrix = jacobian(calls, before, ref)
    return SimpleNamespace(calls=calls, ref=ref, before=before, after=after, matrix=matrix)


PAIRS = [(case, model, "usual") for case, model in _combinations()]
STEEP = (
    "drift", "quadrupole", "quadrupole_errors", "sextupole", "sector", "sector_gradient", "rectangular",
    "solenoid", "cavity_off", "kicker_off", "hkicker", "translation_back", "rotation",
)  # fmt: skip
PAIRS += [(case, model, "steep") for case, model, _ in PAIRS if case in STEEP]
