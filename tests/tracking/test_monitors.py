"""Monitors: quantities, places and turns; in memory and in files."""

import h5py
import numpy as np
import pytest
from support.backends import host_copy, placed, plain, track
from support.rings import scraping_ring, small_ring, wide_beam

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.tracking import run as tracking_run

RING = small_ring()


@pytest.fixture(params=[0.0, 100.0], ids=["short", "long"])
def stretches(request, monkeypatch):
    """Stretches of one turn each, and one turn followed by all others."""
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", request.param)


def coordinates_at(backend, ring, beam, turn, place):
    """Coordinates at the exit of an element, by tracking the turns and then the first part of the ring."""
    start = track(backend, ring, beam, turn)
    return plain(gt.track(ring[: place + 1], start, 1, backend=backend))[0]


@pytest.mark.parametrize("every", [1, 3, 4])
def test_records_are_the_tracked_coordinates(every, backend, stretches):
    beam = wide_beam(21)
    record = track(backend, RING, beam, 9, monitors=[gt.Monitor("bpm*", every=every)]).records[0]
    assert record.turns.tolist() == list(range(0, 9, every))
    assert record.places.tolist() == RING.indices("bpm*")
    assert record.names == ["bpm1", "bpm2"]
    np.testing.assert_array_equal(record.s, [RING.s[place + 1] for place in record.places])
    values = host_copy(record.coordinates)
    assert values.shape == (len(record.turns), 2, 6, 21)
    for row, turn in enumerate(record.turns):
        for column, place in enumerate(record.places):
            np.testing.assert_array_equal(values[row, column], coordinates_at(backend, RING, beam, int(turn), place))


def test_records_are_shown_in_one_line():
    monitors = [gt.Monitor("bpm*"), gt.Monitor("qd", moments=True)]
    shown = [repr(record) for record in gt.track(RING, wide_beam(21), 9, monitors=monitors).records]
    assert shown[0] == "<Record of 'bpm*': 9 turns, 2 places; coordinates (9, 2, 6, 21)>"
    assert shown[1].endswith("; mean (9, 2, 6); sigma (9, 2, 6, 6)>")


def test_phase_goes_on_across_calls(backend, stretches):
    beam = placed(wide_beam(5), backend)
    monitors = [gt.Monitor("bpm1", every=4), gt.Monitor("qd", every=3)]
    at_once = gt.track(RING, beam, 20, backend=backend, monitors=monitors)
    parts, now = [], beam
    for turns in (1, 6, 3, 10):
        now = gt.track(RING, now, turns, backend=backend, monitors=monitors)
        parts.append(now.records)
    for k, every in enumerate((4, 3)):
        assert at_once.records[k].turns.tolist() == list(range(0, 20, every))
        np.testing.assert_array_equal(np.concatenate([p[k].turns for p in parts]), at_once.records[k].turns)
        pieces = [host_copy(p[k].coordinates) for p in parts if len(p[k].turns)]
        np.testing.assert_array_equal(np.concatenate(pieces), host_copy(at_once.records[k].coordinates))


def test_several_monitors_do_not_disturb(backend):
    """Overlapping places, different rhythms: records are the same as with one monitor, and tracking is unchanged."""
    beam = wide_beam(40)
    monitors = [
        gt.Monitor("*", every=2),
        gt.Monitor("bpm1"),
        gt.Monitor("bpm1", every=5),
        gt.Monitor("q*", moments=True),
    ]
    out = track(backend, scraping_ring(), beam, 7, monitors=monitors)
    for monitor, record in zip(monitors, out.records, strict=True):
        alone = track(backend, scraping_ring(), beam, 7, monitors=[monitor]).records[0]
        for name in ("turns", "places", "coordinates", "mean", "sigma"):
            mine, theirs = (host_copy(getattr(r, name)) for r in (record, alone))
            np.testing.assert_array_equal(mine, theirs) if mine is not None else None
    for a, b in zip(plain(out), plain(track(backend, scraping_ring(), beam, 7)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lost_particles_are_not_recorded(backend, stretches):
    """NaN from the place of the loss on."""
    ring = scraping_ring()
    out = track(backend, ring, wide_beam(100), 6, monitors=[gt.Monitor("*")])
    _, code, turn, place = plain(out)
    values = host_copy(out.records[0].coordinates)
    assert 10 < (code > 0).sum() < 90
    for particle in range(100):
        passages = [(t, p) for t in range(6) for p in range(len(ring))]
        lost = (turn[particle], place[particle]) if code[particle] else (6, 0)
        alive = np.array([passage < lost for passage in passages]).reshape(6, len(ring))
        np.testing.assert_array_equal(np.isfinite(values[:, :, 0, particle]), alive)
        np.testing.assert_array_equal(np.isfinite(values[:, :, 5, particle]), alive)


def test_moments_are_those_of_the_living(backend, stretches):
    weights = np.random.default_rng(0).uniform(0.5, 3.0, 100)
    ring, beam = scraping_ring(), wide_beam(100, weights=weights)
    out = track(backend, ring, beam, 5, monitors=[gt.Monitor("bpm*", moments=True), gt.Monitor("bpm*")])
    moments, raw = out.records
    assert moments.coordinates is None and raw.mean is None
    assert 5 < out.n_lost < 95
    values, mean, sigma = (host_copy(a) for a in (raw.coordinates, moments.mean, moments.sigma))
    assert mean.shape == (5, 2, 6) and sigma.shape == (5, 2, 6, 6)
    for t in range(5):
        for p in range(2):
            alive = np.isfinite(values[t, p, 0])
            v, w = values[t, p][:, alive], weights[alive]
            np.testing.assert_allclose(mean[t, p], np.average(v, axis=1, weights=w), rtol=1e-13, atol=1e-18)
            np.testing.assert_allclose(sigma[t, p], np.cov(v, aweights=w, ddof=0), rtol=1e-11, atol=1e-20)


def test_moments_without_survivors_are_nan(backend):
    lattice = gt.Lattice(
        [gt.Marker("mask", aperture=gt.Aperture(rectangle=(1e-9, 1e-9))), gt.Marker("after")], RING.reference
    )
    record = track(backend, lattice, wide_beam(3), 2, monitors=[gt.Monitor("after", moments=True)]).records[0]
    assert np.isnan(host_copy(record.mean)).all() and np.isnan(host_copy(record.sigma)).all()


@pytest.mark.parametrize("moments", [False, True])
def test_file_and_memory_hold_the_same_records(moments, backend, stretches, tmp_path):
    path = tmp_path / "run.h5"
    ring, beam = scraping_ring(), wide_beam(30)
    monitors = [
        gt.Monitor("b*", every=2, moments=moments, path=path), gt.Monitor("b*", every=2, moments=moments),
        gt.Monitor("qf", path=str(tmp_path / "other.h5")),
    ]  # fmt: skip
    stream, memory, _ = track(backend, ring, beam, 7, monitors=monitors).records
    assert stream.coordinates is None and stream.mean is None
    assert stream.turns.tolist() == memory.turns.tolist() == [0, 2, 4, 6]
    with h5py.File(path) as file:
        assert file.attrs["format"] == "gputrack monitor 1" and file.attrs["select"] == "b*"
        assert file["turn"][:].tolist() == memory.turns.tolist()
        assert file["place"][:].tolist() == memory.places.tolist()
        assert [name.decode() for name in file["name"][:]] == memory.names
        np.testing.assert_array_equal(file["s"][:], memory.s)
        for name in ("mean", "sigma") if moments else ("coordinates",):
            np.testing.assert_array_equal(file[name][:], host_copy(getattr(memory, name)))
    with h5py.File(tmp_path / "other.h5") as file:
        assert len(file["turn"]) == 7


def test_memory_of_a_stretch_is_bounded(backend, monkeypatch):
    """However fast a ring is, records of a stretch stay within RECORD_BYTES."""
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 1e9)
    monkeypatch.setattr(tracking_run, "RECORD_BYTES", 4 * 2 * 6 * 8 * 50)
    done = []
    out = track(
        backend, RING, wide_beam(50), 13, monitors=[gt.Monitor("bpm*")], progress=lambda turn, turns: done.append(turn)
    )
    assert max(np.diff(done)) <= 4 and done[-1] == 13
    assert out.records[0].turns.tolist() == list(range(13))


def test_backwards_records_in_the_order_of_passage(backend, stretches):
    """The same coordinates at the same turns, last turn first."""
    beam = wide_beam(9)
    monitors = [gt.Monitor("bpm*", every=2), gt.Monitor("bpm*")]
    there = track(backend, RING, beam, 7, monitors=monitors)
    back = gt.track(RING, there, 7, backend=backend, monitors=monitors, backwards=True)
    for forth, reverse in zip(there.records, back.records, strict=True):
        assert reverse.turns.tolist() == forth.turns.tolist()[::-1]
        forth_values, reverse_values = host_copy(forth.coordinates), host_copy(reverse.coordinates)
        np.testing.assert_allclose(reverse_values[::-1], forth_values, rtol=0, atol=1e-14)


def test_before_turn_zero(backend, stretches):
    """Turns count on below 0, in the same rhythm."""
    monitors = [gt.Monitor("bpm1", every=3), gt.Monitor("bpm2")]
    back = track(backend, RING, wide_beam(4), 8, monitors=monitors, backwards=True)
    assert back.turn == -8
    assert back.records[0].turns.tolist() == [-3, -6]
    forth = gt.track(RING, back, 8, backend=backend, monitors=monitors)
    assert forth.records[0].turns.tolist() == [-6, -3]
    for a, b in zip(back.records, forth.records, strict=True):
        np.testing.assert_allclose(host_copy(a.coordinates)[::-1], host_copy(b.coordinates), rtol=0, atol=1e-14)


@pytest.mark.parametrize("path", ["missing/run.h5", "."])
def test_unwritable_files_are_named(path, tmp_path):
    with pytest.raises(InputError) as caught:
        gt.track(RING, wide_beam(2), 2, monitors=[
            gt.Monitor("bpm1", path=tmp_path / "fine.h5"), gt.Monitor("bpm2", path=tmp_path / path)])  # fmt: skip
    assert str(tmp_path) in str(caught.value) and "bpm2" in str(caught.value) and "\n" not in str(caught.value)
    h5py.File(tmp_path / "fine.h5").close()  # not left open


def test_one_file_for_two_monitors_is_an_error(tmp_path):
    both = [gt.Monitor(name, path=tmp_path / "run.h5") for name in ("bpm1", "bpm2")]
    with pytest.raises(InputError, match="bpm2"):
        gt.track(RING, wide_beam(2), 2, monitors=both)
