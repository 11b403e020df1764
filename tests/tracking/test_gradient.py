"""Gradients: kernels' adjoints against autograd of the array maps, dot products, differences; losses, monitors."""


import autograd.numpy as anp
import numpy as np
import pytest
from support.backends import host_copy, placed, track
from support.cases import CASES, SPECIES
from support.gradients import (
    KNOBS,
    MODELS,
    SIZE,
    close,
    kernels,
    kernels_and_emulated,
    parameter_bars,
    reference_bars,
    swept,
)
from support.helpers import richardson

import gputrack as gt
from gputrack.backends.array.backend import ArrayBackend
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.program import compile_program


@kernels
@pytest.mark.parametrize("name", CASES)
def test_gradient_of_each_element_by_kernels_and_by_autograd(name, backend):
    """Adjoint kernels against HIPS autograd of the array map: coordinates, and every parameter of the element."""
    element = CASES[name].element
    rng = np.random.default_rng(len(name))
    active = {0: frozenset({"dx", "dy", "tilt"})}
    for number, (model_name, model) in enumerate(MODELS.items()):
        reference = SPECIES[("electron", "proton")[number % 2]]
        ring = gt.Lattice([element.replaced(aperture=None)], reference, model=model)
        program = compile_program(ring, active=active)
        start, cotangent = rng.normal(size=(6, 5)) * SIZE, rng.normal(size=(6, 5))
        there, bar, constants = swept(backend, program, reference, start, cotangent)
        back, expected_bar, expected_constants = swept(ArrayBackend(1), program, reference, start, cotangent)
        assert np.abs(there - start).max() <= 1e-13, model_name
        assert np.abs(back - start).max() <= 1e-13, model_name
        good, worst = close(bar, expected_bar, 1e-12)
        assert good, (model_name, "coordinates", worst)
        good, worst = close(parameter_bars(program, constants), parameter_bars(program, expected_constants), 1e-12)
        assert good, (model_name, "parameters", worst)
        for member, found, expected in zip(
            ReferenceValues._fields, reference_bars(program, constants), reference_bars(program, expected_constants),
            strict=True,
        ):  # fmt: skip
            good, worst = close(found, expected, 1e-12)
            assert good, (model_name, "reference", member, worst)


@pytest.fixture(scope="module")
def ring():
    return gt.demo_ring()


@pytest.fixture(scope="module")
def beam(ring):
    twiss = gt.linear_optics(ring).start
    return gt.Beam.gaussian(
        24, ring.reference, emit=(1e-8, 1e-9), twiss=twiss, sigma_z=3e-3, sigma_delta=1e-3, seed=3
    )


def objective_of(ring, beam, knobs, turns, backend):
    monitors = [gt.Monitor("bpm.0*", every=2), gt.Monitor("bpm.1*", every=3, moments=True)]

    def objective(values):
        out = track(backend, ring.with_knobs(knobs, values), beam, turns, monitors=monitors)
        first, second = out.records
        orbit = anp.sum(anp.mean(host_copy(first.coordinates)[:, :, 2], axis=-1) ** 2)
        near = out.to_device("numpy")
        return (
            1e8 * out.emittance("x") + 1e3 * anp.sum(near.x**2) + 1e6 * orbit
            + 1e5 * anp.sum(second.sigma[:, :, 0, 0]) + anp.sum(near.z**2)
        )  # fmt: skip

    return objective


@kernels
def test_gradient_through_monitors_moments_and_turns_is_that_of_differences(ring, beam, backend):
    knobs = ring.knobs(*KNOBS)
    objective = objective_of(ring, beam, knobs, 5, backend)
    value, gradient = gt.value_and_grad(objective)(knobs.values)
    # A bend whose gradient is asked for is many arcs, not one, and on a GPU fewer kinds of maps make another kernel:
    # rounded otherwise. Other parameters change nothing.
    assert value == pytest.approx(objective(knobs.values), rel=1e-11)
    others = ring.knobs(*(name for name in KNOBS if name != "bend.*.k1"))
    objective_of_others = objective_of(ring, beam, others, 5, backend)
    value_of_others = gt.value_and_grad(objective_of_others)(others.values)[0]
    plain = objective_of_others(others.values)
    assert value_of_others == pytest.approx(plain, rel=1e-11 if backend == "cuda" else 1e-14)
    # Differences have an optimum between truncation and round-off that depends on the knob: try three steps.
    for i, knob in enumerate(knobs):
        unit = np.eye(len(knobs))[i]
        errors = []
        scale = 10.0 if "[2]" in knob.handle else max(1.0, abs(knob.value))  # sextupole errors do little
        for step in np.array([1e-6, 1e-5, 1e-4]) * scale:
            difference = richardson(lambda t, u=unit: objective(knobs.values + t * u), step)
            errors.append(abs(gradient[i] - difference))
        assert min(errors) <= 1e-6 * abs(gradient[i]) + 1e-8 * abs(value), (knob.handle, gradient[i], errors)


@kernels_and_emulated
def test_gradient_in_the_coordinates_obeys_the_dot_product_test(ring, beam, backend):
    """<u, J v> by differences equals <J^T u, v> by the sweep, over many turns."""
    rng = np.random.default_rng(5)
    u, v = rng.normal(size=(2, 6, beam.n))
    v *= np.std(beam.coordinates, axis=1)[:, None]

    def along(coordinates):
        out = gt.track(ring, gt.Beam(coordinates, ring.reference), turns=20, backend=backend)
        return anp.sum(host_copy(out.coordinates) * u)

    def moved(coordinates):
        return placed(gt.Beam(coordinates, ring.reference), backend).coordinates

    gradient = host_copy(gt.grad(along)(moved(beam.coordinates)))
    expected = richardson(lambda t: along(moved(beam.coordinates + t * v)), 3e-3)
    assert np.sum(gradient * v) == pytest.approx(expected, rel=1e-9, abs=1e-9 * np.abs(gradient * v).sum())


def test_gradient_is_the_same_to_the_bit_with_one_and_with_two_threads(ring):
    twiss = gt.linear_optics(ring).start
    many = gt.Beam.gaussian(
        700, ring.reference, emit=(1e-8, 1e-9), twiss=twiss, sigma_z=3e-3, sigma_delta=1e-3, seed=4
    )
    knobs = ring.knobs("qf.*.k1", "sf*.k2", "bend.01a.angle")

    def gradient(threads):
        return gt.grad(
            lambda k: gt.track(ring.with_knobs(knobs, k), many, 3, threads=threads).emittance("x")
        )(knobs.values)

    first = gradient(1)
    assert (first == gradient(2)).all()
    assert (first == gradient(1)).all()


@kernels_and_emulated
def test_gradient_of_lost_particles_stops_where_they_were_lost(backend):
    """Half of the beam ends in a collimator in the second turn; its last coordinates still have a gradient."""
    reference = SPECIES["electron"]
    stop = gt.Marker("stop", aperture=gt.Aperture(rectangle=(1e-2, 1e-2)))
    quadrupole, sextupole = gt.Quadrupole("q", length=0.5, k1=-0.8), gt.Sextupole("s", length=0.2, k2=5.0)
    ring = gt.Lattice([quadrupole, gt.Drift("d", length=1.0), stop, sextupole], reference)
    start = np.zeros((6, 40))
    start[0] = np.linspace(1e-4, 4e-3, 40)
    beam = gt.Beam(start, reference)
    knobs = ring.knobs("q.k1", "d.length", "s.k2")

    def objective(values):
        out = track(backend, ring.with_knobs(knobs, values), beam, turns=3).to_device("numpy")
        assert 5 < out.n_lost < 35 and len(set(out.loss_turn)) >= 3
        return anp.sum(out.x**2) + anp.sum(out.px * out.x)

    gradient = gt.grad(objective)(knobs.values)
    for i in range(3):
        unit = np.eye(3)[i]
        difference = richardson(lambda t, u=unit: objective(knobs.values + t * u), 1e-6)
        assert gradient[i] == pytest.approx(difference, rel=1e-7, abs=2e-11)


@kernels_and_emulated
def test_several_tracks_and_nested_expressions(ring, beam, backend):
    """Two calls in one objective, knobs that drive expressions of each other."""
    knobs = ring.knobs("qf.*.k1", "qd.*.k1")

    def objective(strength):
        values = anp.array([2.1 + strength, -2.45 * (1.0 + strength**2)])
        once = track(backend, ring.with_knobs(knobs, values), beam)
        twice = track(backend, ring.with_knobs(knobs, values + 1e-3), once)
        return 1e6 * anp.sum(once.to_device("numpy").x * twice.to_device("numpy").x)

    difference = richardson(lambda t: objective(0.02 + t), 1e-4)
    assert gt.grad(objective)(0.02) == pytest.approx(difference, rel=1e-9)


@kernels_and_emulated
def test_later_knobs_take_over_from_earlier_ones(ring, beam, backend):
    first, second = ring.knobs("qf.*.k1"), ring.knobs("qf.0*.k1")

    def objective(values):
        changed = ring.with_knobs(first, values).with_knobs(second, np.array([2.1]))
        return anp.sum(track(backend, changed, beam).to_device("numpy").x ** 2)

    difference = richardson(lambda t: objective(np.array([2.12 + t])), 1e-5)
    assert gt.grad(objective)(np.array([2.12]))[0] == pytest.approx(difference, rel=1e-8)


def test_state_recovered_after_a_thousand_turns(ring):
    start = np.zeros((6, 1))
    start[0], start[2] = 5e-3, 1e-3
    out = gt.track(ring, gt.Beam(start, ring.reference), turns=1000)
    back = gt.track(ring, out, turns=1000, backwards=True)
    assert np.abs(back.coordinates - start).max() <= 1e-10 * 5e-3


@kernels
def test_guard_restores_a_chaotic_orbit(ring, monkeypatch, backend):
    """Near the dynamic aperture undoing loses digits; with the guard the gradient is that of few turns' sweeps."""
    from gputrack.tracking import reverse_sweep as sweep

    start = np.zeros((6, 8))
    start[0] = np.linspace(8e-3, 2.2e-2, 8)
    start[2] = 2e-3
    beam, turns = gt.Beam(start, ring.reference), 60
    knobs = ring.knobs("sf*.k2")

    def squares(out):
        return anp.sum(out.to_device("numpy").x ** 2)

    def gradient():
        return gt.grad(lambda k: 1e3 * squares(track(backend, ring.with_knobs(knobs, k), beam, turns)))(knobs.values)

    halved = []
    forward = sweep._Sweep._forward
    monkeypatch.setattr(sweep._Sweep, "_forward", lambda *a: halved.append(a[1:]) or forward(*a))
    plain = gradient()
    monkeypatch.setattr(sweep, "TOLERANCE", 1e-15)
    strict = gradient()
    assert halved, "a tolerance at round-off must trigger the guard"
    assert strict == pytest.approx(plain, rel=1e-6)


def test_unavailable_derivatives_are_refused(ring, beam, tmp_path):
    knobs = ring.knobs("qf.*.k1")
    monitor = gt.Monitor("bpm*", path=tmp_path / "m.h5")

    def streaming(values):
        return gt.track(ring.with_knobs(knobs, values), beam, monitors=[monitor]).emittance("x")

    def backwards(values):
        return gt.track(ring.with_knobs(knobs, values), beam, backwards=True).emittance("x")

    def selected(values):
        return gt.track(ring.with_knobs(knobs, values)["q*"], beam).emittance("x")

    for function, words in ((streaming, "path"), (backwards, "forwards"), (selected, "before with_knobs")):
        with pytest.raises(gt.errors.InputError, match=words):
            gt.grad(function)(knobs.values)


def test_wrong_arguments_as_without_gradients(ring, beam):
    knobs = ring.knobs("qf.*.k1")
    wrong = {
        "beam must be a Beam": lambda k: gt.track(ring.with_knobs(knobs, k), "beam"),
        "lattice must be a": lambda k: gt.track("ring", beam.replaced(coordinates=beam.coordinates * k[0])),
        "turns must be": lambda k: gt.track(ring.with_knobs(knobs, k), beam, -1),
    }
    for words, function in wrong.items():
        with pytest.raises(gt.errors.InputError, match=words):
            gt.grad(function)(knobs.values)
