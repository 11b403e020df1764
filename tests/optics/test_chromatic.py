"""Chromaticities against PTC, higher orders and chromatic functions against differences of Twiss parameters."""

import math

import numpy as np
import pytest

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.lattice.optics_program import turn_program
from gputrack.optics.maps.matrix_derivatives import matrix_rates
from gputrack.optics.maps.taylor_map import pass_maps

# From PTC: ptc_twiss of the shared files, model 2, method 6, nst 10, time=false (their README.md).
EXACT = {"esr": (1.021230, 0.981478), "spear3": (1.139270, 0.480995)}
EXPANDED = {"esr": (0.937212, 0.939628), "spear3": (1.109759, 1.471465)}
NATURAL = {"esr": (-108.273, -118.302), "spear3": (-22.141, -13.483)}
EXPANDED_MODEL = gt.Model(hamiltonian=gt.Expanded(), edge=gt.LinearEdge())


@pytest.fixture(scope="module", params=["esr", "spear3"])
def ring(request, lattice_path):
    return gt.load(lattice_path(f"{request.param}.madx"))


def test_chromaticities_are_those_of_ptc_in_each_model(ring):
    """To the last printed digit."""
    exact, expanded = gt.twiss(ring), gt.twiss(ring.with_model(EXPANDED_MODEL))
    np.testing.assert_allclose([exact.dqx, exact.dqy], EXACT[ring.name], rtol=0, atol=1e-6)
    np.testing.assert_allclose([expanded.dqx, expanded.dqy], EXPANDED[ring.name], rtol=0, atol=1e-6)


def test_natural_chromaticity(ring):
    """Those of MAD-X, which has its own model of bends and their ends: they agree to that."""
    bare = ring.with_model(EXPANDED_MODEL)
    elements = [e.replaced(k2=0.0) if isinstance(e, (gt.Sextupole, gt.SectorBend)) else e for e in bare]
    found = gt.twiss(gt.Lattice(elements, ring.reference, model=bare.model)).chromaticity()
    np.testing.assert_allclose(found, NATURAL[ring.name], rtol=2e-2)


@pytest.fixture(scope="module")
def coupled():
    """A ring without cavities, with skew quadrupoles and an orbit, and about another momentum."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0).with_changes("qf.03a", dx=1e-4, dy=1e-4)
    elements = [*ring]
    elements.insert(20, gt.Multipole("skew", ksl=(0.0, 0.02)))
    return gt.Lattice(elements, ring.reference, model=ring.model, name="coupled")


def slope(function, step):
    """Fourth-order difference at 0."""
    low2, low, high, high2 = (np.asarray(function(k * step)) for k in (-2, -1, 1, 2))
    return (8.0 * (high - low) - (high2 - low2)) / (12.0 * step)


def test_each_order_is_the_derivative_of_the_one_before(coupled):
    """Off momentum, coupled, about a distorted orbit; differences of exact figures, good to some 1e-8 of them."""
    tw = gt.twiss(coupled, delta=1e-3)
    tunes = lambda d: [getattr(gt.twiss(coupled, delta=1e-3 + d), q) for q in ("qx", "qy")]  # noqa: E731
    np.testing.assert_allclose(tw.chromaticity(), slope(tunes, 2e-5), rtol=1e-6)
    for order in (2, 3):
        below = lambda d, o=order: gt.twiss(coupled, delta=1e-3 + d).chromaticity(o - 1)  # noqa: E731
        np.testing.assert_allclose(tw.chromaticity(order), slope(below, 2e-5), rtol=1e-6)


def test_lower_orders_do_not_depend_on_the_order_asked(coupled):
    first, third = gt.twiss(coupled), gt.twiss(coupled)
    third.chromaticity(3)
    np.testing.assert_allclose(first.chromaticity(1), third.chromaticity(1), rtol=1e-10)


def test_rates_of_matrices_are_second_derivatives_of_the_power_series(coupled):
    """Derivatives of matrices for first-order quantities, off momentum, along any displacement of the orbit."""
    orbit, along = gt.closed_orbit(coupled, 1e-3), np.array([0.3, -0.2, 0.1, 0.4, 0.7, 1.0])
    found = matrix_rates(coupled, turn_program(coupled), orbit, along)[0]
    passed, unit, expected = pass_maps(coupled, 2, orbit), np.eye(6, dtype=int), np.zeros((6, 6))
    for j in range(6):
        for k in range(6):
            row = passed.space.row((unit[j] + unit[k]).tolist())
            expected[:, j] += passed.final[:, row] * (2.0 if j == k else 1.0) * along[k]
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


def test_chromatic_functions_are_derivatives_of_twiss_parameters(coupled):
    found, tw, step = gt.twiss(coupled).chromatic, gt.twiss(coupled), 1e-5
    rates = {
        name: slope(lambda d, n=name: getattr(gt.twiss(coupled, delta=d), n), step)
        for name in ("betx", "alfx", "bety", "alfy", "mux", "muy", "dx", "dpx", "dy", "dpy")
    }
    for name in ("mux", "muy", "dx", "dpx", "dy", "dpy"):
        scale = np.abs(rates[name]).max()
        np.testing.assert_allclose(getattr(found, f"d{name}"), rates[name], atol=1e-7 * scale)
    for plane in "xy":
        beta, alpha = getattr(tw, f"bet{plane}"), getattr(tw, f"alf{plane}")
        b = rates[f"bet{plane}"] / beta
        a = rates[f"alf{plane}"] - alpha * b
        w, phi = getattr(found, f"w{plane}"), 2.0 * math.pi * getattr(found, f"phi{plane}")
        np.testing.assert_allclose(w * np.cos(phi), b, atol=1e-7 * w.max())
        np.testing.assert_allclose(w * np.sin(phi), a, atol=1e-7 * w.max())
    np.testing.assert_allclose([found.dmux[-1], found.dmuy[-1]], tw.chromaticity(), rtol=1e-9)


def test_cavities_do_not_change_chromaticities():
    on, off = gt.demo_ring(), gt.demo_ring().with_changes("rf", voltage=0.0)
    np.testing.assert_allclose(gt.twiss(on).chromaticity(), gt.twiss(off).chromaticity(), rtol=1e-9)
    assert gt.twiss(on).slip == pytest.approx(gt.twiss(off).slip, rel=1e-12)


def test_chromaticity_of_a_line_is_that_of_its_phase_advance():
    line = gt.demo_ring()[:40]
    start = gt.InitialTwiss(8.0, -0.5, 5.0, 0.3, 0.02, 0.001)
    found = gt.twiss(line, start=start).chromatic
    orbit = lambda d: [start.dx * d, start.dpx * d, 0.0, 0.0, 0.0, d]  # noqa: E731
    rate = slope(lambda d: gt.twiss(line, start=start, orbit=orbit(d)).mux, 1e-5)
    np.testing.assert_allclose(found.dmux, rate, atol=1e-7 * np.abs(rate).max())


def test_columns_that_are_not_computed_raise():
    tw = gt.twiss(gt.demo_ring())
    for order in (0, 12, 1.5):
        with pytest.raises(InputError, match="order"):
            tw.chromaticity(order)
    with pytest.raises(InputError, match="rings"):
        _ = gt.twiss(gt.demo_ring()[:5], start=tw.start).dqx
