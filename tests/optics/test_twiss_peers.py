"""Twiss parameters at every element against PTC (coupled regions too), xtrack and pyAT."""

import os

import numpy as np
import pytest
from support.peers import at_optics, at_peer, processes, ptc, xtrack_peer

import gputrack as gt

LONG = pytest.mark.skipif(
    not os.environ.get("GPUTRACK_LONG_TESTS"), reason="PTC takes minutes: set GPUTRACK_LONG_TESTS=1"
)
#: PTC's names of Ripken's functions: plane, then mode
BETAS = {"beta11": ("x", 1), "beta12": ("x", 2), "beta21": ("y", 1), "beta22": ("y", 2)}


@pytest.mark.parametrize("name", ["spear3", pytest.param("esr", marks=LONG)])
def test_ripken_s_functions_and_dispersion_against_ptc(lattice_path, name):
    """The same drift-kick scheme on both sides, exact; delta as the sixth coordinate (time off)."""
    path = lattice_path(f"{name}.madx")
    ring = gt.load(path).with_model(gt.Model(integrator=gt.DriftKick(6, 10)))
    madx = processes.madx(f'call, file="{path}"; use, sequence={name};')
    ptc.create(madx, ptc.Layout(model=1, method=6, nst=10, time=False))
    madx.input("ptc_twiss, icase=5, no=2, closed_orbit=true;")
    table, found = madx.table.ptc_twiss, gt.twiss(ring)
    for column, (plane, mode) in BETAS.items():
        theirs = np.array(table[column])[:-1]
        assert np.abs(found.beta(plane, mode) - theirs).max() <= 1e-7, column
    for column, ours in (("disp1", found.dx), ("disp2", found.dpx), ("disp3", found.dy), ("disp4", found.dpy)):
        assert np.abs(ours - np.array(table[column])[:-1]).max() <= 1e-9, column
    for column, ours in (("mu1", found.mux), ("mu2", found.muy)):
        assert np.abs(ours - np.array(table[column])[:-1]).max() <= 1e-9, column
    madx.exit()


@pytest.fixture(scope="module")
def ring():
    """The bundled ring, cavities off, with a distorted orbit; finely sliced where the codes split magnets."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0).with_changes("cor.03a", hkick=1e-5)
    return ring.with_model(gt.Model(gt.DriftKick(4, 20)))


def test_every_column_against_xtrack(ring):
    """The same integrator and the same exact Hamiltonian; its matrices are finite differences."""
    line = xtrack_peer.line_of([e.replaced(aperture=None) for e in ring], ring.reference, order=4, slices=20)
    with xtrack_peer.compiling():
        theirs = line.twiss4d()
    found = gt.twiss(ring)
    for name in ("betx", "bety", "alfx", "alfy", "mux", "muy", "dx", "dpx", "x", "px"):
        ours, other = getattr(found, name), np.asarray(theirs[name])[: len(found.s)]
        assert np.abs(ours - other).max() <= 1e-6 * max(1.0, np.abs(ours).max()), name
    assert found.dqx == pytest.approx(theirs.dqx, abs=1e-3) and found.dqy == pytest.approx(theirs.dqy, abs=1e-3)
    assert found.momentum_compaction == pytest.approx(theirs.momentum_compaction_factor, rel=1e-6)


def test_betas_and_tunes_against_pyat():
    """Its default passes expand the Hamiltonian, which linear optics on axis do not feel."""
    at = at_peer.module()
    plain = gt.demo_ring().with_changes("rf", voltage=0.0)
    theirs = at_optics.ring_of(plain, plain.reference)
    _, _, optics = at.get_optics(theirs, np.arange(len(theirs) + 1))
    found = gt.twiss(plain)
    pairs = ((found.betx, optics.beta[:, 0]), (found.bety, optics.beta[:, 1]), (found.dx, optics.dispersion[:, 0]))
    for ours, other in pairs:
        np.testing.assert_allclose(ours, other, rtol=0, atol=1e-5)
    np.testing.assert_allclose(2.0 * np.pi * found.mux, optics.mu[:, 0], atol=1e-6)
