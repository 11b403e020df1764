"""Integrators converge at their nominal order, to each other, and to closed forms."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.helpers import push

import gputrack as gt

PROTON = gt.ReferenceParticle.proton(kinetic=50e6)
START = np.array([[0.02, 0.03, -0.015, 0.02, 0.0, 0.05], [-0.03, 0.02, 0.025, 0.04, 0.01, -0.05]]).T
ERRORS = dict(knl=(0.0, 0.0, 8.0, 200.0), ksl=(0.0, 0.1, 5.0))
DRIFT, MATRIX = gt.DriftKick, gt.MatrixKick
EXACT, EXPANDED = gt.Exact(), gt.Expanded()

# Element, splitting, Hamiltonian, and for orders 2, 4, 6 the slices from which the asymptotic rate is seen.
SCHEMES = {
    "quadrupole": (gt.Quadrupole("q", length=1.0, k1=2.0, k1s=0.5), DRIFT, EXACT, (8, 8, 4)),
    "quadrupole_expanded": (gt.Quadrupole("q", length=1.0, k1=2.0), DRIFT, EXPANDED, (8, 8, 4)),
    "quadrupole_errors": (gt.Quadrupole("q", length=1.0, k1=2.0, **ERRORS), DRIFT, EXACT, (16, 16, 8)),
    "quadrupole_matrix": (gt.Quadrupole("q", length=1.5, k1=2.0), MATRIX, EXACT, (4, 4, 6)),
    "quadrupole_matrix_errors": (gt.Quadrupole("q", length=1.0, k1=2.0, **ERRORS), MATRIX, EXACT, (16, 16, 8)),
    "quadrupole_matrix_expanded": (gt.Quadrupole("q", length=1.0, k1=2.0, **ERRORS), MATRIX, EXPANDED, (16, 16, 8)),
    "sextupole": (gt.Sextupole("s", length=1.0, k2=60.0, k2s=10.0), DRIFT, EXACT, (16, 16, 8)),
    "sextupole_expanded": (gt.Sextupole("s", length=1.0, k2=60.0), DRIFT, EXPANDED, (16, 16, 8)),
    "octupole": (gt.Octupole("o", length=1.0, k3=4000.0), DRIFT, EXACT, (16, 16, 8)),
    "bend": (gt.SectorBend("b", length=1.0, angle=0.5), DRIFT, EXACT, (8, 8, 4)),
    "bend_gradient": (gt.SectorBend("b", length=1.0, angle=0.5, k1=1.5, k2=4.0), DRIFT, EXACT, (8, 8, 6)),
    "bend_matrix": (gt.SectorBend("b", length=1.0, angle=0.5, k1=1.5, k2=4.0), MATRIX, EXACT, (8, 8, 4)),
    "bend_expanded": (gt.SectorBend("b", length=1.0, angle=0.5, k1=1.5, k2=4.0), DRIFT, EXPANDED, (8, 8, 6)),
    "bend_matrix_expanded": (gt.SectorBend("b", length=1.0, angle=0.5, k1=1.5, k2=14.0), MATRIX, EXPANDED, (8, 8, 4)),
    "bend_errors": (gt.SectorBend("b", length=1.0, angle=0.5, **ERRORS), MATRIX, EXACT, (16, 16, 8)),
    "rectangular": (gt.RectangularBend("r", length=1.0, angle=0.5, k1=1.5), MATRIX, EXACT, (8, 8, 4)),
}


def after(element, splitting, order, slices, hamiltonian):
    return push(element, START, PROTON, gt.Model(splitting(order, slices), hamiltonian))


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_order(scheme, order):
    element, splitting, hamiltonian, slices = SCHEMES[scheme]
    n = slices[order // 2 - 1]
    limit = after(element, splitting, 6, 16 * n, hamiltonian)
    coarse, fine = (abs(after(element, splitting, order, k, hamiltonian) - limit).max() for k in (n, 2 * n))
    assert fine > 1e-13, "the error drowns in rounding"
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.3)


# Order 6 holds for terms quadratic in the momenta; with the square root, terms of third order in the slopes have 4.
OPTIMISED = {
    **{name: (gt.BlanesMoan(4), 4, 4) for name in ("quadrupole", "sextupole", "octupole", "bend_gradient")},
    **{name: (gt.BlanesMoan(6), 6, 1) for name in ("quadrupole_expanded", "sextupole_expanded", "bend_expanded")},
}


@pytest.mark.parametrize("case", OPTIMISED)
def test_optimised_schemes_have_their_order(case):
    element, splitting, hamiltonian, _ = SCHEMES[case]
    scheme, order, n = OPTIMISED[case]
    limit = after(element, splitting, 6, 64, hamiltonian)
    coarse, fine = (abs(after(element, splitting, scheme, k, hamiltonian) - limit).max() for k in (n, 2 * n))
    assert fine > 1e-13, "the error drowns in rounding"
    assert math.log2(coarse / fine) > order - 0.4


@pytest.mark.parametrize("order", [4, 6])
@pytest.mark.parametrize("case", [name for name, row in SCHEMES.items() if row[1] is DRIFT and name != "bend"])
def test_optimised_schemes_pay(case, order):
    """One slice is at least 4 times nearer to the limit than the classical scheme of that order with as many kicks.

    But in strong bends by drift and kick, where slopes turn by half a radian.
    """
    element, splitting, hamiltonian, _ = SCHEMES[case]
    limit = after(element, splitting, 6, 64, hamiltonian)
    ours, classical = (
        abs(after(element, splitting, scheme, slices, hamiltonian) - limit).max()
        for scheme, slices in ((gt.BlanesMoan(order), 1), (order, 2))
    )
    assert ours < 0.25 * classical


NEAR = 0.2 * START  # millimetres
BESIDE_A_MATRIX = {
    "dipole": (gt.Quadrupole("q", length=0.5, k1=2.0, knl=(1e-3,)), EXACT),
    "weak": (gt.Quadrupole("q", length=0.5, k1=2.0, knl=(0.0, 0.0, 0.1)), EXACT),
    "large": (gt.Quadrupole("q", length=0.5, k1=2.0, knl=(0.0, 0.0, 25.0)), EXACT),
    "only": (gt.Quadrupole("q", length=0.2, knl=(0.0, 0.0, 20.0)), EXACT),
    "bend": (gt.SectorBend("b", length=2.0, angle=0.05, k2=0.1), EXPANDED),
    "gradient": (gt.SectorBend("b", length=1.0, angle=0.05, k1=-1.0, k2=2.0), EXPANDED),
}


@pytest.mark.parametrize("case", BESIDE_A_MATRIX)
def test_default_beside_a_matrix(case):
    """A tenth of the error of Forest and Ruth's scheme with as many kicks as it had when it was the default."""
    element, hamiltonian = BESIDE_A_MATRIX[case]
    limit, classical, ours = (
        push(element, NEAR, PROTON, gt.Model(integrator, hamiltonian, gt.LinearEdge()))
        for integrator in (MATRIX(6, 64), MATRIX(4, 4), MATRIX())
    )
    assert abs(ours - limit).max() < 0.1 * abs(classical - limit).max()


@pytest.mark.parametrize("k1", [0.5, 10.0, -40.0])
def test_strong_expanded_bend_is_solved_to_rounding(k1):
    """However strong: also where a knob makes it so after the program was set up."""
    one, many = (gt.Model(steps, EXPANDED, gt.LinearEdge()) for steps in (MATRIX(), MATRIX(2, 100)))
    line = gt.Lattice([gt.SectorBend("b", length=2.0, angle=0.2, k1=0.1)], PROTON, model=one)
    knobs = line.knobs("b.k1")
    start = gt.InitialTwiss(betx=1.0, bety=2.0, alfx=0.5, alfy=-0.5)
    limit = gt.twiss(line.with_changes("b", k1=k1).with_model(many), start=start)
    for value in (0.1, k1):
        found = gt.twiss(line.with_knobs(knobs, [value]), start=start)
    np.testing.assert_allclose([found.betx, found.bety], [limit.betx, limit.bety], rtol=1e-12)


@pytest.mark.parametrize("stages", [2, 3])
def test_small_kicks(stages):
    """Order 2 stages in the large part. The square root's remainder is small near the axis; its square goes unseen."""
    element = gt.Quadrupole("q", length=1.5, k1=2.0)

    def near(scheme, slices):
        return push(element, 0.05 * START, PROTON, gt.Model(MATRIX(scheme, slices)))

    limit = near(6, 64)
    coarse, fine = (abs(near(gt.LaskarRobutel(stages), slices) - limit).max() for slices in (3, 6))
    assert fine > 1e-13, "the error drowns in rounding"
    assert math.log2(coarse / fine) > 2 * stages - 0.5


@pytest.mark.parametrize("scheme", [name for name, row in SCHEMES.items() if row[1] is MATRIX])
def test_splittings_converge_to_each_other(scheme):
    element, _, hamiltonian, _ = SCHEMES[scheme]
    one, other = (after(element, splitting, 6, 96, hamiltonian) for splitting in (DRIFT, MATRIX))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_matrix_kick_is_exact_for_an_expanded_quadrupole():
    """With the expanded Hamiltonian nothing is left to kick: one slice is as good as many."""
    element = gt.Quadrupole("q", length=1.0, k1=2.0, k1s=-0.7)
    one, many = (after(element, MATRIX, 2, slices, EXPANDED) for slices in (1, 50))
    np.testing.assert_allclose(one, many, rtol=0, atol=1e-15 * 50)


def test_thick_quadrupole_against_its_matrix():
    """cos, sin, cosh, sinh of the textbook, for 2 momenta."""
    k1, length = 2.0, 1.0
    out = after(gt.Quadrupole("q", length=length, k1=k1), MATRIX, 2, 1, EXPANDED)
    x, px, y, py, _, delta = START
    root = np.sqrt(k1 / (1 + delta))
    c, s, ch, sh = (f(root * length) for f in (np.cos, np.sin, np.cosh, np.sinh))
    np.testing.assert_allclose(out[0], c * x + s / root * px / (1 + delta), rtol=0, atol=1e-15)
    np.testing.assert_allclose(out[1], -root * s * x * (1 + delta) + c * px, rtol=0, atol=1e-15)
    np.testing.assert_allclose(out[2], ch * y + sh / root * py / (1 + delta), rtol=0, atol=1e-15)
    np.testing.assert_allclose(out[3], root * sh * y * (1 + delta) + ch * py, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(out[5], delta)


@pytest.mark.parametrize(("scheme", "slices"), [(None, None), (2, 1), (4, 1), (gt.BlanesMoan(6), 3)])
def test_strong_quadrupole_against_its_matrix(scheme, slices):
    """Phases of many radians in one step: the series of cosines are halved often enough for the longest step."""
    root, length = 6.0, 1.5
    element = gt.Quadrupole("q", length=length, k1=root**2)
    start = np.array([[1e-6, 2e-6, 3e-8, 1e-6, 0.0, 0.0]]).T
    out = push(element, start, PROTON, gt.Model(gt.MatrixKick(scheme, slices), EXPANDED))[:, 0]
    c, s, ch, sh = (f(root * length) for f in (np.cos, np.sin, np.cosh, np.sinh))
    x, px, y, py = start[:4, 0]
    np.testing.assert_allclose(out[:2], [c * x + s / root * px, c * px - root * s * x], rtol=0, atol=1e-17)
    np.testing.assert_allclose(out[2:4], [ch * y + sh / root * py, ch * py + root * sh * y], rtol=1e-12)


def test_quadrupole_against_the_equations_of_motion():
    element = gt.Quadrupole("q", length=1.0, k1=2.0, k1s=0.5, **ERRORS)

    def field(x, y):
        strengths = (0.0, 2.0 + 0.6j, 8.0 + 5.0j, 200.0)  # normal + i skew
        f = sum(k * (x + 1j * y) ** n / math.factorial(n) for n, k in enumerate(strengths))
        return f.real, f.imag

    np.testing.assert_allclose(after(element, MATRIX, 6, 40, EXACT), solved(field, 1.0), rtol=0, atol=3e-12)


def test_bend_against_the_equations_of_motion():
    """The field of a gradient along a circle, By = h + k1 x on the midplane, from Laplace's equation around it.

    With D = d2/dx2 + h/(1 + h x) d/dx it is By = B - y^2/2 DB + y^4/24 DDB and Bx the slope of its integral over y.
    """
    h, k1 = 0.5, 1.5
    element = gt.SectorBend("b", length=1.0, angle=h, k1=k1)

    def field(x, y):
        r = 1.0 + h * x
        by = h + k1 * x - y**2 / 2 * h * k1 / r + y**4 / 24 * h**3 * k1 / r**3
        bx = y * k1 + y**3 / 6 * h**2 * k1 / r**2 - y**5 / 40 * h**4 * k1 / r**4
        return by, bx

    out = push(element, START, PROTON, gt.Model(MATRIX(6, 40), EXACT, gt.LinearEdge()))
    # the element's field is a polynomial, cut where y reaches 0.1 m at a few 1e-11
    np.testing.assert_allclose(out, solved(field, 1.0, h), rtol=0, atol=1e-10)


def solved(field, length, h=0.0):
    """Coordinates after a field (By, Bx)(x, y) on an axis of curvature h, by a general-purpose solver."""

    def motion(_, q):
        x, px, y, py, _, delta = q
        pz = math.sqrt((1 + delta) ** 2 - px * px - py * py)
        r = 1.0 + h * x
        by, bx = field(x, y)
        p = PROTON.p0c * (1 + delta)
        velocity = p / math.hypot(p, PROTON.mass) / PROTON.beta0
        return [r * px / pz, h * pz - r * by, r * py / pz, r * bx, velocity - r * (1 + delta) / pz, 0.0]

    ends = [solve_ivp(motion, (0.0, length), q, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1] for q in START.T]
    return np.array(ends).T
