"""Derivatives of maps' coefficients: the backward sweep on power series, against knobs as further variables."""

import os

import autograd.numpy as anp
import numpy as np
import pytest
from support.cases import CASES, SPECIES
from support.helpers import richardson

import gputrack as gt
from gputrack.backends.taylor.host import run_series
from gputrack.backends.taylor.host_adjoint import sweep_series
from gputrack.elements.map import ReferenceValues
from gputrack.elements.parameters import parameter_names
from gputrack.lattice.knob_adjoint import knob_gradient
from gputrack.lattice.knob_tangent import constants_tangent
from gputrack.lattice.optics_program import identity_map, map_program
from gputrack.tpsa.space import Space

ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])
MODELS = {
    "default": gt.Model(),
    "drift-kick": gt.Model(gt.DriftKick(4, 2)),
    "expanded": gt.Model(hamiltonian=gt.Expanded(), edge=gt.LinearEdge()),
    "expanded drift-kick": gt.Model(gt.DriftKick(2, 2), gt.Expanded()),
}
LONG = pytest.mark.skipif(not os.environ.get("GPUTRACK_LONG_TESTS"), reason="builds kernels: set GPUTRACK_LONG_TESTS=1")


def rates(space, program, reference, start, start_rate=None, slopes=None, reference_rate=None):
    """Forwards: derivatives of the coefficients of the map (6, size) along one direction, a further variable."""
    wider = Space(6, space.order + 1, 1, 1)
    rows, along = (wider.find(np.hstack([space.exponents, np.full((space.size, 1), k)])) for k in (0, 1))
    maps = np.zeros((1, 6, wider.size))
    maps[0][:, rows] = start
    if start_rate is not None:
        maps[0][:, along] = start_rate
    members = np.stack([np.array(reference), np.zeros(5) if reference_rate is None else reference_rate], axis=1)
    slopes = None if slopes is None else slopes[:, None]
    return run_series(wider, [program], members, maps, slopes=slopes)[0][0][:, along]


@pytest.mark.parametrize("order", [2, pytest.param(4, marks=LONG)])
@pytest.mark.parametrize("name", CASES)
def test_each_element_backwards_against_forwards(name, order):
    """All coefficients of a map behind another one, in all of that, the parameters and the reference."""
    element = CASES[name].element.replaced(aperture=None)
    rng = np.random.default_rng(len(name))
    space = Space(6, order)
    for number, (model_name, model) in enumerate(MODELS.items()):
        ring = gt.Lattice([element], SPECIES[("electron", "proton")[number % 2]], model=model)
        handles = [f"{element.name}.{p}" for p in parameter_names(type(element)) if (getattr(element, p) or 0.0) != 0.0]
        knobs = ring.knobs(*handles) if handles else None
        program, reference = map_program(ring, knobs=knobs), ReferenceValues.of(ring.reference)
        start = identity_map(space, ORBIT) + 0.1 * rng.normal(size=(6, space.size)) * (space.degrees > 0)
        weights, start_rate = rng.normal(size=(2, 6, space.size))
        final = run_series(space, [program], np.array(reference)[:, None], start[None])[0][0]
        undone, pulled = final.copy(), weights.copy()
        gradient = sweep_series(space, program, reference, undone, pulled, np.zeros((0, 6, space.size)))
        assert np.abs(undone - start).max() <= 1e-13 * np.abs(final).max(), model_name

        def agree(found, what, model=model_name, weights=weights, given=(program, reference, start), **direction):
            rate = rates(space, *given, **direction)
            scale = np.abs(weights * rate).sum()
            assert abs(found - np.sum(weights * rate)) <= 1e-12 * max(1.0, scale), (model, what)

        agree(np.sum(pulled * start_rate), "the map before", start_rate=start_rate)
        for i, member in enumerate(ReferenceValues._fields):
            agree(gradient[len(program.constants) + i], member, reference_rate=np.eye(5)[i])
        if knobs:
            found = knob_gradient(program, gradient[: len(program.constants)], knobs)
            for knob, value, unit in zip(knobs, found, np.eye(len(knobs)), strict=True):
                agree(value, knob.handle, slopes=constants_tangent(program, [(knobs, unit)]))


def bent_ring():
    """The ring without cavities, with a displaced and a rolled quadrupole: orbit and coupling are not zero."""
    ring = gt.demo_ring().with_changes("rf*", voltage=0.0)
    return ring.with_changes("qf.02a", dx=2e-4).with_changes("qd.01a", tilt=3e-3)


HANDLES = ("qf.*.k1", "sf*.k2", "bend.01a.angle", "qf.02a.dx", "sd*.k2")
FIGURES = {
    "coefficients": lambda ring: anp.sum(gt.one_turn_map(ring, 2).coefficients[:, 1:] ** 2),
    "a turn there and a turn back": lambda ring: anp.sum(
        (gt.one_turn_map(ring, 2).inverse() @ gt.transfer_map(ring, 2, ORBIT)).coefficients[0]
    ),
    "transfer map": lambda ring: anp.sum(gt.transfer_map(ring, 2, ORBIT).coefficients[2, 7:]),
    "chromaticities": lambda ring: gt.twiss(ring).dqx + 2.0 * gt.twiss(ring).dqy,
    "W functions": lambda ring: anp.sum(gt.twiss(ring).chromatic.wx) + gt.twiss(ring).chromatic.ddx[5],
}


@pytest.mark.parametrize("figure", FIGURES)
def test_gradient_of_a_figure_of_a_map_is_that_of_differences(figure):
    """Through the closed orbit."""
    ring = bent_ring()
    knobs = ring.knobs(*HANDLES)

    def objective(values):
        return FIGURES[figure](ring.with_knobs(knobs, values))

    gradient = gt.grad(objective)(knobs.values)
    way = np.array([1.0, -0.5, 0.3, 0.7, -0.8]) * np.maximum(np.abs(knobs.values), 1e-2)
    # the best of two steps: truncation on one side, rounding on the other
    steps = (1e-5, 1e-4)
    errors = [abs(gradient @ way - richardson(lambda t: objective(knobs.values + t * way), step)) for step in steps]
    assert min(errors) <= 1e-7 * abs(gradient * way).max()


def test_unavailable_derivatives_are_refused():
    ring = bent_ring()
    knobs = ring.knobs("qf.*.k1")
    with pytest.raises(gt.errors.InputError, match="knobs= is not available"):
        gt.grad(lambda k: gt.transfer_map(ring.with_knobs(knobs, k), 2, knobs=knobs).matrix[0, 0])(knobs.values)
    with pytest.raises(gt.errors.InputError, match="is lost before"):
        gt.grad(lambda k: gt.transfer_map(ring.with_knobs(knobs, k), 2, 900.0 * ORBIT).matrix[0, 0])(knobs.values)
    with pytest.raises(gt.errors.InputError, match="six finite numbers"):
        gt.grad(lambda k: gt.transfer_map(ring.with_knobs(knobs, k), 2, np.zeros(5)).matrix[0, 0])(knobs.values)
    first = gt.grad(lambda k: gt.transfer_map(ring.with_knobs(knobs, k), 2).matrix[0, 0])
    with pytest.raises(gt.errors.InputError, match="second derivatives"):
        gt.grad(lambda k: first(k)[0])(knobs.values)
