"""Ctrl-C preserves the partial result; a second one stops at once."""

import os
import signal
import threading
import time

import h5py
import numpy as np
import pytest
from support.backends import host_copy, placed, plain
from support.interrupts import press
from support.rings import small_ring, wide_beam

import gputrack as gt
from gputrack.base.errors import TrackingInterrupted
from gputrack.tracking import run as tracking_run

RING = small_ring()


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch):
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 0.0)


def test_result_holds_the_turns_done(backend):
    beam = placed(wide_beam(20, turn=10), backend)
    monitor = gt.Monitor("bpm*")
    with pytest.raises(TrackingInterrupted, match="after 3 of 50 turns") as caught:
        gt.track(RING, beam, 50, backend=backend, progress=press(), monitors=[monitor])
    result = caught.value.result
    whole = gt.track(RING, beam, 3, backend=backend, monitors=[monitor])
    assert result.turn == 13
    for a, b in zip(plain(result), plain(whole), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(host_copy(result.records[0].coordinates), host_copy(whole.records[0].coordinates))


def test_tracking_goes_on_from_there(backend):
    beam = placed(wide_beam(20), backend)
    with pytest.raises(TrackingInterrupted) as caught:
        gt.track(RING, beam, 8, backend=backend, progress=press())
    rest = gt.track(RING, caught.value.result, 5, backend=backend)
    for a, b in zip(plain(rest), plain(gt.track(RING, beam, 8, backend=backend)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_file_is_complete(backend, tmp_path):
    beam = placed(wide_beam(20), backend)
    with pytest.raises(TrackingInterrupted):
        gt.track(
            RING, beam, 50, backend=backend, progress=press(at=5), monitors=[gt.Monitor("bpm1", path=tmp_path / "m.h5")]
        )
    whole = gt.track(RING, beam, 5, backend=backend, monitors=[gt.Monitor("bpm1")]).records[0]
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["turn"][:].tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(file["coordinates"][:], host_copy(whole.coordinates))


def test_second_time_stops_at_once(backend, tmp_path):
    """Without a result, but files are closed and hold whole stretches."""
    with pytest.raises(KeyboardInterrupt) as caught:
        gt.track(RING, placed(wide_beam(5), backend), 50, backend=backend, progress=press(times=2),
                 monitors=[gt.Monitor("bpm1", path=tmp_path / "m.h5")])  # fmt: skip
    assert not isinstance(caught.value, TrackingInterrupted)
    with h5py.File(tmp_path / "m.h5") as file:
        assert file["turn"][:].tolist() == [0, 1, 2]


def test_handler_is_put_back():
    def mine(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGINT, mine)
    try:
        with pytest.raises(TrackingInterrupted):
            gt.track(RING, wide_beam(5), 50, progress=press())
        assert signal.getsignal(signal.SIGINT) is mine
        gt.track(RING, wide_beam(5), 2)
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_from_outside_while_kernels_run(monkeypatch):
    """Asynchronously, with stretches of the usual length, on two threads of kernels."""
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 0.05)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    gt.track(RING, wide_beam(5), 1)  # kernels are built
    timer.start()
    start = time.perf_counter()
    with pytest.raises(TrackingInterrupted) as caught:
        gt.track(RING, wide_beam(500), 10**7, threads=2)
    assert time.perf_counter() - start < 5.0
    assert 0 < caught.value.result.turn < 10**7
    assert caught.value.result.n_lost == 0


def test_it_is_a_keyboard_interrupt():
    """So that programs that do not know it stop."""
    assert issubclass(TrackingInterrupted, KeyboardInterrupt)
