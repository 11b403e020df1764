"""The bundled ring against MAD-X, and its stated properties."""

import numpy as np
import pytest
from support.peers import processes
from support.peers.madx_text import madx_text

import gputrack as gt
from gputrack.optics import linear_optics

COLUMNS = ("s", "betx", "bety", "alfx", "mux", "muy", "dx")


@pytest.fixture(scope="module")
def ring():
    return gt.demo_ring().with_changes("rf", voltage=0.0)


@pytest.fixture(scope="module")
def optics(ring):
    return linear_optics(ring)


@pytest.fixture(scope="module")
def twiss(ring):
    madx = processes.madx(madx_text(ring))
    madx.command.twiss(chrom=True)
    # the first row is the start of the sequence, the last one its end
    columns = {name: np.array(madx.table.twiss[name])[1:-1] for name in COLUMNS}
    summary = {name: np.array(madx.table.summ[name]) for name in madx.table.summ}
    madx.exit()
    return columns, summary


def test_tunes_are_those_of_madx(optics, twiss):
    _, summary = twiss
    assert optics.qx == pytest.approx(summary["q1"][0], abs=2e-8)
    assert optics.qy == pytest.approx(summary["q2"][0], abs=2e-8)


@pytest.mark.parametrize("column", COLUMNS)
def test_columns_are_those_of_madx(optics, twiss, column):
    table, _ = twiss
    np.testing.assert_allclose(getattr(optics, column)[1:], table[column], rtol=2e-7, atol=2e-7)


def test_design_values(optics):
    assert optics.qx == pytest.approx(15.22, abs=1e-5)
    assert optics.qy == pytest.approx(6.32, abs=1e-5)
    assert abs(optics.dx[0]) < 1e-6
    assert 10.0 < optics.betx.max() < 16.0
    assert optics.bety.max() < 24.0


def test_chromaticities_are_slightly_positive(ring, twiss):
    step = 1e-4
    high, low = linear_optics(ring, step), linear_optics(ring, -step)
    dqx, dqy = (high.qx - low.qx) / (2.0 * step), (high.qy - low.qy) / (2.0 * step)
    assert dqx == pytest.approx(1.0, abs=2e-3)
    assert dqy == pytest.approx(1.0, abs=2e-3)


def test_circumference_and_harmonic(ring):
    assert ring.length == pytest.approx(240.0, abs=1e-10)
    cavity = gt.demo_ring()["rf"][0]
    revolution = ring.reference.beta0 * 299792458.0 / ring.length
    assert cavity.frequency / revolution == pytest.approx(400.0, abs=1e-9)


def test_families_and_monitors(ring):
    expected = dict(qf=40, qd=40, qfc=40, bend=40, sd=40, sf=20, bpm=60, cor=40)
    assert {family: len(ring[f"{family}.*"]) for family in expected} == expected
    assert len(ring.knobs("qf.*.k1", "sf.*.k2")) == 2


def test_longitudinal_motion_is_stable_and_at_the_synchrotron_tune():
    ring = gt.demo_ring()
    optics = linear_optics(ring)
    assert 0.005 < optics.qs < 0.01
    start = np.zeros((6, 2))
    start[5] = 1e-3, 5e-3
    turns, beam = 400, gt.Beam(start, ring.reference)
    out = gt.track(ring, beam, turns=turns, monitors=[gt.Monitor("end")])
    assert out.n_lost == 0
    delta = out.records[0].coordinates[:, 0, 5, :]
    assert np.abs(delta).max() < 6e-3
    crossings = np.count_nonzero(np.diff(np.sign(delta[:, 0])))
    assert crossings == pytest.approx(2.0 * optics.qs * turns, abs=1.5)


def test_dynamic_aperture_exceeds_10_mm():
    """Without the chamber, particles at 10 mm in every direction survive 200 turns."""
    ring = gt.demo_ring()
    bare = gt.Lattice([e.replaced(aperture=None) for e in ring], ring.reference, model=ring.model)
    angle = np.linspace(0.0, np.pi, 9)
    start = np.zeros((6, 9))
    start[0], start[2] = 0.010 * np.cos(angle), 0.010 * np.sin(angle)
    assert gt.track(bare, gt.Beam(start, ring.reference), turns=200).n_lost == 0


def test_chamber_catches_particles_where_it_is():
    ring = gt.demo_ring()
    start = np.zeros((6, 3))
    start[0, 1], start[2, 2] = 0.0225, 0.0145
    out = gt.track(ring, gt.Beam(start, ring.reference), turns=3, backend="array")
    where = np.asarray(out.loss_element)
    assert list(np.asarray(out.lost)) == [False, True, True]
    assert ring[int(where[1])].name == "septum"
    assert ring[int(where[2])].aperture is not None
