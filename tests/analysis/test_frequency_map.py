"""Tunes of signals, and of particles against the normal form; diffusion; going on from a file."""

import numpy as np
import pytest
from support.interrupts import press_once
from support.rings import ELECTRON, lens_ring

import gputrack as gt
from gputrack.analysis import frequency_scan, tunes
from gputrack.base.errors import InputError, TrackingInterrupted

RING = lens_ring(strength=0.3)
TURNS = np.arange(512)[:, None]


def tone(frequency):
    return np.exp(2j * np.pi * frequency * TURNS)


def test_tune_of_a_line():
    """To rounding, wherever it lies between the lines of the discrete transform; whatever size and phase."""
    frequency = np.random.default_rng(1).uniform(0.02, 0.98, 300)
    found = tunes(tone(frequency) * np.exp(2j * np.pi * frequency[::-1]) * np.geomspace(1e-12, 1e3, 300))
    np.testing.assert_allclose(found, frequency, atol=1e-13, rtol=0)
    assert tunes(tone(0.31)[:, 0]) == pytest.approx(0.31, abs=1e-14)


def test_tune_among_other_lines():
    """Harmonics, the conjugate line and an offset, as nonlinear motion has them, change it by less than 1e-8."""
    frequency = np.random.default_rng(2).uniform(0.1, 0.45, 100)
    more = 0.3 * tone(-frequency) + 0.1 * tone(2 * frequency) + 0.05j * tone(0.073 + frequency) + 0.2
    np.testing.assert_allclose(tunes(tone(frequency) + more), frequency, atol=1e-8, rtol=0)


def test_signals_without_a_tune():
    bad = np.concatenate([tone(np.array([0.2])), np.full((512, 2), np.nan), np.zeros((512, 1))], axis=1)
    bad[:5, 1] = 1.0  # lost later
    np.testing.assert_array_equal(np.isnan(tunes(bad)), [False, True, True, True])
    with pytest.raises(InputError, match=">= 16 turns"):
        tunes(np.ones((15, 2), dtype=complex))


def test_tunes_of_particles_are_those_of_the_normal_form():
    """Tunes are linear in the nonlinear actions at these amplitudes."""
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    form = gt.one_turn_map(ring, order=5).normal_form()
    shape = gt.Polar(radius=(6e-4, 5e-4), steps=3, angles=(0.3, 1.2, 2.5))
    scan = gt.frequency_map(ring, shape, turns=512)
    coordinates = np.zeros((6, 9))
    coordinates[0], coordinates[2] = shape.offsets()
    phasors = form.transformation.inverse().evaluate(coordinates)
    jx, jy = np.abs(phasors[0]) ** 2, np.abs(phasors[2]) ** 2
    for plane, found in enumerate(scan.values[:2]):
        tune = form.tune(plane, (1, 0)) * jx + form.tune(plane, (0, 1)) * jy
        shift = found - (form.tune(plane) % 1.0)
        assert np.abs(tune).max() > 1e-5, "the detuning counts"
        np.testing.assert_allclose(shift, tune, atol=1e-7, rtol=0)
    assert scan.diffusion.max() < -7.0, "regular motion"
    assert scan.survived.all() and scan.done == 9


def test_linear_motion_has_one_tune():
    ring = lens_ring(strength=0.0)
    tw = gt.twiss(ring)
    scan = gt.frequency_map(ring, gt.Grid(x=(-0.1, 0.1, 5), y=(0.0, 0.1, 3)), turns=256, delta=0.0)
    np.testing.assert_allclose(scan.values[[0, 2]], tw.qx % 1.0, atol=1e-11, rtol=0)
    np.testing.assert_allclose(scan.values[[1, 3]], tw.qy % 1.0, atol=1e-11, rtol=0)
    assert (scan.qx, scan.qy) == pytest.approx((tw.qx % 1.0, tw.qy % 1.0), abs=1e-12)


def test_off_momentum_the_tune_moves_by_the_chromaticity():
    ring = lens_ring(strength=0.0)
    shape = gt.Grid(x=(0.0, 0.0, 1), y=(0.0, 0.0, 1))
    up, down = (gt.frequency_map(ring, shape, turns=256, delta=delta) for delta in (1e-4, -1e-4))
    tw = gt.twiss(ring)
    np.testing.assert_allclose((up.values - down.values)[:2, 0] / 2e-4, [tw.dqx, tw.dqy], rtol=1e-5)


def test_chaos_diffuses_and_the_lost_have_no_tune():
    scan = gt.frequency_map(lens_ring(strength=0.3), gt.Grid(x=(0.005, 0.2, 40), y=(0.01, 0.01, 1)), turns=128)
    lost = scan.loss_code != 0
    assert 5 < lost.sum() < 35
    assert np.isnan(scan.diffusion[lost]).all() and np.isfinite(scan.diffusion[~lost]).all()
    assert scan.diffusion[0] < -7.0 and np.nanmax(scan.diffusion) > -4.5


def test_an_interrupted_map_goes_on_to_the_bit(tmp_path, monkeypatch):
    """In blocks of 4 particles; whatever their number, the result is the same."""
    shape, options = gt.Polar(radius=0.05, steps=5, angles=2), dict(turns=32)
    whole = gt.frequency_map(RING, shape, **options)
    monkeypatch.setattr(frequency_scan, "RECORD_BYTES", 4 * 32 * 48)
    file = tmp_path / "map.h5"
    with pytest.raises(TrackingInterrupted, match="interrupted after 4 of 10 particles") as stopped:
        gt.frequency_map(RING, shape, file=file, progress=press_once(64 + 40), **options)
    partial = stopped.value.result
    assert np.isnan(partial.values[:, 4:]).all() and np.isfinite(partial.values[:, :4]).all()
    assert partial.survived.sum() == 4
    calls = []
    rest = gt.frequency_map(RING, shape, file=file, progress=lambda done, all_: calls.append((done, all_)), **options)
    np.testing.assert_array_equal(rest.values, whole.values)
    assert calls[0][0] > 64 and calls[-1] == (192, 192)


def test_tables_pictures_and_text(tmp_path):
    scan = gt.frequency_map(RING, gt.Grid(x=(0.0, 0.05, 6), y=(0.0, 0.05, 4)), turns=32)
    table = scan.to_pandas()
    assert list(table) == list(scan.columns) and len(table) == 24
    assert "24 of 24 particles survive twice 32 turns" in repr(scan)
    scan.plot().savefig(tmp_path / "map.png")
    gone = gt.frequency_map(RING, gt.Grid(x=(0.9, 0.9, 1), y=(0.9, 0.9, 1)), turns=16)
    assert not gone.survived.any() and "0 of 1" in repr(gone)
    gone.plot().savefig(tmp_path / "gone.png")


def test_reference_is_that_of_the_lattice():
    scan = gt.frequency_map(RING, gt.Grid(x=(0.01, 0.01, 1), y=(0.01, 0.01, 1)), turns=16)
    assert scan.lattice.reference == ELECTRON
