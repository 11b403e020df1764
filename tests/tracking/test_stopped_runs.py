"""Errors in the middle of a run: partial results are attached to them, and preserved in files."""

import errno
import os
import pickle
import resource

import autograd.numpy as anp
import h5py
import numpy as np
import pytest
from support.backends import host_copy, placed, plain
from support.rings import ELECTRON, lens_ring, small_ring, wide_beam

import gputrack as gt
from gputrack.analysis import frequency_scan
from gputrack.analysis import starting_points as shapes
from gputrack.base.errors import InputError, TrackingInterrupted, TrackingStopped
from gputrack.tracking import monitor_file
from gputrack.tracking import run as tracking_run

RING = small_ring()


class OwnError(Exception):
    """Error raised by a user's function."""


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch):
    monkeypatch.setattr(tracking_run, "STRETCH_SECONDS", 0.0)


def raising(at, error=OwnError):
    def progress(done, turns):
        if done >= at:
            raise error("enough")

    return progress


def same_beams(one, other):
    assert one.turn == other.turn
    for a, b in zip(plain(one), plain(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_errors_of_progress_functions_carry_the_turns(backend):
    beam, monitor = placed(wide_beam(20, turn=10), backend), gt.Monitor("bpm*")
    with pytest.raises(TrackingStopped, match=r"stopped after 3 of 50 turns; .*: OwnError: enough") as caught:
        gt.track(RING, beam, 50, backend=backend, progress=raising(3), monitors=[monitor])
    assert isinstance(caught.value.__cause__, OwnError)
    whole = gt.track(RING, beam, 3, backend=backend, monitors=[monitor])
    same_beams(caught.value.result, whole)
    partial, expected = (host_copy(b.records[0].coordinates) for b in (caught.value.result, whole))
    np.testing.assert_array_equal(partial, expected)


@pytest.mark.parametrize("kind", [TrackingStopped, TrackingInterrupted])
def test_they_come_back_from_other_processes(kind):
    out = gt.track(RING, wide_beam(3), 2, monitors=[gt.Monitor("bpm*")])
    back = pickle.loads(pickle.dumps(kind("stopped after 2 turns", out)))
    assert type(back) is kind and str(back) == "stopped after 2 turns"
    same_beams(back.result, out)
    assert back.result.records[0].turns.tolist() == [0, 1]


def stopping_wake(**options):
    """Its table is long enough until the slow particle falls behind."""
    return gt.TableWake(
        "tw", slicing=gt.Quantiles(2), distances=(0.0, 0.5), wake=(1.0, 0.0), **options
    )


def slipping_beam():
    """One particle is slower: it falls behind by 0.03 m per turn of 3 m."""
    coordinates = np.zeros((6, 4))
    coordinates[0], coordinates[5] = 1e-4 * np.arange(4), (0.0, 0.0, 0.0, -0.2)
    return gt.Beam(coordinates, gt.ReferenceParticle.proton(kinetic=5e7), weights=1e3)


def long_ring(**options):
    beam = slipping_beam()
    return gt.Lattice([gt.Drift("d", length=0.7), stopping_wake(**options), gt.Marker("m")], beam.reference), beam


def test_a_table_that_ends_on_the_way(backend, monkeypatch):
    """In the middle of a turn, in the middle of a stretch of 4: the last whole stretch is preserved."""
    ring, beam = long_ring()
    beam, monitor = placed(beam, backend), gt.Monitor("m")
    progress = []
    with pytest.raises(TrackingStopped) as caught:
        gt.track(ring, beam, 50, backend=backend, monitors=[monitor], progress=lambda done, _: progress.append(done))
    done = progress[-1]
    assert 1 < done < 50
    assert f"stopped after {done} of 50 turns" in str(caught.value)
    assert "TableWake 'tw': the table ends at 0.5 m, but slices are up to 0.5" in str(caught.value)
    assert isinstance(caught.value.__cause__, InputError)
    same_beams(caught.value.result, gt.track(ring, beam, done, backend=backend))
    assert caught.value.result.records[0].turns.tolist() == list(range(done))
    monkeypatch.setattr(tracking_run.Run, "_turns_per_stretch", lambda self: 4)
    with pytest.raises(TrackingStopped) as coarse:
        gt.track(ring, beam, 50, backend=backend)
    assert coarse.value.result.turn == done // 4 * 4
    same_beams(coarse.value.result, gt.track(ring, beam, done // 4 * 4, backend=backend))


def test_errors_before_the_first_turn_are_unchanged():
    ring, beam = long_ring()
    with pytest.raises(InputError, match="TableWake 'tw': the table ends"):
        gt.track(ring, beam.replaced(coordinates=beam.coordinates * np.array([1, 1, 1, 1, 1, 4.0])[:, None]), 10)


def test_where_a_gradient_is_being_taken():
    ring, beam = long_ring()
    knobs = ring.knobs("d.length")

    def goal(k):
        return anp.sum(gt.track(ring.with_knobs(knobs, k), beam, 50).coordinates[4])

    for attempt in (lambda: gt.grad(goal)(knobs.values), lambda: gt.jvp(goal, (knobs.values,), (np.ones(1),))):
        with pytest.raises(TrackingStopped, match=r"stopped after \d+ of 50 turns") as caught:
            attempt()
        done = caught.value.result.turn
        assert done > 1
        same_beams(caught.value.result, gt.track(ring, beam, done))


def full(monkeypatch, after):
    """A disk that is full once so many stretches are written."""
    calls = []

    def fallocate(*arguments):
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", fallocate)


def test_a_full_disk_leaves_a_file_of_whole_stretches(tmp_path, monkeypatch):
    """The other monitors have the turn that did not fit, and so has the beam."""
    full(monkeypatch, 3)
    path = tmp_path / "m.h5"
    monitors = [gt.Monitor("bpm1", path=path), gt.Monitor("bpm*")]
    with pytest.raises(TrackingStopped) as caught:
        gt.track(RING, wide_beam(20), 50, monitors=monitors)
    for word in ("stopped after 4 of 50", "Monitor 'bpm1'", str(path), "holds 3 recorded turns", "No space", "every="):
        assert word in str(caught.value)
    result, whole = caught.value.result, gt.track(RING, wide_beam(20), 4, monitors=[gt.Monitor("bpm*")])
    same_beams(result, whole)
    assert [len(r.turns) for r in result.records] == [3, 4]
    np.testing.assert_array_equal(result.records[1].coordinates, whole.records[0].coordinates)
    with h5py.File(path) as file:
        assert file["turn"][:].tolist() == [0, 1, 2]
        np.testing.assert_array_equal(file["coordinates"][:], whole.records[0].coordinates[:3, :1])


def test_space_is_looked_for_where_the_file_is(tmp_path):
    """Really, with a limit on the size of files instead of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monitor_file.require_space(tmp_path, 1000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * monitor_file.SPARE, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            monitor_file.require_space(tmp_path, 2 * monitor_file.SPARE)
        monitor_file.require_space(tmp_path, 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_beam_file_that_does_not_fit(tmp_path):
    """No incomplete file remains, and existing files are unchanged."""
    path, beam = tmp_path / "b.h5", wide_beam(50)
    beam.save(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write beam file .*b\.h5: .*File too large"):
            wide_beam(1000).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == [path]
    same_beams(gt.Beam.load(path), beam)


def test_a_record_that_does_not_fit_the_memory(monkeypatch):
    """The beam and the records of preceding turns are preserved."""
    original, calls = tracking_run.make_records, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise MemoryError("no memory")
        return original(*arguments)

    monkeypatch.setattr(tracking_run, "make_records", failing)
    with pytest.raises(TrackingStopped, match=r"after 3 of 9 turns.*MemoryError") as caught:
        gt.track(RING, wide_beam(20), 9, monitors=[gt.Monitor("bpm1")])
    assert caught.value.result.turn == 3 and len(caught.value.result.records[0].turns) == 3


SHAPE = shapes.Grid(x=(0.0, 0.02, 4), y=(0.0, 0.02, 2))
LENSES = lens_ring()


def test_dynamic_apertures_keep_their_turns(tmp_path):
    path = tmp_path / "scan.h5"
    with pytest.raises(TrackingStopped, match=r"after 10 of 40 turns.*OwnError: enough") as caught:
        gt.dynamic_aperture(LENSES, SHAPE, turns=40, file=path, progress=raising(10))
    result = caught.value.result
    assert isinstance(result, gt.DynamicAperture) and result.turns == 10
    assert isinstance(caught.value.__cause__, OwnError)
    whole = gt.dynamic_aperture(LENSES, SHAPE, turns=40)
    rest = gt.dynamic_aperture(LENSES, SHAPE, turns=40, file=path)
    np.testing.assert_array_equal(rest.beam.coordinates, whole.beam.coordinates)


def test_a_scan_whose_file_goes_away(tmp_path):
    """The folder is removed during the scan: results in memory are attached to the error."""
    folder = tmp_path / "runs"
    folder.mkdir()

    def progress(done, turns):
        if done == 9:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    with pytest.raises(TrackingStopped, match=r"cannot write dynamic_aperture file.*No such file") as caught:
        gt.dynamic_aperture(LENSES, SHAPE, turns=40, file=folder / "scan.h5", progress=progress)
    assert caught.value.result.turns == 16  # the next look


@pytest.mark.parametrize("scan", [gt.dynamic_aperture, gt.frequency_map])
def test_files_that_cannot_be_are_refused_before_the_work(scan, tmp_path):
    def never(done, turns):
        raise AssertionError("it ran")

    with pytest.raises(InputError, match=r"cannot write (dynamic_aperture|frequency_map) file .*No such file"):
        scan(LENSES, SHAPE, turns=16, file=tmp_path / "no" / "scan.h5", progress=never)


def test_frequency_maps_keep_their_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(frequency_scan, "RECORD_BYTES", 3 * 16 * 48)
    path = tmp_path / "map.h5"
    for at, particles in ((40, 3), (5, 3), (70, 6)):
        with pytest.raises(TrackingStopped, match=f"after {particles} of 8 particles.*OwnError: enough") as caught:
            gt.frequency_map(LENSES, SHAPE, turns=16, file=path, progress=raising(at))
        assert isinstance(caught.value.result, gt.FrequencyMap) and caught.value.result.done == particles
    first = tmp_path / "new.h5"
    with pytest.raises(TrackingStopped, match="after 0 of 8 particles") as caught:
        gt.frequency_map(LENSES, SHAPE, turns=16, file=first, progress=raising(5))
    assert caught.value.result.done == 0


# -- collisions --------------------------------------------------------------------------------------------------------

POSITRON = gt.ReferenceParticle(ELECTRON.mass, 1.0, ELECTRON.p0c)
POINT = gt.BeamBeam("ip", particles=1.0, emit_x=1e-8, emit_y=1e-8)


def colliding(reference, opening=None, n=12):
    rng = np.random.default_rng(1)
    cell = [
        gt.Drift("d", length=0.5), gt.Multipole("q", knl=(0.0, 1.5)), gt.Drift("m", length=0.4),
        gt.Multipole("p", knl=(0.0, -1.5)), gt.Drift("d", length=0.5, aperture=opening),
    ]  # fmt: skip
    sizes = np.array([1e-4, 1e-4, 1e-4, 1e-4, 1e-3, 0.0])[:, None]
    return gt.Lattice(cell, reference), gt.Beam(sizes * rng.normal(size=(6, n)), reference, weights=1e6)


def test_a_beam_that_dies_in_collisions():
    """Some turns pass until two are left; they are those of a shorter run."""
    sides = colliding(ELECTRON), colliding(POSITRON, gt.Aperture(rectangle=(5e-5, 1.0)))
    with pytest.raises(TrackingStopped, match=r"the second beam has \d surviving particles of 12.*3 or more") as caught:
        gt.collide(*sides, POINT, turns=50)
    result = caught.value.result
    assert 1 < result.turns < 50 and result.beams[1].n - result.beams[1].n_lost < 3
    shorter = gt.collide(*sides, POINT, turns=result.turns)
    np.testing.assert_array_equal(result.luminosity, shorter.luminosity)
    np.testing.assert_array_equal(result.means, shorter.means)
    for one, other in zip(result.beams, shorter.beams, strict=True):
        same_beams(one, other)
    knobs = sides[0][0].knobs("q.knl[1]")
    with pytest.raises(TrackingStopped) as traced:
        gt.grad(lambda k: gt.collide((sides[0][0].with_knobs(knobs, k), sides[0][1]), sides[1], POINT, 50)
                .luminosity[0])(knobs.values)  # fmt: skip
    np.testing.assert_array_equal(traced.value.result.luminosity, result.luminosity)


def test_a_beam_dead_from_the_start_is_refused():
    ring, beam = colliding(POSITRON)
    with pytest.raises(InputError, match="the second beam has 0 surviving particles of 12"):
        gt.collide(colliding(ELECTRON), (ring, beam.replaced(loss_code=np.ones(12, dtype=int))), POINT, turns=3)


@pytest.mark.parametrize("where", ["in a ring", "between"])
def test_collisions_keep_their_turns_on_ctrl_c(monkeypatch, where):
    import signal

    from gputrack.tracking import collide as strong_strong

    name = "track" if where == "in a ring" else "moments_of"
    original, calls = getattr(strong_strong, name), []

    def pressing(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments, **options)

    monkeypatch.setattr(strong_strong, name, pressing)
    with pytest.raises(TrackingInterrupted, match=r"interrupted after \d of 30 turns") as caught:
        gt.collide(colliding(ELECTRON), colliding(POSITRON), POINT, turns=30)
    result = caught.value.result
    assert result.turns == len(result.luminosity) == result.beams[0].turn == {"track": 3, "moments_of": 5}[name]
