"""Whole rings, EIC's ESR and SPEAR3, against PTC: tunes, chromaticities, trajectories."""

import numpy as np
import pytest
from support.helpers import push
from support.peers import ptc

import gputrack as gt

# From PTC: ptc_twiss of the shared files, model 2, method 6, nst 10, time=false (their README.md).
TEN_SLICES = {"esr": (50.08000005501, 46.14000003894), "spear3": (14.19000834570, 5.23000241249)}
# SPEAR3's bends have gradients, whose slicing is 3e-8 in qy there; with nst 40:
TUNES = {**TEN_SLICES, "spear3": (14.1900083464, 5.2300023785)}
EXACT = {"esr": (1.021230, 0.981478), "spear3": (1.139270, 0.480995)}
EXPANDED = {"esr": (0.937212, 0.939628), "spear3": (1.109759, 1.471465)}
RINGS = tuple(TUNES)

EXPANDED_MODEL = gt.Model(hamiltonian=gt.Expanded(), edge=gt.LinearEdge())


def tunes(ring, delta=0.0):
    optics = gt.linear_optics(ring, delta)
    return np.array([optics.qx, optics.qy])


def chromaticity(ring, step=1e-4):
    """Fourth-order difference of the tunes about the dispersive closed orbits."""
    low2, low, high, high2 = (tunes(ring, k * step) for k in (-2, -1, 1, 2))
    return (8.0 * (high - low) - (high2 - low2)) / (12.0 * step)


@pytest.fixture(scope="module")
def rings(lattice_path):
    return {name: gt.load(lattice_path(f"{name}.madx")) for name in RINGS}


@pytest.mark.parametrize("name", RINGS)
def test_tunes_are_those_of_ptc_exact(rings, name):
    np.testing.assert_allclose(tunes(rings[name]), TUNES[name], rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", RINGS)
def test_tunes_with_the_slices_of_ptc(rings, name):
    """Its slicing errors too."""
    ring = rings[name].with_model(gt.Model(gt.MatrixKick(order=6, slices=10)))
    np.testing.assert_allclose(tunes(ring), TEN_SLICES[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", RINGS)
def test_chromaticities_of_the_exact_model(rings, name):
    np.testing.assert_allclose(chromaticity(rings[name]), EXACT[name], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", RINGS)
def test_chromaticities_of_the_expanded_model(rings, name):
    ring = rings[name].with_model(EXPANDED_MODEL)
    np.testing.assert_allclose(chromaticity(ring), EXPANDED[name], rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def esr_and_ptc(lattice_path):
    """The ring, and one electron at all exits in PTC: same drift-kick scheme of order 6 on both sides."""
    path = lattice_path("esr.madx")
    ring = gt.load(path).with_model(gt.Model(integrator=gt.DriftKick(order=6, slices=10)))
    x, y = np.random.default_rng(8).uniform(-1e-4, 1e-4, 2)
    start = np.array([[x, 0.0, y, 0.0, 0.0, 1e-4]]).T
    layout = ptc.Layout(model=1, method=6, nst=10, time=True)
    names, theirs = ptc.track_file(path, "esr", start, ring.reference, layout, everywhere=True)
    assert len(names) == len(ring)
    return ring, start, theirs[:, :, 0]


def test_electron_through_each_element_of_the_esr(esr_and_ptc):
    """Each element from PTC's own coordinates at its entrance. PTC's z has the round-off of a path length."""
    ring, start, theirs = esr_and_ptc
    entrances = np.concatenate([start.T, theirs[:-1]])
    amplitude = np.abs(theirs).max(axis=0)
    allowed = 1e-12 * amplitude + np.eye(6)[4] * 8.0 * np.finfo(float).eps * ring.lengths.max()
    places: dict[int, list[int]] = {}
    for i, element in enumerate(ring):
        places.setdefault(id(element), []).append(i)
    worst = {}
    for where in places.values():
        ours = push(ring[where[0]], entrances[where].T, ring.reference, ring.model).T
        worst[ring[where[0]].name] = (np.abs(ours - theirs[where]) / allowed).max()
    assert max(worst.values()) <= 1.0, sorted(worst.items(), key=lambda item: -item[1])[:5]


def test_electron_once_around_the_esr(esr_and_ptc):
    """After a whole turn the difference is round-off, in z that of the circumference."""
    ring, start, theirs = esr_and_ptc
    out = gt.track(ring, gt.Beam(start, ring.reference))
    amplitude = np.abs(theirs).max(axis=0)
    allowed = 1e-11 * amplitude + np.eye(6)[4] * 2.0 * np.finfo(float).eps * ring.length
    assert (np.abs(out.coordinates[:, 0] - theirs[-1]) <= allowed).all()
