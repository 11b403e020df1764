"""Luminosity of a weak beam on a strong bunch: analytic values, xfields' record, gradients."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from support.backends import here, placed
from support.helpers import richardson

import gputrack as gt

ELECTRON = gt.ReferenceParticle.electron(total=10e9)
SIGMAS = (1e-4, 1e-5, 1e-2)
#: so few particles that they do not focus the weak beam
STRONG = gt.BeamBeam(
    "ip", particles=1e4, charge=-1.0, emit_x=1e-10, emit_y=1e-12, beta_x=100.0, beta_y=100.0, sigma_z=SIGMAS[2],
    slicing=gt.EqualCharge(41),
)  # fmt: skip


def gaussian_beam(sigmas=SIGMAS, particles=1e10, reference=ELECTRON, order=24, reach=9):
    """Gauss and Hermite's nodes in x, y and z: sums over the beam are integrals over a Gaussian without noise."""
    node, weight = np.polynomial.hermite_e.hermegauss(order)
    keep = abs(node) < reach
    node, weight = node[keep], weight[keep] / weight.sum()
    x, y, z = (np.ravel(grid) for grid in np.meshgrid(node, node, node))
    weights = particles * np.prod([np.ravel(grid) for grid in np.meshgrid(weight, weight, weight)], axis=0)
    coordinates = np.zeros((6, x.size))
    coordinates[[0, 2, 4]] = sigmas[0] * x, sigmas[1] * y, sigmas[2] * z
    return gt.Beam(coordinates, reference, weights=weights)


@pytest.fixture(scope="module")
def beam():
    return gaussian_beam()


def head_on(n=1e10):
    """N1 N2/(4 pi sx sy)."""
    return n * STRONG.particles / (4.0 * math.pi * SIGMAS[0] * SIGMAS[1])


def test_head_on(beam):
    assert gt.luminosity(STRONG, beam) == pytest.approx(head_on(), rel=1e-5)


@pytest.mark.parametrize("phi", [0.005, 0.02])
def test_crossing_reduces_it(beam, phi):
    """By 1/sqrt(1 + P^2) with Piwinski's angle P = tan(phi) sz/sx, and not with crab cavities in both beams.

    The strong bunch is as long as the centres of its slices are spread.
    """
    crossed = STRONG.replaced(crossing_x=2 * phi, slicing=gt.EqualDistance(81, 5.0))
    shares, centres = np.array(crossed.slicing.parts()).T
    length = SIGMAS[2] * math.sqrt(0.5 * (1.0 + shares @ centres**2))
    assert length == pytest.approx(SIGMAS[2], rel=4e-4)
    expected = head_on() / math.hypot(1.0, math.tan(phi) * length / SIGMAS[0])
    assert gt.luminosity(crossed, beam) == pytest.approx(expected, rel=3e-5)
    both = STRONG.replaced(crossing_x=2 * phi, crab_x=-math.tan(phi))
    c = np.array(beam.coordinates)
    c[0] -= math.tan(phi) * c[4]
    assert gt.luminosity(both, beam.replaced(coordinates=c)) == pytest.approx(head_on(), rel=2e-5)


def test_offset_reduces_it(beam):
    moved = STRONG.replaced(dx=1.3 * SIGMAS[0])
    assert gt.luminosity(moved, beam) == pytest.approx(head_on() * math.exp(-(1.3**2) / 4), rel=1e-5)


def test_hourglass(beam):
    """Integral over the place where slices meet, of relative rms length sz/sqrt 2: strong size only."""
    hour = STRONG.replaced(beta_y=0.01, emit_y=1e-8, slicing=gt.EqualCharge(161))
    s = np.linspace(-8, 8, 4001) * SIGMAS[2] / math.sqrt(2.0)
    share = np.exp(-(s**2) / SIGMAS[2] ** 2) / (math.sqrt(math.pi) * SIGMAS[2])
    sizes = 2 * math.pi * math.sqrt(2.0) * SIGMAS[0] * np.hypot(SIGMAS[1], np.sqrt(1e-10 * (1 + (s / 0.01) ** 2)))
    expected = 1e10 * STRONG.particles * np.trapezoid(share / sizes, s)
    assert gt.luminosity(hour, beam) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("backend", here())
def test_lost_particles_do_not_count(beam, backend):
    half = beam.replaced(loss_code=(np.arange(beam.n) % 2).astype(np.int32))
    odd = gt.Beam(beam.coordinates[:, ::2], ELECTRON, weights=beam.weights[::2])
    found = gt.luminosity(STRONG, placed(half, backend))
    assert float(found) == pytest.approx(float(gt.luminosity(STRONG, odd)), rel=1e-13)


def test_gradient_in_element_lattice_and_coordinates():
    """Of a beam that comes through a lattice: everything against differences."""
    small = gaussian_beam(order=6)
    cavity = gt.CrabCavity("crab", voltage=2e6, frequency=2e8)
    strong = STRONG.replaced(crossing_x=0.02, slicing=gt.EqualCharge(5), dx=2e-5, particles=1e11)
    line = gt.Lattice([cavity, gt.Drift("d", length=2.0), strong], ELECTRON)
    names = ("particles", "emit_x", "beta_y", "sigma_z", "dx", "crossing_x", "crab_x", "charge")
    knobs = line.knobs("crab.voltage", "d.length", *(f"ip.{name}" for name in names))

    before = gt.Lattice([cavity, gt.Drift("d", length=2.0)], ELECTRON)

    def of(values, coordinates=small.coordinates):
        there = before.with_knobs(before.knobs("crab.voltage", "d.length"), values[:2])
        arriving = gt.track(there, small.replaced(coordinates=coordinates))
        return gt.luminosity(line.with_knobs(knobs, values), arriving) / 1e26

    value, gradient = gt.value_and_grad(of)(knobs.values)
    assert value == pytest.approx(of(knobs.values), rel=1e-13)
    for i, knob in enumerate(knobs):
        unit, step = np.eye(len(knobs))[i], 1e-3 * (abs(knob.value) or 1e-2)
        difference = richardson(lambda t, u=unit: of(knobs.values + t * u), step)
        assert gradient[i] == pytest.approx(difference, rel=1e-6, abs=1e-9 / step), knob.handle
    direction = np.random.default_rng(3).normal(size=small.coordinates.shape) * 1e-6
    slope = anp.sum(gt.grad(lambda c: of(knobs.values, c))(small.coordinates) * direction)
    difference = richardson(lambda t: of(knobs.values, small.coordinates + t * direction), 1e-2)
    assert slope == pytest.approx(difference, rel=1e-7)


def test_errors(beam):
    line = gt.Lattice([STRONG, gt.Drift("d", length=1.0), STRONG.replaced(name="other")], ELECTRON)
    assert gt.luminosity(line, beam, "other") == gt.luminosity(STRONG, beam)
    for words, call in {
        "2 BeamBeam elements match": lambda: gt.luminosity(line, beam),
        "0 BeamBeam elements": lambda: gt.luminosity(line, beam, "d"),
        "must have particles and charge": lambda: gt.luminosity(STRONG.replaced(particles=0.0), beam),
        "beam must be a Beam": lambda: gt.luminosity(STRONG, beam.coordinates),
        "must be a Lattice or a BeamBeam": lambda: gt.luminosity("ip", beam),
    }.items():
        with pytest.raises(gt.errors.InputError, match=words):
            call()
