"""Derivatives through monitors of moments: equal to those through all coordinates, in memory that does not grow."""

import tracemalloc

import autograd.numpy as anp
import numpy as np
import pytest
from support.backends import placed
from support.rings import scraping_ring, small_ring, wide_beam

import gputrack as gt
from gputrack.base.arrays import to_numpy
from gputrack.beam.moment_rules import mean_and_sigma
from gputrack.tracking import reverse_sweep
from gputrack.tracking import run as tracking_run

WEIGHTS = np.random.default_rng(5).normal(size=(7, 6))
SCALE = np.concatenate([np.full((1, 6), 1e3), np.full((6, 6), 1e6)])


def packed(record, weights):
    """(t, p, 7, 6) Moments of a record: its own, or of the coordinates that it holds."""
    if record.coordinates is None:
        return anp.concatenate([record.mean[:, :, None, :], record.sigma], axis=2)
    plain = gt.base.arrays.untraced(record.coordinates)
    xp = gt.base.arrays.namespace(plain)
    return mean_and_sigma(record.coordinates, weights, xp.isfinite(plain[:, :, 0, :]))


def scalar(record, weights):
    """One number of all moments of a record; later turns count more."""
    moments = packed(record, weights)
    factors = (1.0 + np.arange(len(record.turns)))[:, None, None, None] * WEIGHTS * SCALE
    return anp.sum(moments * factors)


def objective(ring, knobs, beam, turns, moments, **options):
    """Of knobs: numbers of records of both kinds and of the beam at the end."""
    monitors = [
        gt.Monitor("bpm1"), gt.Monitor("q*", every=2, moments=moments), gt.Monitor("bpm*", moments=moments),
        gt.Monitor("bpm2", every=3),
    ]  # fmt: skip

    def value(values):
        out = gt.track(ring.with_knobs(knobs, values), beam, turns, monitors=monitors, **options)
        chosen = out.records if moments is None else out.records[1:3]
        return sum(scalar(record, out.weights) for record in chosen) + 1e5 * out.size("x")

    return value


def beams(n, lossy):
    """A beam with weights, some particles of which are lost before or on the way."""
    weights = np.random.default_rng(2).uniform(0.5, 2.0, n)
    codes = np.where(np.arange(n) < n - 2, 0, 4)
    return wide_beam(n, weights=weights, loss_code=codes, turn=5), scraping_ring() if lossy else small_ring()


@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 11])
def test_gradients_are_those_through_all_coordinates(backend, lossy, turns):
    beam, ring = beams(30, lossy)
    beam = placed(beam, backend)
    knobs = ring.knobs("qf.k1", "qd.dx", "s.k2", "rf.voltage")
    found, wanted = (
        gt.grad(objective(ring, knobs, beam, turns, moments, backend=backend))(knobs.values)
        for moments in (True, False)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12 * np.abs(wanted).max())
    if turns and lossy:
        out = gt.track(ring, beam, turns, backend=backend)
        assert turns == 1 or out.n_lost > 2


def test_cotangents_of_the_coordinates_are_the_same():
    beam, ring = beams(30, True)

    def value(coordinates, moments):
        own, monitors = beam.replaced(coordinates=coordinates), [gt.Monitor("q*", moments=moments)]
        return scalar(gt.track(ring, own, 7, monitors=monitors).records[0], beam.weights)

    found, wanted = (gt.grad(lambda c, m=m: value(c, m))(np.array(beam.coordinates)) for m in (True, False))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max())


def test_streamed_beams(monkeypatch):
    from support.emulation import fake_cupy

    fake_cupy.install(monkeypatch)
    beam, ring = beams(30, True)
    knobs = ring.knobs("qf.k1", "s.k2")
    wanted = gt.grad(objective(ring, knobs, beam, 5, True))(knobs.values)
    found = gt.grad(objective(ring, knobs, beam, 5, True, backend=gt.Streamed(chunk=7)))(knobs.values)
    np.testing.assert_allclose(found, wanted, rtol=1e-11)


@pytest.mark.parametrize("name", ["array", "host"])
def test_tangents_are_those_of_all_coordinates(name):
    beam, ring = beams(20, True)
    knobs = ring.knobs("qf.k1", "qd.dx", "s.k2")
    direction = np.array([1.0, -1e-3, 5.0])
    values = [
        gt.jvp(objective(ring, knobs, beam, 6, moments, backend=name), (knobs.values,), (direction,))
        for moments in (True, False)
    ]
    np.testing.assert_allclose(*values, rtol=1e-11)
    gradient = gt.grad(objective(ring, knobs, beam, 6, True, backend=name))(knobs.values)
    assert gradient @ direction == pytest.approx(values[0][1], rel=1e-9)


def test_rows_of_a_jacobian_are_swept_by_themselves():
    beam, ring = beams(12, False)
    knobs = ring.knobs("qf.k1", "qd.k1")

    def sizes(values):
        out = gt.track(ring.with_knobs(knobs, values), beam, 4, monitors=[gt.Monitor("bpm*", moments=True)])
        return 1e6 * out.records[0].sigma[:, 0, 0, 0]

    rows = [gt.grad(lambda v, i=i: sizes(v)[i])(knobs.values) for i in range(4)]
    np.testing.assert_allclose(gt.jacobian(sizes)(knobs.values), rows, rtol=1e-12)


@pytest.mark.parametrize("name", ["array", "host"])
def test_stretches_that_are_run_again(name, monkeypatch):
    """Where undoing loses too many digits, here always, stretches are halved down to single turns."""
    beam, ring = beams(10, True)
    knobs = ring.knobs("qf.k1", "s.k2")
    wanted = gt.grad(objective(ring, knobs, beam, 21, True, backend=name))(knobs.values)
    monkeypatch.setattr(reverse_sweep, "recovered", lambda *_: False)
    found = gt.grad(objective(ring, knobs, beam, 21, True, backend=name))(knobs.values)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("name", ["array", "host"])
def test_beside_collective_effects(name):
    """Turns are cut at the kicks; records stand on both sides of them."""
    line = gt.Lattice(
        [gt.Quadrupole("q", length=0.3, k1=1.0), gt.Drift("d", length=1.0), gt.Quadrupole("p", length=0.3, k1=-1.0),
         gt.Marker("m")], gt.ReferenceParticle.proton(kinetic=1e9),
    )  # fmt: skip
    line = line.with_space_charge(gt.PipeModes(pipe=(0.1, 0.1), modes=(4, 4)), current=50.0)
    rng = np.random.default_rng(4)
    scale = np.array([5e-3, 1e-3, 5e-3, 1e-3, 1e-2, 1e-3])[:, None]
    beam = gt.Beam(scale * rng.normal(size=(6, 40)), line.reference)
    knobs = line.knobs("q.k1", "d.current", "p.dx")

    def value(values, moments):
        monitors = [gt.Monitor("m", moments=moments), gt.Monitor("q", every=2, moments=moments)]
        out = gt.track(line.with_knobs(knobs, values), beam, 3, monitors=monitors, backend=name)
        return sum(scalar(record, beam.weights) for record in out.records)

    found, wanted = (gt.grad(lambda v, m=m: value(v, m))(knobs.values) for m in (True, False))
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_memory_does_not_grow_with_turns_times_particles(monkeypatch):
    """Four times the turns: moments of these, and nothing for each particle but the records of one stretch."""
    monkeypatch.setattr(tracking_run, "RECORD_BYTES", 2**20)
    ring, n = small_ring(), 4000
    beam = wide_beam(n)
    knobs = ring.knobs("qf.k1")
    places = len(ring.indices("q*"))

    def peak(turns):
        def value(values):
            out = gt.track(ring.with_knobs(knobs, values), beam, turns, monitors=[gt.Monitor("q*", moments=True)])
            return anp.sum(out.records[0].sigma[:, :, 0, 0])

        gt.grad(value)(knobs.values)  # caches
        tracemalloc.start()
        gt.grad(value)(knobs.values)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # checkpoints are 8 from 8 turns on
    more = peak(160) - peak(40)
    of_moments = 120 * places * (42 + 48) * 8
    assert more < 8 * of_moments, more
    assert 8 * of_moments < 120 * places * 6 * n * 8 / 10


def test_records_show_what_they_hold():
    ring, beam = small_ring(), wide_beam(20)
    knobs = ring.knobs("qf.k1")
    shown = []

    def value(values):
        monitor = gt.Monitor("bpm*", moments=True)
        record = gt.track(ring.with_knobs(knobs, values), beam, 3, monitors=[monitor]).records[0]
        shown.append((record.coordinates, record.monitor, record.names, record.turns.tolist(), record.mean.shape))
        plain = gt.track(ring, beam, 3, monitors=[monitor]).records[0]
        np.testing.assert_array_equal(to_numpy(gt.base.arrays.untraced(record.mean)), plain.mean)
        return anp.sum(record.mean)

    gt.grad(value)(knobs.values)
    assert shown == [(None, gt.Monitor("bpm*", moments=True), ["bpm1", "bpm2"], [0, 1, 2], (3, 2, 6))]
