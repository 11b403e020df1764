"""Response of the closed orbit against pyAT, closed formulas and differences; its derivatives; orbit correction."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from support.helpers import richardson
from support.peers import at_peer

import gputrack as gt
from gputrack.base.errors import InputError


def displaced(ring, size=1e-5, seed=1):
    """Quadrupoles off the axis, and a bend of wrong field."""
    rng = np.random.default_rng(seed)
    elements = [
        e.replaced(dx=size * rng.normal(), dy=size * rng.normal()) if isinstance(e, gt.Quadrupole) else e for e in ring
    ]
    return gt.Lattice(elements, ring.reference, name="displaced", model=ring.model).with_changes("bend.07a", k0=0.11636)


@pytest.fixture(scope="module", params=[0.0, 3e6], ids=["coasting", "with cavity"])
def ring(request):
    return displaced(gt.demo_ring().with_changes("rf", voltage=request.param))


def monitored(ring, pattern="bpm.*"):
    tw = gt.twiss(ring)
    rows = tw.rows(pattern)
    return np.concatenate([tw.x[rows], tw.y[rows]])


def test_response_is_that_of_differences(ring):
    """Of correctors, and of other knobs that move the orbit: families, offsets, fields, lengths."""
    knobs = ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)[::27] + ring.knobs(
        "qf.01a.dx", "bend.07a.k0", "sd.04a.knl[0]", "qfc.*.k1", "d4.length"
    )
    response = gt.orbit_response(ring, knobs, "*")
    assert response.x.shape == (len(ring) + 1, len(knobs))
    np.testing.assert_allclose(response.orbit, monitored(ring, "*"), atol=1e-14)
    for i, knob in enumerate(knobs):
        unit = np.eye(len(knobs))[i]
        expected = richardson(lambda t, u=unit: monitored(ring.with_knobs(knobs, knobs.values + t * u), "*"), 2e-6)
        assert np.abs(response.matrix[:, i] - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max()), knob.handle


def test_response_against_pyat():
    """pyAT's own closed orbit, with kicks on: sextupoles that are passed off axis count."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    correctors = ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)
    kicks = 2e-6 * np.random.default_rng(2).normal(size=len(correctors))
    ring = ring.with_knobs(correctors, kicks)
    chosen = correctors[3:7] + correctors[45:48]
    places = np.array([i for i, name in enumerate(ring.names) if name.startswith("bpm.")])

    def theirs(values):
        changed = ring.with_knobs(chosen, values)
        bare = [element.replaced(aperture=None) for element in changed]
        _, orbit = at_peer.lattice_of(bare, ring.reference, slices=40).find_orbit4(refpts=places, XYStep=1e-9)
        return np.concatenate([orbit[:, 0], orbit[:, 2]])

    present = kicks[[correctors.items.index(knob) for knob in chosen]]
    response = gt.orbit_response(ring, chosen, "bpm.*")
    np.testing.assert_allclose(response.orbit, theirs(present), atol=1e-10)
    for i in (0, 5):
        step = 1e-5 * np.eye(len(chosen))[i]
        expected = (theirs(present + step) - theirs(present - step)) / 2e-5
        assert np.abs(response.matrix[:, i] - expected).max() <= 1e-5 * np.abs(expected).max()


def test_response_on_the_axis_is_the_closed_formula():
    """sqrt(b_i b_j) cos(|mu_i - mu_j| - pi Q)/(2 sin(pi Q)) of a thin kick (Courant and Snyder)."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    elements = list(ring)
    elements.insert(60, gt.HKicker("kick"))
    ring = gt.Lattice(elements, ring.reference, model=ring.model)
    response = gt.orbit_response(ring, ring.knobs("kick.kick"), "bpm.*")
    tw = gt.twiss(ring)
    rows = tw.rows("bpm.*")
    phase = 2.0 * math.pi * np.abs(tw.mux[rows] - tw.mux[60]) - math.pi * tw.qx
    expected = np.sqrt(tw.betx[rows] * tw.betx[60]) * np.cos(phase) / (2.0 * math.sin(math.pi * tw.qx))
    np.testing.assert_allclose(response.x[:, 0], expected, atol=1e-10)
    np.testing.assert_allclose(response.y, 0.0, atol=1e-12)


def test_responses_to_momentum_and_frequency():
    ring = gt.demo_ring()
    knobs = ring.knobs("cor.01a.hkick")
    response, quiet = gt.orbit_response(ring, knobs, "bpm.*"), ring.with_changes("rf", voltage=0.0)

    def orbit(delta):
        tw = gt.twiss(quiet, delta=delta)
        return tw.x[tw.rows("bpm.*")]

    coasting = gt.orbit_response(quiet, knobs, "bpm.*")
    by_delta = richardson(orbit, 1e-5)
    np.testing.assert_allclose(coasting.dispersion[:60], by_delta, atol=1e-8)
    # a longer period needs a longer orbit: its momentum follows from the slip
    frequency = ring["rf"][0].frequency
    np.testing.assert_allclose(response.frequency[:60], -by_delta / (gt.twiss(quiet).slip * frequency), atol=1e-14)
    with pytest.raises(InputError, match="cavities that are on"):
        _ = coasting.frequency


def test_derivatives_of_the_response():
    """Derivatives for fits of optics to measured responses, including knobs that are correctors themselves."""
    ring = displaced(gt.demo_ring().with_changes("rf", voltage=0.0))
    correctors = ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)[::13]
    knobs = ring.knobs("qf.*.k1", "sd.*.k2") + correctors[:1] + ring.knobs("cor.01a.length")
    weights = np.random.default_rng(5).normal(size=(120, len(correctors)))

    def objective(values):
        return anp.sum(weights * gt.orbit_response(ring.with_knobs(knobs, values), correctors, "bpm.*").matrix)

    value, gradient = gt.value_and_grad(objective)(knobs.values)
    for i, knob in enumerate(knobs):
        unit, size = np.eye(len(knobs))[i], max(abs(knob.value), 1e-2)
        errors = [
            abs(gradient[i] - richardson(lambda t, u=unit: objective(knobs.values + t * u), step * size))
            for step in (1e-5, 1e-4)
        ]
        assert min(errors) <= 1e-6 * abs(gradient[i]) + 1e-7 * abs(value) / size, (knob.handle, gradient[i], errors)


def test_derivatives_of_the_response_to_frequency():
    """With respect to the frequency itself, by one knob or one for each cavity, and to a quadrupole."""
    cavity = gt.demo_ring()["rf"][0]
    ring = displaced(gt.demo_ring().with_changes("rf", voltage=1.5e6))
    ring = gt.Lattice([*ring, cavity.replaced(name="rf2", voltage=1.5e6)], ring.reference, model=ring.model)
    correctors = ring.knobs("cor.01a.hkick")
    weights = np.random.default_rng(5).normal(size=120)

    def of(knobs):
        def objective(values):
            return anp.sum(weights * gt.orbit_response(ring.with_knobs(knobs, values), correctors, "bpm.*").frequency)

        return objective

    both = ring.knobs("rf*.frequency", "qf.*.k1")
    value, gradient = gt.value_and_grad(of(both))(both.values)
    for i, (step, tolerance) in enumerate(((1e3, 2e-6), (1e-5, 1e-7))):  # 1 kHz is 2e-6 of it: digits cancel
        unit = np.eye(2)[i]
        expected = richardson(lambda t, u=unit: of(both)(both.values + t * u), step)
        assert abs(gradient[i] - expected) <= tolerance * abs(expected)
    assert abs(gradient[0]) > 0.5 * abs(value) / both.values[0]
    each = ring.knobs("rf*.frequency", each=True)
    assert sum(gt.grad(of(each))(each.values)) == pytest.approx(gradient[0], rel=1e-12)
    with pytest.raises(InputError, match="some cavities alone; include rf2 in the knobs"):
        gt.grad(of(each[:1]))(each.values[:1])


def test_correction_leaves_the_orbit_out_of_reach_of_the_correctors(ring):
    """Least squares: the response to every corrector is at right angles to the orbit that is left."""
    correctors = ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)
    found = gt.correct_orbit(ring, correctors, "bpm.*", singular_values=gt.Above(0.0))
    np.testing.assert_allclose(found.before, monitored(ring), atol=1e-12)
    np.testing.assert_allclose(found.after, monitored(found.lattice), atol=1e-9)
    assert found.steps <= 5 and found.history[1] < 0.05 * found.history[0] and found.kept == 80
    slopes = found.response.matrix.T @ found.after
    assert np.abs(slopes).max() <= 1e-6 * np.abs(found.response.matrix.T @ found.before).max()
    assert not found.at_limit and "80 of 80 singular values" in repr(found)
    assert found.lattice.knobs("cor.01a.hkick").values[0] == found.values[0]


def test_singular_values_bounds_and_goals():
    ring = displaced(gt.demo_ring().with_changes("rf", voltage=0.0))
    correctors = ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)
    few = gt.correct_orbit(ring, correctors, "bpm.*", singular_values=gt.Strongest(10))
    all_of_them = gt.correct_orbit(ring, correctors, "bpm.*")
    assert few.kept == 10 and few.history[-1] > all_of_them.history[-1]
    assert np.linalg.norm(few.values) < np.linalg.norm(all_of_them.values)
    most = 0.6 * np.abs(all_of_them.values).max()
    bound = gt.correct_orbit(ring, correctors, "bpm.*", bounds=(-most, most))
    assert bound.at_limit and np.abs(bound.values).max() <= most and "at their bounds" in repr(bound)
    assert all_of_them.history[-1] < bound.history[-1] < 0.1 * bound.history[0]
    for handle in bound.at_limit:
        assert abs(bound.values[[k.handle for k in correctors].index(handle)]) == most
    bump = np.zeros(120)
    bump[:60] = 1e-4 * all_of_them.response.x[:, 5]
    moved = gt.correct_orbit(all_of_them.lattice, correctors, "bpm.*", goal=all_of_them.response.orbit + bump)
    assert np.abs(moved.after).max() < 0.02 * np.abs(bump).max()


def test_wrong_arguments():
    ring = gt.demo_ring()
    correctors = ring.knobs("cor.*.hkick", each=True)
    for call, words in (
        (lambda: gt.orbit_response(ring, "cor.*", "bpm.*"), "correctors must be knobs of elements"),
        (lambda: gt.orbit_response(ring, ring.knobs("reference.p0c"), "bpm.*"), "correctors must be knobs of elements"),
        (lambda: gt.orbit_response(ring, correctors, "nothing*"), "no row matches"),
        (lambda: gt.correct_orbit(ring, correctors, "bpm.*", singular_values=5), "gputrack.Strongest"),
        (lambda: gt.correct_orbit(ring, correctors, "bpm.*", singular_values=gt.Strongest(41)), "must be <= 40"),
        (lambda: gt.Strongest(0), "number must be an integer >= 1"),
        (lambda: gt.Above(1.0), "fraction must be from 0 to 1"),
        (lambda: gt.correct_orbit(ring, correctors, "bpm.*", bounds=(1.0, -1.0)), "lower < upper"),
        (lambda: gt.correct_orbit(ring, correctors, "bpm.*", bounds=3.0), "two numbers"),
        (lambda: gt.correct_orbit(ring, correctors, "bpm.*", bounds=(1.0, 2.0)), "starts at"),
        (lambda: gt.correct_orbit(ring, correctors, "bpm.*", goal=[0.0]), "120 finite numbers"),
        (lambda: gt.correct_orbit(ring, correctors, "bpm.*", steps=0), "steps must be"),
    ):
        with pytest.raises(InputError, match=words):
            call()
