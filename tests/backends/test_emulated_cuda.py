"""The CUDA kernels and all around them without a GPU: the same text, thread by thread, on a stand-in for CuPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.backends import host_copy
from support.battery import COORDINATES, PAIRS, passage
from support.cases import CASES, SPECIES
from support.emulation import fake_cupy
from support.lossy_line import LIMIT, lossy, start_of
from support.one_passage import TOLERANCE, run, scale_of

import gputrack as gt
from gputrack.base.errors import InputError
from gputrack.base.losses import LossCode

EPS = np.finfo(float).eps
RING = 3e-14  # a few turns: hundreds of arcs, each of which subtracts path lengths of 1.5 m
FIELDS = ("loss_code", "loss_turn", "loss_element")


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    fake_cupy.install(monkeypatch)


def compared(lattice, start, turns, monitors=(), **options):
    """The same run on the host and on the emulated GPU."""
    beam = gt.Beam(start, lattice.reference)
    host = gt.track(lattice, beam, turns, monitors=monitors, backend="host", threads=1, **options)
    gpu = gt.track(lattice, beam.to_device("cupy"), turns, monitors=monitors, backend="cuda", **options)
    return host, gpu


def assert_same(gpu, host, tolerance):
    """Same losses, and coordinates the same to rounding."""
    for name in FIELDS:
        np.testing.assert_array_equal(host_copy(getattr(gpu, name)), getattr(host, name))
    np.testing.assert_allclose(host_copy(gpu.coordinates), host.coordinates, rtol=4 * EPS, atol=tolerance)


def test_arrays_are_not_numpy():
    """The stand-in is as strict as CuPy: nothing crosses silently."""
    beam = gt.Beam(start_of(4), gt.ReferenceParticle.electron(total=3e9)).to_device("cupy")
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(beam.x)
    with pytest.raises(TypeError, match="Unsupported type"):
        beam.x + np.ones(4)


@pytest.mark.parametrize("case", CASES)
def test_element(case):
    """Every element with every model, there and back, as its maps in array mathematics; one species in turn."""
    for i, (_, model, which) in enumerate(pair for pair in PAIRS if pair[0] == case):
        p, n, place = passage(case, model, which), COORDINATES[which]().shape[1], i % len(SPECIES)
        before, after = (array[:, n * place : n * (place + 1)] for array in (p.before, p.after))
        for start, end, backwards in ((before, after, False), (after, before, True)):
            out = run("cuda", case, model, start, list(SPECIES)[place], backwards)
            assert abs(out - end).max() <= TOLERANCE[backwards] * scale_of(p, case), (model, which, backwards)


@pytest.mark.parametrize("n", [1, 128, 129, 300])
def test_ring(n):
    """The demonstration ring with its losses; grids of one block, of full blocks, of a block begun."""
    host, gpu = compared(gt.demo_ring(), start_of(n), 5)
    assert_same(gpu, host, RING)
    assert n < 300 or 0 < host.n_lost < n


def test_ring_backwards():
    ring, start = gt.demo_ring(), 0.2 * start_of(100)
    host, gpu = compared(ring, start, 4)
    back = gt.track(ring, gpu, 4, backwards=True)
    assert back.n_lost == 0 and back.turn == 0
    assert_same(back, gt.track(ring, host, 4, backwards=True, backend="host", threads=1), RING)
    np.testing.assert_allclose(host_copy(back.coordinates), start, rtol=0, atol=1e-13)


def test_every_reason_to_be_lost():
    line, start = lossy()
    host, gpu = compared(line, start, 3, limit=LIMIT)
    assert_same(gpu, host, EPS)
    assert host_copy(gpu.loss_turn).tolist() == [-1, 0, 1, 0, 0, 0, 0, 0, -1]
    codes = host_copy(gpu.loss_code).tolist()
    assert codes[:4] == [LossCode.ALIVE, LossCode.APERTURE, LossCode.APERTURE, LossCode.LIMIT]
    assert codes[4:8] == [LossCode.UNPHYSICAL, LossCode.NOT_FINITE, LossCode.UNPHYSICAL, LossCode.LIMIT]
    assert [line[int(i)].name for i in host_copy(gpu.loss_element)[[1, 6, 7]]] == ["scraper", "wall", "d2"]


def test_lost_particles_stay_as_they_are():
    """Lost particles keep their last coordinates, code, turn and element in later launches, forwards and back."""
    line, start = lossy()
    _, first = compared(line, start, 1, limit=LIMIT)
    dead = host_copy(first.lost)
    for out in (gt.track(line, first, 3, limit=LIMIT), gt.track(line, first, 1, limit=LIMIT, backwards=True)):
        for name in ("coordinates", *FIELDS):
            a, b = host_copy(getattr(out, name)), host_copy(getattr(first, name))
            np.testing.assert_array_equal(a[..., dead], b[..., dead])


def test_several_launches_are_one():
    """Turns in one call and one by one: the same to the bit."""
    ring, start = gt.demo_ring(), start_of(40)
    _, whole = compared(ring, start, 5)
    step = gt.Beam(start, ring.reference).to_device("cupy")
    for _ in range(5):
        step = gt.track(ring, step)
    for name in ("coordinates", *FIELDS):
        np.testing.assert_array_equal(host_copy(getattr(step, name)), host_copy(getattr(whole, name)))


@pytest.mark.parametrize("backwards", [False, True])
def test_records(backwards):
    """Coordinates at chosen elements and turns, lost particles NaN, and moments worked out on the device."""
    ring = gt.demo_ring()
    monitors = [gt.Monitor("*", every=3), gt.Monitor("qf*", every=2, moments=True), gt.Monitor("q*")]
    host, gpu = compared(ring, start_of(60), 7, monitors, backwards=backwards)
    for ours, theirs in zip(gpu.records, host.records, strict=True):
        np.testing.assert_array_equal(ours.turns, theirs.turns)
        assert ours.names == theirs.names
        for name in ("coordinates", "mean", "sigma"):
            if getattr(theirs, name) is None:
                assert getattr(ours, name) is None
                continue
            a, b = host_copy(getattr(ours, name)), getattr(theirs, name)
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=RING)


def test_streamed_record(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    ring = gt.demo_ring()
    paths = [tmp_path / "host.h5", tmp_path / "cuda.h5"]
    beam = gt.Beam(start_of(20), ring.reference)
    gt.track(ring, beam, 3, monitors=[gt.Monitor("qf*", path=paths[0])], backend="host", threads=1)
    gt.track(ring, beam.to_device("cupy"), 3, monitors=[gt.Monitor("qf*", path=paths[1])])
    with h5py.File(paths[0]) as host, h5py.File(paths[1]) as gpu:
        np.testing.assert_array_equal(host["turn"], gpu["turn"])
        np.testing.assert_allclose(gpu["coordinates"], host["coordinates"], rtol=0, atol=RING)


def test_array_backend_on_the_device():
    """The array maps run on CuPy arrays too."""
    line = gt.demo_ring()[:90]
    host, _ = compared(line, start_of(50), 1)
    gpu = gt.track(line, gt.Beam(start_of(50), line.reference).to_device("cupy"), backend="array")
    assert_same(gpu, host, RING)
    assert 0 < host.n_lost < 50


def test_beam_on_the_device():
    """Properties of a beam do not depend on its device; copies there and back are exact."""
    ring = gt.demo_ring()
    host, gpu = compared(ring, start_of(50), 3)
    for plane in "xyz":
        assert gpu.emittance(plane) == pytest.approx(host.emittance(plane), rel=1e-9)
    np.testing.assert_allclose(gpu.eigen_emittances(), host.eigen_emittances(), rtol=1e-9)
    assert gpu.transmission == host.transmission and gpu.losses() == host.losses()
    assert "cupy" in repr(gpu)
    there = host.to_device("cupy").to_device("numpy")
    np.testing.assert_array_equal(there.coordinates, host.coordinates)
    made = gt.Beam.polar_grid(ring.reference, radius=1e-3, n_radii=3, n_angles=4, xp="cupy")
    assert gt.track(ring, made).n == 12


def test_tracking_stays_on_the_device():
    """On the second of two GPUs, whichever is current."""
    ring = gt.demo_ring()
    with fake_cupy.Device(1):
        beam = gt.Beam(start_of(20), ring.reference).to_device("cupy")
    out = gt.track(ring, beam, 2, monitors=[gt.Monitor("qf*")])
    arrays = [out.coordinates, *(getattr(out, name) for name in FIELDS), out.records[0].coordinates]
    assert [array.device.id for array in arrays] == [1] * 5


def test_arrays_on_the_wrong_side():
    ring = gt.demo_ring()
    beam = gt.Beam(start_of(4), ring.reference)
    with pytest.raises(InputError, match="for beams in host memory"):
        gt.track(ring, beam.to_device("cupy"), backend=gt.Streamed())
    with pytest.raises(InputError, match="needs NumPy coordinates"):
        gt.track(ring, beam.to_device("cupy"), backend="host")
    with pytest.raises(InputError, match="weights is a NumPy array"):
        gt.Beam(beam.to_device("cupy").coordinates, ring.reference, weights=np.ones(4))
    with pytest.raises(InputError, match="weights is a CuPy array"):
        gt.Beam(beam.coordinates, ring.reference, weights=beam.to_device("cupy").weights)
