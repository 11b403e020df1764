"""Elements that move the reference particle, against closed forms and elementary geometry."""

import math

import numpy as np
import pytest
from support.cases import CASES, SPECIES
from support.helpers import push

import gputrack as gt

ORIGIN = np.zeros((6, 1))


def on_axis(case, reference, model=None):
    return push(CASES[case].element, ORIGIN, reference, model)[:, 0]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("hkicker_thin", (0, 2e-3, 0, 0, 0, 0)),
        ("vkicker_thin", (0, 0, 0, -2e-3, 0, 0)),
        ("multipole_mismatch", (0, 0.010 - 0.012, 0, 0.003, 0, 0)),
        ("translation", (-1e-3, 0, 2e-3, 0, 0, 0)),
        ("rotation", (0, -math.sin(0.05), 0, 0, 0, 0)),
    ],
)
def test_thin_elements(case, expected, species):
    np.testing.assert_allclose(on_axis(case, species), expected, rtol=0, atol=1e-17)


def test_thick_kicker_moves_on_a_circle(species):
    """A uniform field: px changes by the kick, x is the circle's sagitta; one step of order 4 is not quite it."""
    kick, length = 2e-3, 0.4
    x = length / kick * (1.0 - math.sqrt(1.0 - kick**2))
    path = length / kick * math.asin(kick)
    expected = (x, kick, 0.0, 0.0, length - path, 0.0)
    np.testing.assert_allclose(on_axis("hkicker", species), expected, rtol=0, atol=1e-12)


def test_tilted_kicker_kicks_along_its_own_axis(species):
    out = on_axis("vkicker", species)
    assert out[[1, 3]] == pytest.approx((-2e-3 * math.sin(0.2), 2e-3 * math.cos(0.2)), rel=1e-14)


def circle(length, angle, k0):
    """x, px, z after a uniform field k0 seen from a frame that turns by `angle`, by intersecting circle and line.

    The frame: entrance at the origin, s along +s, x to the left of it; both bend towards -x.
    """
    rho = length / angle
    centre, face = np.array([0.0, -1.0 / k0]), np.array([0.0, -rho])  # (s, x): of the path, of the frame's arc
    out = np.array([math.sin(angle), math.cos(angle)])  # the exit plane's x axis
    # |face + r out - centre| = 1/k0
    gap = face - centre
    half = gap @ out
    r = -half + math.sqrt(half**2 - gap @ gap + 1.0 / k0**2)
    place = face + r * out
    turned = math.atan2(place[0] - centre[0], place[1] - centre[1])
    return r - rho, math.sin(angle - turned), length - turned / k0


@pytest.mark.parametrize("edge", [gt.FullEdge(), gt.LinearEdge()], ids=["full", "linear"])
def test_bend_with_another_field(edge, species):
    x, px, z = circle(1.5, 0.2, 0.14)
    out = on_axis("sector_mismatch", species, gt.Model(edge=edge))
    if isinstance(edge, gt.LinearEdge):
        np.testing.assert_allclose(out, (x, px, 0, 0, z, 0), rtol=0, atol=2e-15)
    else:  # fringes act on y only
        np.testing.assert_allclose(out[:4], (x, px, 0, 0), rtol=0, atol=2e-15)


def test_bend_without_a_field(species):
    """A straight line seen from a frame that turns away."""
    rho = 1.5 / 0.2
    expected = (rho / math.cos(0.2) - rho, math.sin(0.2), 0, 0, 1.5 - rho * math.tan(0.2), 0)
    np.testing.assert_allclose(on_axis("sector_no_field", species), expected, rtol=0, atol=2e-15)


def test_straight_body_with_a_field(species):
    k0, length = 0.1, 1.5
    angle = math.asin(k0 * length)
    expected = (-(1.0 - math.cos(angle)) / k0, -k0 * length, 0, 0, length - angle / k0, 0)
    np.testing.assert_allclose(on_axis("sector_straight_field", species), expected, rtol=0, atol=2e-15)


@pytest.mark.parametrize(
    ("case", "gain"), [("cavity_accelerating", 2e6 * math.sin(0.4 * math.pi)), ("cavity_static", -2e6)]
)
def test_cavity_gives_the_voltage_times_the_charge(case, gain, species):
    energy = species.energy + abs(species.charge) * gain
    momentum = math.sqrt(energy**2 - species.mass**2)
    delta = momentum / species.p0c - 1.0
    velocity = momentum / energy / species.beta0
    out = on_axis(case, species)
    # z is -beta c tau; the second half of the cavity takes less time
    expected = (0, 0, 0, 0, 0.4 * (velocity - 1.0), delta)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-15)


def test_crab_cavity_deflects(species):
    kick = 1e6 * abs(species.charge) / species.p0c * math.sin(0.2 * math.pi)
    out = on_axis("crab_kicking", species)
    assert out[1] == pytest.approx(kick, rel=1e-14)
    assert out[0] == pytest.approx(0.3 * kick / math.sqrt(1.0 - kick**2), rel=1e-13)
    assert out[5] == 0.0


@pytest.mark.parametrize(("particle", "other"), [("electron", "positron"), ("proton", "antiproton")])
@pytest.mark.parametrize("case", CASES)
def test_strengths_are_those_seen_by_the_reference_particle(case, particle, other):
    """Antiparticles pass the same lattice on the same orbit."""
    from support.battery import usual

    one, two = (push(CASES[case].element, usual(), SPECIES[name]) for name in (particle, other))
    np.testing.assert_array_equal(one, two)
