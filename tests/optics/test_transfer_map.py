"""Transfer maps of every element as power series: tracked neighbours, symplecticity, PTC, batches, parameters."""

import os

import numpy as np
import pytest
from support.cases import CASES, SPECIES
from support.helpers import shared_lattice
from support.peers import ptc

import gputrack as gt
from gputrack.backends.taylor.host import run_series
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.optics_program import identity_map, map_program
from gputrack.optics.maps.taylor_map import pass_maps
from gputrack.tpsa.space import Space
from gputrack.tpsa.tables import product_terms

ORDER = 6
MODELS = {
    "default": gt.Model(),
    "drift-kick": gt.Model(integrator=gt.DriftKick(2, 2)),
    "expanded": gt.Model(hamiltonian=gt.Expanded(), edge=gt.LinearEdge()),
}
#: an orbit off the axis, where every branch of the maps counts
ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])


def values_at(space, coefficients, deviations):
    """Polynomials (6, size) at deviations (6, n)."""
    monomials = np.prod(deviations.T[:, None, :] ** space.exponents, axis=-1)
    return coefficients @ monomials.T


def derivative(space, coefficients, variable):
    raised = space.exponents + np.eye(space.dimensions, dtype=int)[variable]
    rows = space.find(raised)
    return np.where(rows >= 0, coefficients[..., rows] * raised[:, variable], 0.0)


def product(space, a, b):
    terms = product_terms(space)
    counts = np.diff(np.append(terms.starts[:, 0], len(terms.left)))
    rows = np.repeat(np.arange(space.size), counts)
    return np.bincount(rows, weights=a[terms.left] * b[terms.right], minlength=space.size)


def symplectic_defect(space, maps):
    """Largest coefficient below the last order of [X_i, X_j] - S_ij, over that of the products in it."""
    rates = np.stack([derivative(space, maps, v) for v in range(6)])
    below = space.rows(space.order - 1)
    form = np.kron(np.eye(3), [[0.0, 1.0], [-1.0, 0.0]])
    worst = 0.0
    for i in range(6):
        for j in range(i):
            parts = [
                sign * product(space, rates[q, a], rates[p, b])[:below]
                for q, p in ((0, 1), (2, 3), (4, 5))
                for a, b, sign in ((i, j, 1.0), (j, i, -1.0))
            ]
            bracket = np.sum(parts, axis=0)
            bracket[0] -= form[i, j]
            size = np.sum(np.abs(parts), axis=0)
            worst = max(worst, np.max(np.abs(bracket) / np.maximum(size, 1.0)))
    return worst


@pytest.mark.parametrize("name", CASES)
def test_map_of_each_element_is_symplectic_and_predicts_its_neighbours(name):
    """Order 6 about an orbit off axis; the electron and the slow proton take turns."""
    element = CASES[name].element.replaced(aperture=None)
    rng = np.random.default_rng(len(name))
    for number, (model_name, model) in enumerate(MODELS.items()):
        ring = gt.Lattice([element], SPECIES[("electron", "proton")[number % 2]], model=model)
        passed = pass_maps(ring, ORDER, ORBIT)
        symplectic = symplectic_defect(passed.space, passed.final) <= 1e-11
        assert symplectic or ring.first_radiating is not None, model_name
        deviations = rng.normal(size=(6, 6)) * 2e-4
        start = ORBIT[:, None] + deviations
        expected = gt.track(ring, gt.Beam(start, ring.reference)).coordinates
        predicted = values_at(passed.space, passed.final, deviations)
        # neglected terms are of order 7: (deviation/scale of the fields)^7, below rounding
        assert np.abs(predicted - expected).max() <= 1e-13, model_name


def test_lower_orders_are_the_first_coefficients_of_higher_ones():
    ring = gt.demo_ring()
    high = pass_maps(ring, 4, ORBIT)
    for order in (1, 2, 3):
        low = pass_maps(ring, order, ORBIT)
        rows = low.space.size
        scale = np.abs(high.final[:, :rows]).max(axis=0)
        assert (np.abs(low.final - high.final[:, :rows]) <= 1e-11 * np.maximum(scale, 1.0)).all()


def test_maps_about_the_axis_are_those_close_to_it():
    """Shortcuts are taken without a constant part, up to order 5 alone: not 1e-8 to either side."""
    for name, case in CASES.items():
        ring = gt.Lattice([case.element.replaced(aperture=None)], SPECIES["electron"])
        exact, left, right = (pass_maps(ring, 4, np.full(6, x)).final for x in (0.0, -1e-8, 1e-8))
        scale = np.maximum(np.abs(exact).max(axis=0), 1.0)
        assert np.abs((exact - 0.5 * (left + right)) / scale).max() <= 1e-9, name


def test_maps_at_places_are_those_of_the_parts():
    ring = gt.demo_ring()
    passed = pass_maps(ring, 2, ORBIT, places=[4, 30])
    part = pass_maps(ring[:31], 2, ORBIT)
    np.testing.assert_allclose(passed.at[1], part.final, rtol=1e-12, atol=1e-12)


def test_many_lattices_at_once_are_those_one_by_one():
    """Lanes do not see their neighbours; 11 maps fill one tile and a part of another."""
    ring = gt.demo_ring()
    knobs = ring.knobs("qf.*.k1", "sf*.k2")
    rng = np.random.default_rng(2)
    lattices = [ring.with_knobs(knobs, knobs.values * (1.0 + 0.01 * rng.normal(size=2))) for _ in range(11)]
    orbits = ORBIT * rng.normal(size=(11, 1))
    space = Space(6, 3)
    reference = np.array(ReferenceValues.of(ring.reference))[:, None]
    programs = [map_program(lattice) for lattice in lattices]
    maps = np.stack([identity_map(space, orbit) for orbit in orbits])
    together, _ = run_series(space, programs, reference, maps, threads=2)
    for lattice, orbit, found in zip(lattices, orbits, together, strict=True):
        alone = pass_maps(lattice, 3, orbit).final
        assert np.abs(found - alone).max() <= 1e-12 * np.abs(alone).max()


def test_knobs_as_variables_are_derivatives_of_the_map():
    """Against central differences of maps, with Richardson's extrapolation; families, angles, tilts and lengths."""
    ring = gt.demo_ring()
    knobs = ring.knobs("qf.*.k1", "bend.01a.angle", "qd.01a.tilt", "bend.02a.length", "sf*.k2", "rf*.lag")
    passed = pass_maps(ring, 2, ORBIT, knobs=knobs)
    plain = Space(6, 1)  # mixed terms of order 2 in all hold order 1 in the coordinates
    for i, knob in enumerate(knobs):
        unit = np.eye(len(knobs))[i]

        def difference(step, unit=unit):
            ends = [pass_maps(ring.with_knobs(knobs, knobs.values + s * step * unit), 1, ORBIT).final for s in (1, -1)]
            return (ends[0] - ends[1]) / (2.0 * step)

        step = 1e-4 * max(1.0, abs(knob.value))
        expected = (4.0 * difference(0.5 * step) - difference(step)) / 3.0
        rows = [passed.space.row([*e, *unit.astype(int)]) for e in plain.exponents]
        scale = np.abs(expected).max()
        assert np.abs(passed.final[:, rows] - expected).max() <= 1e-7 * max(scale, 1.0), knob.handle


@pytest.mark.parametrize(
    "name",
    ["spear3", pytest.param("esr", marks=pytest.mark.skipif(
        not os.environ.get("GPUTRACK_LONG_TESTS"), reason="PTC takes a minute: set GPUTRACK_LONG_TESTS=1"))],
)  # fmt: skip
def test_one_turn_map_of_order_three_is_that_of_ptc(name):
    """Coefficient by coefficient, with equal slices; x, px, y, py in all coordinates and delta, time off."""
    path = shared_lattice(f"{name}.madx")
    ring = gt.load(path).with_model(gt.Model(integrator=gt.DriftKick(6, 10)))
    passed = pass_maps(ring, 3)
    for row in ptc.one_turn_map(path, name, order=3, layout=ptc.Layout(model=1, method=6, nst=10, time=False)):
        if row.component >= 4:
            continue
        same = passed.space.degrees == sum(row.exponents)
        scale = np.abs(passed.final[:4, same]).max()  # terms of sextupoles that cancel in one row remain in another
        found = passed.final[row.component, passed.space.row(row.exponents)]
        assert abs(found - row.value) <= 1e-10 * max(scale, 1e-3), row


def test_elements_without_a_map_are_refused():
    ring = gt.demo_ring()
    for arguments, words in (
        ({"order": 0}, "order"), ({"order": 2.5}, "order"), ({"order": 2, "orbit": [0.0] * 5}, "six finite numbers"),
        ({"order": 2, "orbit": [0, 5.0, 0, 0, 0, 0]}, "is lost before"),
    ):  # fmt: skip
        with pytest.raises(gt.errors.InputError, match=words):
            pass_maps(ring, **arguments)
