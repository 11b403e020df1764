"""Beams in host memory on a GPU, chunk by chunk, on the stand-in for CuPy: the same as those that live there."""

from __future__ import annotations

import gc
import re

import autograd.numpy as anp
import numpy as np
import pytest
from support.backends import host_copy, plain
from support.cases import SPECIES
from support.emulation import fake_cupy
from support.emulation.fake_streams import MEMORY, PINNED, PINNED_LIMIT, Pool, Stream
from support.interrupts import press
from support.lossy_line import LIMIT, lossy, start_of

import gputrack as gt
from gputrack.app.cli import main
from gputrack.backends.cuda import memory
from gputrack.base.errors import BackendError, DeviceMemoryError, InputError, TrackingInterrupted, TrackingStopped
from gputrack.beam.moment_rules import MOMENT_SEEDS
from gputrack.lattice.program import compile_program
from gputrack.tracking import run as tracking_run

N = 50
CHUNKS = gt.Streamed(chunk=16)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    fake_cupy.install(monkeypatch)


@pytest.fixture(scope="module")
def ring():
    return gt.demo_ring()


@pytest.fixture
def gpu(monkeypatch):
    """The memory of the first device, which a test may make small."""
    monkeypatch.setattr(MEMORY[0], "total", MEMORY[0].total)
    monkeypatch.setattr(memory, "ALWAYS", 0)
    gc.collect()
    MEMORY[0].peak = MEMORY[0].used
    return MEMORY[0]


@pytest.fixture
def one_by_one(monkeypatch):
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 0.0)
    monkeypatch.setattr(tracking_run, "COPIES", 0.0)


def beams(ring, n=N):
    """The same beam on the host and on the device."""
    beam = gt.Beam(start_of(n), ring.reference, weights=np.linspace(1.0, 2.0, n), turn=1)
    return beam, beam.to_device("cupy")


def assert_same(ours, theirs):
    """To the bit, and on the host."""
    for a, b in zip(plain(ours), plain(theirs), strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(ours.coordinates, np.ndarray) and ours.turn == theirs.turn


@pytest.mark.parametrize("chunk", [7, 25, N - 1, N, 1000, None])
@pytest.mark.parametrize("backwards", [False, True])
def test_as_on_the_device(ring, chunk, backwards):
    """Coordinates, losses and records: one chunk, whole ones, one begun; forwards and back."""
    host, gpu = beams(ring)
    monitors = [gt.Monitor("bpm.0*", every=2), gt.Monitor("qf*", moments=True), gt.Monitor("qd.01*")]
    options = dict(turns=4, monitors=monitors, backwards=backwards)
    out = gt.track(ring, host, backend="cuda" if chunk is None else gt.Streamed(chunk), **options)
    expected = gt.track(ring, gpu, **options)
    assert_same(out, expected)
    assert 0 < out.n_lost < N or backwards
    for ours, theirs in zip(out.records, expected.records, strict=True):
        assert ours.turns.tolist() == theirs.turns.tolist()
        assert (ours.coordinates is None) == ours.monitor.moments
        if ours.coordinates is not None:
            np.testing.assert_array_equal(ours.coordinates, host_copy(theirs.coordinates))
        else:
            np.testing.assert_allclose(ours.mean, theirs.mean, rtol=0, atol=1e-15)
            np.testing.assert_allclose(ours.sigma, theirs.sigma, rtol=1e-12, atol=1e-18)


def test_every_reason_to_be_lost():
    line, start = lossy()
    beam = gt.Beam(start, line.reference)
    options = dict(turns=3, limit=LIMIT)
    assert_same(
        gt.track(line, beam, backend=gt.Streamed(chunk=2), **options), gt.track(line, beam.to_device("cupy"), **options)
    )


def test_streamed_record(ring, tmp_path):
    h5py = pytest.importorskip("h5py")
    host, gpu = beams(ring)
    for name, beam, backend in (("a", host, CHUNKS), ("b", gpu, None)):
        gt.track(ring, beam, 3, monitors=[gt.Monitor("qf.01*", path=tmp_path / name)], backend=backend)
    with h5py.File(tmp_path / "a") as ours, h5py.File(tmp_path / "b") as theirs:
        np.testing.assert_array_equal(ours["coordinates"], theirs["coordinates"])


def test_nothing_to_do(ring):
    beam = beams(ring)[0]
    empty = gt.Lattice([], ring.reference)
    for line, turns in ((ring, 0), (empty, 3)):
        np.testing.assert_array_equal(gt.track(line, beam, turns, backend="cuda").coordinates, beam.coordinates)


# -- derivatives -------------------------------------------------------------------------------------------------------


def objective(ring, backend, turns=3):
    knobs = ring.knobs("sf*.k2", "qf.01a.k1", "bend.01a.angle")

    def value(values, coordinates):
        beam = gt.Beam(coordinates, ring.reference)
        monitors = [gt.Monitor("bpm.0*", every=2, moments=True)]
        out = gt.track(ring.with_knobs(knobs, values), beam, turns, monitors=monitors, backend=backend, limit=0.01)
        assert 0 < out.n_lost < out.n
        return out.size("x") + 10.0 * out.mean[3] + 1e-2 * anp.sum(anp.sqrt(out.records[0].sigma[:, :, 0, 0]))

    return value, knobs.values


def test_gradient(ring):
    """As on the device: by coordinates to the bit, by parameters to rounding; and the same to the bit twice."""
    host, gpu = (beam.coordinates for beam in beams(ring))
    line = ring[:60]
    (value, at), (other, _) = objective(line, CHUNKS), objective(line, None)
    first, second = (gt.value_and_grad(value, (0, 1))(at, host) for _ in range(2))
    expected = gt.value_and_grad(other, (0, 1))(at, gpu)
    assert first[0] == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(first[1][0], expected[1][0], rtol=1e-11)
    scale = np.abs(first[1][1]).max()
    np.testing.assert_allclose(first[1][1], host_copy(expected[1][1]), rtol=0, atol=1e-13 * scale)
    for a, b in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_forward_mode(ring):
    host, gpu = (beam.coordinates for beam in beams(ring))
    (value, at), (other, _) = objective(ring, CHUNKS), objective(ring, None)
    direction = np.array([1.0, -2.0, 0.1])
    found = gt.jvp(value, (at, host), (direction, 0.1 * host))
    expected = gt.jvp(other, (at, gpu), (direction, 0.1 * gpu))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# -- memory ------------------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_beam(ring, gpu):
    """Neither of tracking nor of the backward sweep, nor with its turns."""
    line = ring[:30]
    value, at = objective(line, gt.Streamed(chunk=64), 2)
    longer, _ = objective(line, gt.Streamed(chunk=64), 9)
    peaks = []
    for run, n in ((value, 128), (value, 1000), (longer, 128)):
        gpu.peak = before = gpu.used
        gt.grad(lambda k, run=run, n=n: run(k, start_of(n)))(at)
        peaks.append(gpu.peak - before)
    seeds = 8 * MOMENT_SEEDS * 4 * len(line.indices("bpm.0*"))  # of four more recorded turns, for all particles at once
    assert max(peaks) < 1.01 * min(peaks) + seeds


LINE = gt.Lattice([gt.Quadrupole("q", length=1.0, k1=0.2), gt.Marker("m")], SPECIES["proton"])
KNOBS = LINE.knobs("q.k1")
RECORDS, SIZES = [gt.Monitor("m")], [gt.Monitor("m", moments=True)]


def final(beam, k, turns, monitors=(), backend=None):
    """A size at the end, and those that were recorded."""
    out = gt.track(LINE.with_knobs(KNOBS, k), beam, turns, monitors=list(monitors), backend=backend)
    return out.size("x") + sum(anp.sum(record.sigma[0, 0, 0]) for record in out.records)


def gradient(beam, *options):
    return gt.grad(lambda k: final(beam, k, *options))(KNOBS.values)


def rate(beam, *options):
    return gt.jvp(lambda k: final(beam, k, *options), (KNOBS.values,), (np.ones(1),))


TRACK, SWEEP, TANGENT = memory.Kind.TRACK, memory.Kind.SWEEP, memory.Kind.TANGENT
ONE = gt.Streamed(chunk=10**6)
#: a run of a beam on the device, or of one in host memory in one chunk, and its `Work`
RUNS = {
    "track": (lambda beam: gt.track(LINE, beam, 4), memory.Work(TRACK, resident=True, again=True)),
    "one_record": (lambda beam: gt.track(LINE, beam, monitors=RECORDS), memory.Work(TRACK, resident=True, stored=1)),
    "records": (
        lambda beam: gt.track(LINE, beam, 4, monitors=RECORDS), memory.Work(TRACK, 0, True, True, stored=4, merged=4)
    ),
    "gradient": (lambda beam: gradient(beam, 4), memory.Work(SWEEP, 0, True, True, checkpoints=4)),
    "gradient_of_records": (
        lambda beam: gradient(beam, 4, SIZES), memory.Work(SWEEP, 0, True, True, checkpoints=4, moments=1)
    ),
    "forward_mode": (lambda beam: rate(beam, 4), memory.Work(TANGENT, 0, True, True)),
    "forward_mode_of_records": (
        lambda beam: rate(beam, 4, SIZES), memory.Work(TANGENT, 0, True, True, stored=4, merged=4)
    ),
    "streamed": (lambda beam: gt.track(LINE, beam, 4, backend=ONE), memory.Work(TRACK)),
    "streamed_record": (lambda beam: gt.track(LINE, beam, monitors=RECORDS, backend=ONE), memory.Work(TRACK, 1)),
    "streamed_gradient": (lambda beam: gradient(beam, 1, SIZES, ONE), memory.Work(SWEEP, moments=1)),
    "streamed_forward_mode": (lambda beam: rate(beam, 1, SIZES, ONE), memory.Work(TANGENT, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_bytes_per_particle(name, gpu):
    """Bytes per particle: exact for a launch; a run needs a few more arrays of the size of each record."""
    run, work = RUNS[name]
    beam = gt.Beam(0.1 * start_of(4000), LINE.reference)
    if work.resident:
        beam = beam.to_device("cupy")
    gpu.peak = before = gpu.used
    run(beam)
    each = (gpu.peak - before) / beam.n
    stated = memory.bytes_per_particle(work)
    assert stated <= 1.02 * each, (stated, each)
    ways = 0 if not work.resident else 4 if work.kind is TANGENT else 1.5  # forward mode of moments takes most
    assert each <= 1.02 * stated + ways * memory.SIX * (1 + work.stored), (stated, each)


def test_automatic_chunks(gpu):
    """2^20 particles or all of them; powers of two where memory is short, which fit together with their like."""
    program, work = compile_program(LINE), memory.Work(SWEEP, 3)
    each = memory.bytes_per_particle(work)
    assert each == 256

    def size(n, wanted=None):
        return memory.chunk_size(work, program, n, 0, wanted)

    assert size(1000) == 1000 and size(10**8) == memory.CHUNK and size(10**8, 999) == 999 and size(10, 999) == 10
    gpu.total = gpu.used + 5 * 2**20
    small = size(10**8)
    assert small == 2**12 and 2 * small * each < 2.5 * 2**20 < 4 * small * each
    assert size(10**8) == small
    assert memory.chunk_size(memory.Work(recorded=1000), program, 10**8, 0) <= memory.SLOT_BYTES // 48000
    with pytest.raises(DeviceMemoryError, match=r"200000 particles at a time .*smaller chunks, or omit chunk="):
        size(10**8, 10**5)
    gpu.total = gpu.used + 1000
    with pytest.raises(DeviceMemoryError, match=r"2 particles at a time need .*; 1 kB of .* are free; free some"):
        size(10**8)


def test_free_memory(gpu, monkeypatch):
    """Free memory of the driver and of CuPy's pool, up to the limit of the pool."""
    gpu.total = gpu.used + 1000
    assert memory.free_bytes(0)[0] == 1000
    monkeypatch.setattr(Pool, "free_bytes", lambda pool: 500)
    assert memory.free_bytes(0)[0] == 1500
    monkeypatch.setattr(Pool, "limit", gpu.used + 700)
    assert memory.free_bytes(0) == (700, gpu.used + 700)


def test_more_than_fit(ring, gpu):
    """A beam on the device is refused before it is tracked; the same one in host memory is streamed, without chunk=."""
    host, there = beams(ring, 4000)
    expected = gt.track(ring, there, 2)
    gpu.total, seen = gpu.used + 200_000, []
    text = r"4000 particles .*need 5\d\d kB on GPU 0 \(128 bytes each plus .*\); 200 kB of .* are free; leave"
    with pytest.raises(DeviceMemoryError, match=rf"{text} the beam in host memory.*backend='cuda'"):
        gt.track(ring, there, 2, progress=lambda *done: seen.append(done))
    assert not seen
    assert_same(gt.track(ring, host, 2, backend="cuda"), expected)


def test_more_records_than_fit(gpu):
    beam = gt.Beam(0.1 * start_of(1000), LINE.reference)
    there = beam.to_device("cupy")
    gpu.total = gpu.used + 1_000_000
    with pytest.raises(DeviceMemoryError, match=r"\(9664 bytes each .*record less \(Monitor\(every="):
        gt.track(LINE, there, 100, monitors=RECORDS)
    assert gt.track(LINE, beam, 100, monitors=RECORDS, backend="cuda").records[0].coordinates.shape == (100, 1, 6, 1000)
    assert gt.track(LINE, there, 100, monitors=SIZES).records[0].sigma.shape == (100, 1, 6, 6)
    with pytest.raises(DeviceMemoryError, match="1000 particles at a time need"):
        gt.grad(lambda k: anp.sum(gt.track(LINE.with_knobs(KNOBS, k), there, 100, monitors=RECORDS).x))(KNOBS.values)

    def first(k):
        return gt.track(LINE.with_knobs(KNOBS, k), there, 100, monitors=SIZES).records[0].sigma[0, 0, 0, 0]

    assert gt.grad(first)(KNOBS.values)[0] != 0.0  # moments have no cotangents of coordinates


def test_moving_more_than_fit(gpu):
    beam = gt.Beam(start_of(1000), LINE.reference)
    gpu.total = gpu.used + 10_000
    words = r"Beam.to_device: 1000 particles need at least 76000 bytes.*backend='cuda'"
    with pytest.raises(DeviceMemoryError, match=words):
        beam.to_device("cupy")


@pytest.mark.parametrize("resident", [True, False])
def test_memory_that_others_take_on_the_way(ring, gpu, one_by_one, resident):
    """The partial result and its records are preserved, and tracking can be continued from there."""
    beam = beams(ring)[resident]
    total = gpu.total
    monitors = [gt.Monitor("bpm.01*")]
    options = dict(monitors=monitors, backend="cuda" if resident else CHUNKS)

    def fill(done, turns):
        if done == 3:
            gpu.total = gpu.used + 10

    with pytest.raises(TrackingStopped, match=r"stopped after 3 of 9 turns") as caught:
        gt.track(ring, beam, 9, progress=fill, **options)
    assert isinstance(caught.value.__cause__, DeviceMemoryError)
    text = "GPU memory ran out .*stream it" if resident else "32 particles at a time need .* smaller chunks"
    assert re.search(text, str(caught.value))
    assert resident == (caught.value.result is None)  # its records are concatenated on the device
    assert ("no memory left" in str(caught.value)) == resident
    gpu.total = total
    if not resident:
        expected = gt.track(ring, beam, 3, **options)
        assert_same(caught.value.result, expected)
        np.testing.assert_array_equal(caught.value.result.records[0].coordinates, expected.records[0].coordinates)


# -- streams, devices, page-locked memory ------------------------------------------------------------------------------


def test_one_chunk_is_on_its_way_while_another_is_worked_on(ring, monkeypatch):
    waiting, waited_for, run, wait = [], [], Stream.run, Stream.wait_event

    def waits(stream, event):
        waited_for.append(event.stream)
        wait(stream, event)

    def watched(stream, place=None):
        waiting.append(len(stream._waiting))
        run(stream, place)

    monkeypatch.setattr(Stream, "run", watched)
    monkeypatch.setattr(Stream, "wait_event", waits)
    with Stream(non_blocking=True) as own:
        gt.track(ring, beams(ring)[0], backend=CHUNKS)
    # up, kernel and down of four chunks, the first two after the pending work of the caller's stream
    assert waiting.count(4) == 2 and waiting.count(3) == 2 and waited_for == [own, own]


def test_second_device(ring):
    before = MEMORY[0].used, MEMORY[1].used
    MEMORY[0].peak, MEMORY[1].peak = before
    beam = beams(ring)[0]
    out = gt.track(ring, beam, backend=gt.Streamed(chunk=20, device=1))
    assert_same(out, gt.track(ring, beam, backend=CHUNKS))
    assert MEMORY[1].peak > before[1]
    with pytest.raises(InputError, match="device must be < 2, the number of GPUs here, got 2"):
        gt.track(ring, beam, backend=gt.Streamed(device=2))


def test_too_little_page_locked_memory(ring, monkeypatch):
    monkeypatch.setattr("test_streamed.PINNED_LIMIT", PINNED_LIMIT)
    limit, PINNED_LIMIT[0] = PINNED_LIMIT[0], 1000
    try:
        with pytest.raises(BackendError, match=r"page-locked memory for chunks of 16 particles .*Streamed\(chunk="):
            gt.track(ring, beams(ring)[0], backend=CHUNKS)
    finally:
        PINNED_LIMIT[0] = limit
    assert not any(block() for block in PINNED)


def test_ctrl_c(ring, one_by_one):
    beam = beams(ring)[0]
    with pytest.raises(TrackingInterrupted, match="after 3 of 50 turns") as caught:
        gt.track(ring, beam, 50, backend=CHUNKS, progress=press())
    assert_same(caught.value.result, gt.track(ring, beam, 3, backend=CHUNKS))


def test_stretches_are_long_beside_their_copies(ring, monkeypatch):
    """A beam that takes long to copy stays on the device for more turns."""
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 0.0)
    monkeypatch.setattr(tracking_run, "COPIES", 1e4)
    seen = []
    gt.track(ring[:10], beams(ring)[0], backend=CHUNKS)  # kernels are built
    gt.track(ring[:10], beams(ring)[0], 12, backend=CHUNKS, progress=lambda done, turns: seen.append(done))
    assert seen == [1, 12]


# -- other functions that take a backend -------------------------------------------------------------------------------


def test_scans(ring):
    shape = gt.Polar(radius=2e-2, steps=5, angles=4)
    ours = gt.dynamic_aperture(ring, shape, turns=3, backend=gt.Streamed(chunk=7))
    theirs = gt.dynamic_aperture(ring, shape, turns=3, xp="cupy")
    assert_same(ours.beam, theirs.beam)
    assert 0 < ours.survived.sum() < 20


def test_blocks_of_a_frequency_map(ring):
    shape = gt.Grid(x=(0.0, 1e-3, 3), y=(0.0, 0.0, 1))
    ours = gt.frequency_map(ring, shape, turns=16, backend=gt.Streamed(chunk=2))
    np.testing.assert_array_equal(ours.values, gt.frequency_map(ring, shape, turns=16, xp="cupy").values)


def test_command_line(tmp_path):
    path = tmp_path / "line.json"
    gt.save(LINE, path)
    sizes = [f"--sigma-{name}=1e-3" for name in ("x", "px", "y", "py")]
    arguments = ["track", str(path), "--output", str(tmp_path / "a.h5"), "--backend", "cuda", *sizes, "--turns", "2"]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--particles", "30"])
    assert stopped.value.code == 0
    assert gt.Beam.load(tmp_path / "a.h5").n == 30


@pytest.mark.parametrize(
    "wrong", [dict(chunk=0), dict(chunk=2.5), dict(chunk=True), dict(device=-1), dict(device="0")], ids=str
)
def test_wrong_choices(wrong):
    with pytest.raises(InputError, match=f"Streamed: {next(iter(wrong))} must be an integer >= "):
        gt.Streamed(**wrong)


# -- maps of the whole beam --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded():
    proton = gt.ReferenceParticle.proton(kinetic=1e9)
    cell = gt.Lattice([gt.Drift("d1", length=0.2), gt.Quadrupole("q", length=0.1, k1=3.0), gt.Marker("m")], proton)
    return cell.with_space_charge(gt.PipeModes((0.05, 0.05), modes=(4, 4)), current=100.0)


def test_space_charge(crowded):
    """The whole beam goes there and back: particles, records, derivatives."""
    host = gt.Beam(start_of(100), crowded.reference)
    there, options = host.to_device("cupy"), dict(turns=2, monitors=RECORDS)
    ours, theirs = gt.track(crowded, host, backend=CHUNKS, **options), gt.track(crowded, there, **options)
    assert_same(ours, theirs)
    np.testing.assert_array_equal(ours.records[0].coordinates, host_copy(theirs.records[0].coordinates))
    knobs = crowded.knobs("*.current", "q.k1")

    def size(k, coordinates, backend):
        beam = gt.Beam(coordinates, crowded.reference)
        out = gt.track(crowded.with_knobs(knobs, k), beam, backend=backend, turns=2, monitors=SIZES)
        return out.size("x") + anp.sum(out.records[0].sigma[:, 0, 0, 0])

    for argument in (0, 1):
        ours = gt.grad(size, argument)(knobs.values, host.coordinates, "cuda")
        theirs = gt.grad(size, argument)(knobs.values, there.coordinates, None)
        np.testing.assert_allclose(ours, host_copy(theirs), rtol=1e-9, atol=1e-13 * np.abs(ours).max())
    with pytest.raises(BackendError, match="forward mode through collective effects needs the host"):
        gt.jvp(lambda k: size(k, host.coordinates, "cuda"), (knobs.values,), (np.ones(2),))


@pytest.mark.parametrize("resident", [True, False])
def test_space_charge_of_more_than_fit(crowded, gpu, resident):
    """An error with the numbers before tracking, even if a chunk would fit."""
    beam, seen = gt.Beam(start_of(1000), crowded.reference), []
    beam = beam.to_device("cupy") if resident else beam
    gpu.total = gpu.used + 40_000
    backend = "cuda" if resident else gt.Streamed(chunk=10)
    text = r"1000 particles at a time need .* kB on GPU 0 .*4\d(\.\d)? kB of .* are free; 'd1' acts on the whole beam"
    with pytest.raises(DeviceMemoryError, match=text) as caught:
        gt.track(crowded, beam, 3, backend=backend, progress=lambda *done: seen.append(done))
    assert not seen
    fit = int(re.search(r"use at most (\d+)", str(caught.value))[1])
    assert 0.95 * 40_000 < fit * (130 if resident else 74) < 1.02 * 40_000
