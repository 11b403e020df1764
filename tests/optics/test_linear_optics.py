"""Linear optics against closed formulas, and its errors."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.optics import closed_orbit, finite_difference_matrix, linear_optics

ELECTRON = gt.ReferenceParticle.electron(total=3e9)
SYMPLECTIC_FORM = np.kron(np.eye(3), np.array([[0.0, 1.0], [-1.0, 0.0]]))
#: matrices are exact: some hundred roundings of numbers of the size of the betas
EXACT = 1e-12
#: fourth-order differences with steps of 1e-5: rounding is 1e-16 / 1e-5 times the size of the coordinates
DIFFERENCES = 1e-8


def fodo(k1=0.8, focal_shift=0.0, **model):
    """A thin-lens FODO ring of 10 m cells, where everything is known in closed form."""
    half = gt.Multipole("qf", knl=(0.0, 0.5 * k1 + focal_shift))
    lens = gt.Multipole("qd", knl=(0.0, -k1))
    drift = gt.Drift("d", length=5.0)
    return gt.Lattice([half, drift, lens, drift, half], ELECTRON, name="fodo", **model)


def test_thin_fodo_cell_has_the_textbook_optics():
    k1, length = 0.25, 10.0
    optics = linear_optics(fodo(k1))
    mu = 2.0 * math.asin(k1 * length / 4.0)
    beta = length * (1.0 + math.sin(mu / 2.0)) / math.sin(mu)
    beta_y = length * (1.0 - math.sin(mu / 2.0)) / math.sin(mu)
    assert optics.qx == pytest.approx(mu / (2.0 * math.pi), abs=EXACT)
    assert optics.qy == pytest.approx(mu / (2.0 * math.pi), abs=EXACT)
    assert optics.betx[0] == pytest.approx(beta, rel=EXACT)
    assert optics.bety[0] == pytest.approx(beta_y, rel=EXACT)
    assert optics.alfx[0] == pytest.approx(0.0, abs=EXACT)
    assert optics.qs == 0.0


def test_integer_part_of_the_tune_counts_cells():
    one = linear_optics(fodo(0.25))
    many = linear_optics(gt.Lattice([*fodo(0.25)] * 13, ELECTRON))
    assert many.qx == pytest.approx(13 * one.qx, abs=13 * EXACT)
    assert many.qx > 2.0


def test_matrix_of_a_drift():
    reference = gt.ReferenceParticle.proton(kinetic=50e6)
    matrix = finite_difference_matrix(gt.Lattice([gt.Drift("d", length=3.0)], reference))
    expected = np.eye(6)
    expected[0, 1] = expected[2, 3] = 3.0
    expected[4, 5] = 3.0 / reference.gamma0**2
    np.testing.assert_allclose(matrix, expected, atol=1e-9)


def test_matrix_is_symplectic_and_modes_agree_on_alpha():
    ring = gt.demo_ring()
    optics = linear_optics(ring)
    error = optics.matrix.T @ SYMPLECTIC_FORM @ optics.matrix - SYMPLECTIC_FORM
    assert np.abs(error).max() < EXACT * np.abs(optics.matrix).max()
    # beta' = -2 alpha across every drift
    drifts = [i for i, e in enumerate(ring) if type(e) is gt.Drift]
    for beta, alpha in ((optics.betx, optics.alfx), (optics.bety, optics.alfy)):
        rise = [(beta[i + 1] - beta[i]) / ring[i].length for i in drifts]
        mean = [-(alpha[i + 1] + alpha[i]) for i in drifts]
        np.testing.assert_allclose(rise, mean, atol=1e-11)


def test_exact_matrix_is_that_of_differences():
    """With cavities on, off axis and off momentum."""
    ring = gt.demo_ring().with_changes("qf.03a", dx=1e-4, dy=-2e-4)
    orbit = closed_orbit(ring, 1e-3)
    error = linear_optics(ring, 1e-3).matrix - finite_difference_matrix(ring, orbit)
    assert np.abs(error).max() < DIFFERENCES * np.abs(finite_difference_matrix(ring, orbit)).max()


def test_closed_orbit_of_a_kick():
    """x = theta beta cos(pi Q)/(2 sin(pi Q)) at the kick."""
    cells, theta = 7, 1e-6
    elements = [*fodo(0.25)] * cells
    optics = linear_optics(gt.Lattice(elements, ELECTRON))
    orbit = closed_orbit(gt.Lattice([gt.HKicker("k", kick=theta), *elements], ELECTRON))
    expected = 0.5 * theta * optics.betx[0] / math.tan(math.pi * optics.qx)
    assert orbit[0] == pytest.approx(expected, rel=1e-6)
    assert orbit[2] == pytest.approx(0.0, abs=1e-15)


def test_orbit_repeats_with_rf_on_and_a_displaced_quadrupole():
    ring = gt.demo_ring().with_changes("qf.03a", dx=1e-4, dy=-2e-4)
    orbit = closed_orbit(ring)
    assert np.abs(orbit[[0, 2]]).max() > 1e-5
    out = gt.track(ring, gt.Beam(orbit[:, None], ring.reference), turns=1, backend="array")
    np.testing.assert_allclose(np.asarray(out.coordinates)[:, 0], orbit, atol=1e-13)


def test_cavity_out_of_phase_shifts_the_bunch():
    """At lag = 1/2 + u the bunch sits where the cavity gives nothing: z = -u wavelength."""
    ring = gt.demo_ring().with_changes("rf", lag=0.51)
    wavelength = 299792458.0 / ring["rf"][0].frequency
    assert abs(closed_orbit(ring)[4]) == pytest.approx(0.01 * wavelength, rel=1e-4)


def test_dispersion_is_the_derivative_of_the_orbit():
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    optics = linear_optics(ring)
    place = ring.names.index("sf.07")
    turned = gt.Lattice([*ring[place:], *ring[:place]], ring.reference, model=ring.model)
    step = 1e-6
    slope = (closed_orbit(turned, step) - closed_orbit(turned, -step)) / (2.0 * step)
    # of the slope: third derivative times step^2, and the orbit's 1e-16 over the step
    assert optics.dx[place] == pytest.approx(slope[0], abs=1e-9)
    assert optics.dpx[place] == pytest.approx(slope[1], abs=1e-9)


def test_coupled_tunes_are_those_of_the_eigenvalues():
    skew = gt.Multipole("skew", ksl=(0.0, 0.02))
    ring = gt.Lattice([*fodo(0.25), skew, *fodo(0.25), gt.Multipole("t", knl=(0.0, 0.01))], ELECTRON)
    optics = linear_optics(ring)
    angles = np.abs(np.angle(np.linalg.eigvals(optics.matrix[:4, :4]))) / (2.0 * np.pi)
    found = sorted(min(q % 1.0, 1.0 - q % 1.0) for q in (optics.qx, optics.qy))
    np.testing.assert_allclose(found, sorted(angles)[::2], atol=EXACT)


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        (fodo(0.5), ["unstable in x and y", "traces"]),
        (fodo(0.25, focal_shift=0.3), ["unstable in x and y: traces -9.3"]),
        (gt.Lattice([gt.Drift("d", length=1.0)], ELECTRON, name="line"), ["line", "in x and y: traces 2 and 2;"]),
    ],
)
def test_unstable_rings_name_the_plane_and_the_trace(ring, words):
    with pytest.raises(InputError) as caught:
        linear_optics(ring)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_trace_is_the_one_of_the_matrix():
    ring = fodo(0.25, focal_shift=0.3)
    trace = np.trace(finite_difference_matrix(ring)[:2, :2])
    with pytest.raises(InputError, match=f"traces {trace:.6g} and"):
        linear_optics(ring)


def on_edge(trace, cells, *more):
    """Cells that together have a trace of both planes of 2 or -2, each a FODO cell of trace 2 cos(2 pi q)."""
    drift = gt.Drift("d", length=1.0)

    def cell(k1):
        magnets = gt.Quadrupole("qf", length=0.5, k1=k1), gt.Quadrupole("qd", length=0.5, k1=-k1)
        return [magnets[0], drift, magnets[1], drift]

    tune = 1.0 / cells if trace > 0.0 else 0.5 / cells
    k1 = brentq(lambda k: linear_optics(gt.Lattice(cell(k), ELECTRON)).qx - tune, 0.5, 3.0, xtol=1e-15)
    return gt.Lattice([*cell(k1) * cells, *more], ELECTRON, name="edge")


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        (lambda: on_edge(2, 6), r"in x and y: traces 2 and 2; .*a trace of 2 means a tune at an integer"),
        (lambda: on_edge(-2, 2), r"in x and y: traces -2 and -2; .*a trace of -2 means a tune at a half-integer"),
        (lambda: on_edge(2, 6, gt.HKicker("h", kick=1e-3)), r"no closed orbit .*: traces 2 and 2; a trace of 2"),
        (lambda: [*on_edge(2, 6)[:4], gt.HKicker("h", kick=0.9)], r"no closed orbit .*stable, with traces x .*closer"),
        (lambda: [], "Lattice '': a ring must be longer than 0 m, got 0 m"),
        (lambda: [gt.Multipole("m", knl=(0.0, 0.1))], "a ring must be longer than 0 m"),
    ],
    ids=["integer", "half-integer", "kicked on an integer", "kicked too hard", "empty", "no length"],
)
def test_rings_without_optics_say_why(ring, words):
    made = ring()
    with pytest.raises(InputError, match=words) as caught:
        linear_optics(made if isinstance(made, gt.Lattice) else gt.Lattice(made, ELECTRON))
    assert "\n" not in str(caught.value)


def test_cavity_at_the_wrong_phase_is_named():
    ring = gt.demo_ring().with_changes("rf", lag=0.0)
    with pytest.raises(InputError, match=r"unstable in z: trace.*defocus in z: change their lag"):
        linear_optics(ring)
