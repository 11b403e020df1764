"""Derivatives with respect to the momentum of the reference particle: its properties, tracking, knobs."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from support.cases import SPECIES
from support.helpers import richardson
from support.rings import scraping_ring, small_ring, wide_beam

import gputrack as gt
from gputrack.base.errors import InputError

PROTON = SPECIES["proton"]  # 50 MeV: beta0 = 0.31
CRAB = gt.CrabCavity("crab", length=0.2, voltage=2e4, frequency=3e8, lag=0.1)


def slow_ring(reference=PROTON):
    """The small ring for slow particles, with a crab cavity."""
    ring = small_ring()
    return gt.Lattice([*ring, CRAB], reference, name="slow", model=ring.model)


def test_properties_follow_a_traced_momentum():
    p0c, mass = PROTON.p0c, PROTON.mass
    energy, beta, gamma = PROTON.energy, PROTON.beta0, PROTON.gamma0

    def of(name):
        return gt.grad(lambda p: getattr(gt.ReferenceParticle(mass, 1.0, p), name))(p0c)

    assert of("energy") == pytest.approx(beta, rel=1e-14)
    assert of("gamma0") == pytest.approx(beta / mass, rel=1e-14)
    assert of("beta0") == pytest.approx(mass**2 / energy**3, rel=1e-14)
    assert of("rigidity") == pytest.approx(PROTON.rigidity / p0c, rel=1e-14)
    kinetic = gt.grad(lambda t: gt.ReferenceParticle.proton(kinetic=t).p0c)(50e6)
    total = gt.grad(lambda e: gt.ReferenceParticle.from_energy("proton", total=e).p0c)(mass + 50e6)
    assert [kinetic, total] == pytest.approx([1.0 / beta] * 2, rel=1e-12)
    assert gamma == pytest.approx(energy / mass)


@pytest.mark.parametrize("value", [np.nan, -1.0, 0.0])
def test_traced_momentum_is_checked(value):
    with pytest.raises(InputError, match="p0c must be"):
        gt.grad(lambda p: gt.ReferenceParticle(1e6, 1.0, p).energy)(value)
    with pytest.raises(InputError, match=r"total energy must exceed|total must be finite"):
        gt.grad(lambda e: gt.ReferenceParticle.electron(total=e).p0c)(value)


def test_traced_momentum_must_be_one_number():
    with pytest.raises(InputError, match="p0c must be one number"):
        gt.grad(lambda p: anp.sum(gt.ReferenceParticle(1e6, 1.0, p).energy))(np.array([1e6, 2e6]))


def test_text_shows_plain_numbers():
    seen = []

    def function(p):
        reference = gt.ReferenceParticle(PROTON.mass, 1.0, p)
        assert reference.traced and reference.plain == PROTON and not PROTON.traced
        seen.append(repr(gt.Beam.single(reference, x=1e-3)))
        return reference.energy

    gt.grad(function)(PROTON.p0c)
    assert seen == [repr(gt.Beam.single(PROTON, x=1e-3))]


@pytest.mark.parametrize("lag", [0.25, 0.05])
def test_cavity_against_the_formula(lag):
    """On axis a cavity adds V sin(2 pi lag) to the energy: delta = p/p0 - 1, and ddelta/dp0 follows by hand."""
    voltage = 8e5
    ring = gt.Lattice([gt.RFCavity("c", voltage=voltage, frequency=1e8, lag=lag)], PROTON)

    def delta(p0c):
        reference = PROTON.with_p0c(p0c)
        beam = gt.Beam.single(reference)
        return gt.track(ring.with_reference(reference), beam).delta[0]

    energy = PROTON.energy + voltage * math.sin(2.0 * math.pi * lag)
    momentum = math.sqrt(energy**2 - PROTON.mass**2)
    expected = energy / momentum * PROTON.beta0 / PROTON.p0c - momentum / PROTON.p0c**2
    assert delta(PROTON.p0c) == pytest.approx(momentum / PROTON.p0c - 1.0, rel=1e-12)
    assert gt.grad(delta)(PROTON.p0c) == pytest.approx(expected, rel=1e-12)


def objective_of(ring, beam, backend=None, turns=3):
    """All coordinates, a monitor, and a normalised emittance as a function of the momentum in units of the first."""
    u = np.random.default_rng(9).normal(size=(6, beam.n))
    monitor = gt.Monitor("bpm*", moments=True)

    def objective(factor):
        reference = ring.reference.with_p0c(factor * ring.reference.plain.p0c)
        changed = ring.with_reference(reference)
        out = gt.track(changed, beam.replaced(reference=reference), turns, monitors=[monitor], backend=backend)
        total = anp.sum(out.coordinates * u) + 1e3 * out.emittance("z", normalized=True)
        return total + 1e3 * anp.sum(out.records[0].sigma[:, :, 4, 4])

    return objective


@pytest.mark.parametrize("backend", ["host", "array"])
@pytest.mark.parametrize("species", ["proton", "gold", "electron"])
def test_gradient_is_that_of_differences(backend, species):
    ring = slow_ring(SPECIES[species])
    start = wide_beam(20)
    beam = start.replaced(reference=ring.reference)
    objective = objective_of(ring, beam, backend)
    expected = richardson(lambda t: objective(1.0 + t), 1e-3)
    # of a fast particle little depends on the momentum: differences lose the digits of the value
    assert gt.grad(objective)(1.0) == pytest.approx(expected, rel=1e-9, abs=1e-11 * abs(objective(1.0)))


def test_gradient_of_lost_particles():
    ring = scraping_ring().with_reference(PROTON)
    beam = wide_beam(60).replaced(reference=PROTON)
    out = gt.track(ring, beam, 4)
    assert 5 < out.n_lost < 55
    objective = objective_of(ring, beam, turns=4)
    expected = richardson(lambda t: objective(1.0 + t), 1e-5)  # no more: no other particle may be lost
    assert gt.grad(objective)(1.0) == pytest.approx(expected, rel=1e-8)


def test_knob_stands_with_magnets_in_one_vector():
    ring = slow_ring()
    beam = wide_beam(12).replaced(reference=PROTON)
    knobs = ring.knobs("qf.k1", "reference.p0c", "rf.voltage")
    assert knobs.values[1] == PROTON.p0c
    u = np.random.default_rng(4).normal(size=(6, beam.n))

    def objective(values):
        changed = ring.with_knobs(knobs, values)
        out = gt.track(changed, beam.replaced(reference=changed.reference), 2)
        return anp.sum(out.coordinates * u)

    assert ring.with_knobs(knobs, [1.0, 4e8, 0.0]).reference == PROTON.with_p0c(4e8)
    gradient = gt.grad(objective)(knobs.values)
    for i, unit in enumerate(np.eye(3) * np.array([1.0, PROTON.p0c, 1e5])):
        expected = richardson(lambda t, u=unit: objective(knobs.values + t * u), 1e-3)
        assert gradient @ unit == pytest.approx(expected, rel=1e-9), knobs[i].handle


def test_later_knobs_take_over_the_reference():
    ring = slow_ring()
    knobs = ring.knobs("reference.p0c")

    def objective(values):
        fixed = ring.with_knobs(knobs, values).with_knobs(knobs, knobs.values)
        assert not fixed.reference.traced
        beam = wide_beam(4).replaced(reference=fixed.reference)
        return anp.sum(gt.track(fixed, beam).z ** 2) + 0.0 * anp.sum(values)

    assert gt.grad(objective)(1.1 * knobs.values) == 0.0


def test_beam_must_have_the_reference_of_the_ring():
    ring = slow_ring()
    knobs = ring.knobs("reference.p0c")
    beam = wide_beam(4).replaced(reference=PROTON)

    def forgotten(values):
        return anp.sum(gt.track(ring.with_knobs(knobs, values), beam).z)

    with pytest.raises(InputError, match="differs from the lattice's"):
        gt.grad(forgotten)(1.01 * knobs.values)


def test_one_of_lattice_and_beam_may_be_traced():
    ring = slow_ring()
    beam = wide_beam(8).replaced(reference=PROTON)

    def of(lattice_too, beam_too):
        def objective(p0c):
            reference = PROTON.with_p0c(p0c)
            lattice = ring.with_reference(reference) if lattice_too else ring
            one = beam.replaced(reference=reference) if beam_too else beam
            return anp.sum(gt.track(lattice, one).z ** 2)

        return gt.grad(objective)(PROTON.p0c)

    both = of(True, True)
    assert both != 0.0
    assert of(True, False) == of(False, True) == both
