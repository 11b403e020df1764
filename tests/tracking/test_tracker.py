"""Tracking as a whole: repeatable to the bit, in any portions; argument validation."""

import math
import threading

import numpy as np
import pytest
from support.backends import host_copy, placed, plain, track
from support.battery import MODELS, steep, usual
from support.cases import CASES
from support.rings import ELECTRON, scraping_ring, small_ring, wide_beam

import gputrack as gt
from gputrack.base.errors import BackendError, InputError
from gputrack.tracking import run as tracking_run


@pytest.fixture
def short_stretches(monkeypatch):
    """One turn per stretch, as slow rings have."""
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 0.0)


@pytest.fixture
def threads(backend):
    """Numbers of threads that a backend knows."""
    return [1, 2, 3] if backend in ("array", "host") else [None]


def same(one, other):
    """Whether two beams agree to the bit."""
    for a, b in zip(plain(one), plain(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.turn == other.turn


# -- repeatability -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 15, 16, 17, 129, 700])
def test_threads_do_not_change_results(n, backend, threads):
    ring, beam = scraping_ring(), wide_beam(n)
    first, *others = (track(backend, ring, beam, 6, threads=number) for number in threads)
    for other in others:
        same(first, other)


def test_ten_turns_are_ten_times_one_turn(backend):
    ring, beam = scraping_ring(), placed(wide_beam(150), backend)
    at_once = gt.track(ring, beam, 10, backend=backend)
    one_by_one = beam
    for turn in range(10):
        assert one_by_one.turn == turn
        one_by_one = gt.track(ring, one_by_one, 1, backend=backend)
    assert at_once.n_lost > 10
    same(at_once, one_by_one)


def test_stretches_do_not_change_results(backend, short_stretches):
    seen = []
    out = track(backend, scraping_ring(), wide_beam(150), 10, progress=lambda done, turns: seen.append((done, turns)))
    assert seen == [(k, 10) for k in range(1, 11)]
    again = track(backend, scraping_ring(), wide_beam(150), 4)
    same(out, gt.track(scraping_ring(), again, 6, backend=backend))


@pytest.mark.parametrize("model", ["MatrixKick-exact-full", "DriftKick-exact-full", "MatrixKick-2-expanded-linear"])
@pytest.mark.parametrize("case", CASES)
def test_a_particle_does_not_see_its_neighbours(case, model, backend):
    """Packs and blocks of particles of all slopes, steep and flat, in any company and at any place."""
    lattice = gt.Lattice([CASES[case].element], ELECTRON, model=MODELS[model])
    all_particles = np.hstack([usual(), steep(), usual()[:, 2:]])
    n = all_particles.shape[1]
    together = plain(track(backend, lattice, gt.Beam(all_particles, ELECTRON)))
    orders = [[k] for k in (1, 4, 14)] + [range(5), range(5, n), range(n - 1, -1, -1), [2] * 40 + [14] + [2] * 100]
    for order in orders:
        places = list(order)
        alone = plain(track(backend, lattice, gt.Beam(all_particles[:, places], ELECTRON)))
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_array_equal(a[..., places], b)


def test_backwards_undoes_forward(backend):
    ring, beam = small_ring(), wide_beam(50, turn=7)
    there = track(backend, ring, beam, 20)
    back = gt.track(ring, there, 20, backend=backend, backwards=True)
    assert (there.turn, back.turn, there.n_lost) == (27, 7, 0)
    np.testing.assert_allclose(plain(back)[0], beam.coordinates, rtol=0, atol=1e-14)


def test_backwards_in_portions(backend, short_stretches):
    ring, beam = small_ring(), wide_beam(20, turn=7)
    at_once = track(backend, ring, beam, 5, backwards=True)
    portions = gt.track(ring, track(backend, ring, beam, 2, backwards=True), 3, backend=backend, backwards=True)
    same(at_once, portions)


def test_nothing_is_changed(backend):
    ring, beam = scraping_ring(), placed(wide_beam(60), backend)
    before = [np.array(a) for a in plain(beam)]
    elements = ring.elements
    out = gt.track(ring, beam, 3, backend=backend)
    for a, b in zip(before, plain(beam), strict=True):
        np.testing.assert_array_equal(a, b)
    assert beam.turn == 0 and ring.elements is elements and out is not beam


def test_weights_travel(backend):
    beam = wide_beam(30, weights=np.arange(1.0, 31.0))
    np.testing.assert_array_equal(host_copy(track(backend, small_ring(), beam, 2).weights), beam.weights)


# -- small things ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elements", [[], [gt.Marker("m")], [gt.Drift("d")]], ids=["empty", "marker", "thin"])
def test_nothing_to_do(elements, backend):
    """Also for particles beyond the limit: they are lost where something acts on them."""
    beam = gt.Beam(np.full((6, 3), 0.1) * [1.0, 2.0, 20.0], ELECTRON)
    out = track(backend, gt.Lattice(elements, ELECTRON), beam, 4)
    np.testing.assert_array_equal(plain(out)[0], beam.coordinates)
    assert (out.turn, out.n_lost, out.records) == (4, 0, ())


def test_no_turns(backend):
    beam = wide_beam(5, turn=3)
    out = track(backend, small_ring(), beam, 0, monitors=[gt.Monitor("bpm*")])
    np.testing.assert_array_equal(plain(out)[0], beam.coordinates)
    assert out.turn == 3 and out.records[0].turns.tolist() == []


def test_one_particle(backend):
    ring, beam = small_ring(), wide_beam(20)
    one = gt.Beam(beam.coordinates[:, 3], ELECTRON)
    np.testing.assert_array_equal(
        plain(track(backend, ring, one, 5))[0], plain(track(backend, ring, beam, 5))[0][:, [3]]
    )


def test_numpy_integers_are_integers(backend):
    ring, beam = small_ring(), wide_beam(2)
    same(track(backend, ring, beam, np.int64(3)), track(backend, ring, beam, 3))


def test_progress_bar(capsys, backend):
    track(backend, small_ring(), wide_beam(2), 3, progress=True)
    assert "3/3" in capsys.readouterr().out


def test_default_backend_follows_the_arrays(backend):
    ring, beam = small_ring(), placed(wide_beam(8), backend)
    wanted = gt.track(ring, beam, 3, backend="host" if backend == "array" else backend)
    same(gt.track(ring, beam, 3), wanted)


def test_in_another_thread(backend):
    """Signals belong to the main thread: elsewhere tracking leaves them alone."""
    out = []
    ring, beam = small_ring(), placed(wide_beam(8), backend)
    worker = threading.Thread(target=lambda: out.append(gt.track(ring, beam, 3, backend=backend)))
    worker.start()
    worker.join()
    same(out[0], gt.track(ring, beam, 3, backend=backend))


# -- arguments ---------------------------------------------------------------------------------------------

RING, BEAM = small_ring(), wide_beam(3)
WRONG = {
    "lattice": dict(lattice=[gt.Drift("d", length=1.0)]),
    "no_reference": dict(lattice=gt.Lattice([gt.Drift("d", length=1.0)])),
    "reference": dict(lattice=RING.with_reference(gt.ReferenceParticle.electron(total=2e9))),
    "beam": dict(beam=BEAM.coordinates),
    "turns_negative": dict(turns=-1),
    "turns_fraction": dict(turns=1.5),
    "turns_bool": dict(turns=True),
    "turns_text": dict(turns="10"),
    "limit_zero": dict(limit=0.0),
    "limit_nan": dict(limit=math.nan),
    "limit_text": dict(limit="1"),
    "backend": dict(backend="gpu"),
    "backend_type": dict(backend=3),
    "threads_zero": dict(threads=0),
    "threads_fraction": dict(threads=1.5),
    "monitors_single": dict(monitors=gt.Monitor("bpm*")),
    "monitors_text": dict(monitors="bpm*"),
    "monitors_entry": dict(monitors=["bpm*"]),
    "monitors_number": dict(monitors=3),
    "monitor_nowhere": dict(monitors=[gt.Monitor("bpx*")]),
    "progress": dict(progress="yes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name):
    arguments = dict(lattice=RING, beam=BEAM, turns=2) | WRONG[name]
    with pytest.raises(InputError) as caught:
        gt.track(arguments.pop("lattice"), arguments.pop("beam"), **arguments)
    text = str(caught.value)
    assert text and "\n" not in text and len(text) < 400


@pytest.mark.parametrize(
    "arguments",
    [("",), (3,), dict(every=0), dict(every=2.0), dict(every=True), dict(every="2"), dict(path=3)],
    ids=str,
)
def test_wrong_monitors(arguments):
    with pytest.raises(InputError) as caught:
        gt.Monitor("b", **arguments) if isinstance(arguments, dict) else gt.Monitor(*arguments)
    assert "Monitor" in str(caught.value) and "\n" not in str(caught.value)


def test_an_error_of_the_progress_function_reaches_the_caller(tmp_path):
    import h5py

    def fail(done, turns):
        raise ZeroDivisionError

    with pytest.raises(gt.errors.TrackingStopped) as caught:
        gt.track(RING, BEAM, 3, progress=fail, monitors=[gt.Monitor("bpm1", path=tmp_path / "m.h5")])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with h5py.File(tmp_path / "m.h5") as file:  # closed and readable
        assert len(file["turn"]) >= 1


def test_missing_gpu_is_named():
    pytest.importorskip("numpy")
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(BackendError, match="gputrack\\[cuda12\\]"):
            BEAM.to_device("cupy")
        with pytest.raises(BackendError, match="gputrack\\[cuda12\\]"):
            gt.track(RING, BEAM, backend="cuda")
    else:
        pytest.skip("CuPy is installed")
