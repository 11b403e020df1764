"""Driving terms: pyAT, published figures, tracked particles' chromaticities and detuning, thick magnets, every s."""

import math

import numpy as np
import pytest
from support.peers import at_optics, at_peer

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.optics.driving.names import TERMS, exponents_of

#: of SPEAR3 with SDM = -10, SFM = 10 at the start, and summed over 112 monitors (README of the shared lattices)
SPEAR3 = {"h21000": 14.8605, "h10110": 24.9867, "h30000": 4.5712, "h10200": 3.4603, "h10020": 1.9520}
SUM, THIN = 5750.33, 1e-3


def exponents_sum(name):
    """j + k + l + m of a term."""
    return sum(exponents_of(name)[:4])


def thin_ring(length=THIN):
    """FODO cells with bends and short magnets of all kinds, of different strengths in each cell."""
    rng = np.random.default_rng(5)
    d = gt.Drift("d", length=1.5)
    bend = gt.SectorBend("b", length=1.0, angle=math.pi / 12)
    quadrupole = lambda name, k1l, k1sl=0.0: gt.Quadrupole(name, length=length, k1=k1l / length, k1s=k1sl / length)  # noqa: E731
    elements = []
    for k2f, k2d, k3, skew in rng.normal(size=(12, 4)):
        elements += [quadrupole("qf", 0.31), gt.Sextupole("sf", length=length, k2=(1.0 + k2f) / length)]
        elements += [gt.Marker("m"), d]
        elements += [bend, d, quadrupole("qd", -0.3), gt.Sextupole("sd", length=length, k2=k2d / length)]
        elements += [d, gt.Octupole("o", length=length, k3=k3 / length), bend]
        elements += [quadrupole("qs", 0.0, 1e-5 * (4.0 + skew)), d]
    return gt.Lattice(elements, gt.ReferenceParticle.electron(total=3e9), name="thin")


@pytest.fixture(scope="module")
def pairs():
    """To second order, in magnets so short that pairs of slices of one magnet do not matter."""
    at = at_peer.module()
    ring = thin_ring(1e-5)
    markers = [i for i, e in enumerate(ring) if e.name == "m"][::5]
    kinds = [at.RDTType.GEOMETRIC2, at.RDTType.TUNESHIFT]
    theirs = at.get_rdts(at_optics.ring_of(ring, ring.reference), markers, kinds, second_order=True)
    return gt.driving_terms(ring, method=gt.SecondOrder()), theirs, markers


@pytest.mark.parametrize("name", [name for name in TERMS if exponents_sum(name) == 4])
def test_second_order_is_that_of_pyat(pairs, name):
    """Sextupoles, and the total; pyAT takes skew gradients as if they did not couple: relative 1e-5."""
    found, (_, second, whole), markers = pairs
    here, total = found.second.along(name)[markers], found.along(name)[markers]
    assert np.abs(here).max() > 10.0
    assert np.abs(here - second[name]).max() <= 1e-5 * np.abs(here).max()
    assert np.abs(total - whole[name]).max() <= 1e-5 * np.abs(here).max()
    assert found[name] == pytest.approx(found.first[name] + found.second[name], rel=1e-14)
    assert abs(found.along(name)[0] - found[name]) <= 1e-12 * abs(found[name])


def test_detuning_is_that_of_pyat(pairs):
    found, (_, _, whole), _ = pairs
    for name in ("dqx_djx", "dqx_djy", "dqy_djy"):
        value = whole[name.replace("dq", "dnu").replace("dj", "dJ")][0]
        assert getattr(found.detuning, name) == pytest.approx(value.real, rel=1e-5)


@pytest.fixture(scope="module")
def both():
    """Our terms, and pyAT's at all markers, of a ring in which its approximations for thick magnets are exact."""
    at = at_peer.module()
    ring = thin_ring()
    markers = [i for i, e in enumerate(ring) if e.name == "m"][::5]
    found = gt.driving_terms(ring)
    theirs = at.get_rdts(at_optics.ring_of(ring, ring.reference), markers, [at.RDTType.ALL])[0]
    return found, theirs, markers


@pytest.mark.parametrize("name", TERMS)
def test_terms_at_places_are_those_of_pyat(both, name):
    """In the documented convention: the sign of skew quadrupoles apart. Magnets are 1 mm long: relative 1e-5."""
    found, theirs, markers = both
    sign = -1.0 if name in ("h10010", "h10100") else 1.0
    here, there = found.along(name)[markers], sign * theirs[name]
    scale = np.abs(found.contributions[name]).sum()
    assert scale > 0.0
    assert np.abs(here - there).max() <= 1e-5 * scale


def spear3(lattice_path):
    ring = gt.load(lattice_path("spear3.madx"))
    return ring.with_knobs(ring.knobs("sdm.k2", "sfm.k2"), [-10.0, 10.0])


def test_published_figures_of_spear3(lattice_path):
    """They average beta over a sextupole; ours are integrals over it: equal to a few per cent."""
    found = gt.driving_terms(spear3(lattice_path))
    monitors = found.twiss.rows("bpm*")
    total = sum(np.abs(found.along(name)[monitors]).sum() for name in SPEAR3)
    for name, value in SPEAR3.items():
        assert abs(found[name]) == pytest.approx(value, rel=0.03), name
    assert len(monitors) == 112 and total == pytest.approx(SUM, rel=0.01)


def test_the_published_rule_gives_the_published_digits(lattice_path):
    """beta averaged over a sextupole, and the mean of the phases at its ends."""
    ring = spear3(lattice_path)
    tw = gt.twiss(ring)
    at = np.array([i for i, e in enumerate(ring) if isinstance(e, gt.Sextupole)])
    length = np.array([ring[i].length for i in at])
    waves = []
    for beta, alpha, mu in ((tw.betx, tw.alfx, tw.mux), (tw.bety, tw.alfy, tw.muy)):
        # exact: a sextupole is a drift to the linear optics
        mean = beta[at] - alpha[at] * length + (1.0 + alpha[at] ** 2) / beta[at] * length**2 / 3.0
        waves.append(np.sqrt(mean) * np.exp(1j * math.pi * (mu[at] + mu[at + 1])))
    (ux, uy), b3l = waves, np.array([0.5 * ring[i].k2 for i in at]) * length
    weight = {"h21000": 8.0, "h10110": 4.0, "h30000": 24.0, "h10200": 8.0, "h10020": 8.0}
    for name, value in SPEAR3.items():
        j, k, u, v, _ = exponents_of(name)
        term = np.sum(b3l * ux**j * ux.conj() ** k * uy**u * uy.conj() ** v) / weight[name]
        assert abs(term) == pytest.approx(value, abs=6e-5), name


def test_slices_of_a_magnet_add_up_to_it():
    """Integrals inside magnets agree with short pieces, with phases and dispersion along them."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    pieces = []
    for element in ring:
        n = 12 if isinstance(element, (gt.Sextupole, gt.Quadrupole)) else 1
        pieces += [element.replaced(length=element.length / n)] * n
    whole, cut = gt.driving_terms(ring), gt.driving_terms(gt.Lattice(pieces, ring.reference, model=ring.model))
    for name in whole:
        scale = np.abs(whole.contributions[name]).sum()
        assert abs(whole[name] - cut[name]) <= 1e-9 * max(scale, 1.0), name


def test_terms_go_round_the_ring():
    """Seen from the end they are those of the start; from anywhere, those of the ring that starts there."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    place = 77
    turned = gt.Lattice([*ring[place:], *ring[:place]], ring.reference, model=ring.model)
    here, there = gt.driving_terms(ring), gt.driving_terms(turned)
    for name in ("h21000", "h30000", "h10110", "h10020", "h10200", "h20001", "h10002"):
        along, scale = here.along(name), np.abs(here.contributions[name]).sum()
        assert abs(along[0] - here[name]) <= 1e-12 * scale and abs(along[-1] - along[0]) <= 1e-9 * scale
        assert abs(along[place] - there[name]) <= 1e-9 * scale


def test_octupole_terms_of_a_thin_octupole_in_closed_form():
    """k3/6 (x^4 - 6 x^2 y^2 + y^4)/4, averaged over phases: 3/8, 1/4 and 3/8 of squares of 2 J beta."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0).with_changes("s*.*", k2=0.0)
    elements = [gt.Multipole("o", knl=(0.0, 0.0, 0.0, 30.0)), *ring]
    found = gt.driving_terms(gt.Lattice(elements, ring.reference, model=ring.model))
    beta_x, beta_y = found.twiss.betx[0], found.twiss.bety[0]
    assert found["h22000"].real == pytest.approx(30.0 * beta_x**2 / 64.0, rel=1e-12)
    assert found["h11110"].real == pytest.approx(-30.0 * beta_x * beta_y / 16.0, rel=1e-12)
    assert found["h00220"].real == pytest.approx(30.0 * beta_y**2 / 64.0, rel=1e-12)
    assert found.detuning.dqx_djy == pytest.approx(-30.0 * beta_x * beta_y / (8.0 * math.pi), rel=1e-12)


def test_skew_quadrupole_term_is_the_tune_separation_at_resonance():
    """A. Chao and others: the nearest approach of coupled tunes is 2 |h10010|/(2 pi) times 2."""
    drift, strength = gt.Drift("d", length=5.0), 1e-4
    cell = [gt.Multipole("qf", knl=(0, 0.125)), drift, gt.Multipole("qd", knl=(0, -0.25)), drift]
    cell.append(gt.Multipole("qf", knl=(0, 0.125)))
    skew = gt.Multipole("s", ksl=(0.0, strength))
    ring = gt.Lattice([skew, *cell * 7], gt.ReferenceParticle.electron(total=3e9))
    plain = gt.Lattice(cell * 7, ring.reference)
    tw = gt.twiss(plain)
    expected = strength * math.sqrt(tw.betx[0] * tw.bety[0]) / (2.0 * math.pi)
    coupled = gt.twiss(ring)
    assert abs(coupled.qx - coupled.qy) == pytest.approx(expected, rel=1e-3)


def test_orbit_in_a_sextupole_feeds_down():
    """A sextupole that is moved up by dy acts as a skew quadrupole -k2 dy, less the orbit."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    moved = ring.with_changes("sd.03a", dy=1e-5)
    found = gt.driving_terms(moved)
    place = int(np.flatnonzero(found.places == moved.names.index("sd.03a"))[0])
    element, row = moved["sd.03a"][0], found.places[place]
    tw = found.twiss
    shift = 0.5 * (tw.y[row] + tw.y[row + 1]) - element.dy
    size = -element.k2 * element.length * shift * math.sqrt(tw.betx[row] * tw.bety[row]) / 4.0
    assert abs(found.contributions["h10010"][place]) == pytest.approx(abs(size), rel=0.05)


def test_unknown_terms_and_terms_that_were_not_computed():
    found = gt.driving_terms(gt.demo_ring(), ("h21000", "h11001"))
    assert list(found) == ["h21000", "h11001"] and found.h21000 == found["h21000"]
    assert "h21000" in repr(found)
    for call, words in (
        (lambda: found["h30000"], "not computed"),
        (lambda: found.h30000, "not computed"),
        (lambda: found.generating("h11001"), "no resonance"),
        (lambda: found.generating(3), "not computed"),
        (lambda: gt.driving_terms(gt.demo_ring(), ("h2100",)), "named as"),
        (lambda: gt.driving_terms(gt.Lattice([gt.Drift("d", length=1.0)], found.twiss.lattice.reference)), "unstable"),
    ):
        with pytest.raises(InputError, match=words):
            call()
