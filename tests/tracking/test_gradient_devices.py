"""Gradients of beams on a GPU, on the stand-in for CuPy: the same as on the host, and permitted copies."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from support.backends import host_copy
from support.emulation import fake_cupy
from support.lossy_line import start_of

import gputrack as gt
from gputrack.base.errors import BackendError, InputError
from gputrack.base.sealed_array import DeviceArray
from gputrack.lattice.program import compile_program

SAME = 1e-10  # of the largest: round-off of 1e-14 m over some turns, of an amplitude of 1e-3 m


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    fake_cupy.install(monkeypatch)


@pytest.fixture(scope="module")
def ring():
    return gt.demo_ring()


@pytest.fixture(scope="module")
def knobs(ring):
    return ring.knobs("qf.*.k1", "sf*.k2", "bend.01a.angle", "qf.01a.dx")


def close(ours, theirs, tolerance=SAME):
    ours, theirs = host_copy(ours), host_copy(theirs)
    return np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def moments(ring, knobs, values, beam, turns=3):
    """A figure of the beam's moments, of the last turn and of those that a monitor recorded; some are lost."""
    out = gt.track(ring.with_knobs(knobs, values), beam, turns, monitors=[gt.Monitor("bpm*", every=2, moments=True)])
    sizes = anp.sum(anp.sqrt(out.records[0].sigma[:, :, 0, 0]))
    assert 0 < out.n_lost < out.n
    return out.size("x") + 10.0 * out.mean[3] + 1e-2 * sizes + 1e3 * out.eigen_emittances()[0]


def beams(ring, n=150):
    beam = gt.Beam(start_of(n), ring.reference)
    return beam, beam.to_device("cupy")


def test_gradient_in_knobs(ring, knobs):
    """Host and device agree; and the same to the bit twice."""
    host, gpu, again = (
        gt.value_and_grad(lambda k, b=beam: moments(ring, knobs, k, b))(knobs.values)
        for beam in (*beams(ring), beams(ring)[1])
    )
    assert type(gpu[1]) is np.ndarray
    assert gpu[0] == pytest.approx(host[0], rel=SAME)
    assert close(gpu[1], host[1])
    np.testing.assert_array_equal(gpu[1], again[1])


def test_only_small_things_cross(ring, knobs, monkeypatch):
    """Of 1000 particles and their records nothing comes to the host but moments and derivatives of the constants."""
    sizes = []
    get = fake_cupy.ndarray.get
    monkeypatch.setattr(fake_cupy.ndarray, "get", lambda array: sizes.append(array.size) or get(array))
    program = compile_program(ring)
    gt.grad(lambda k: moments(ring, knobs, k, beams(ring, 1000)[1], 2))(knobs.values)
    bpms = len(ring.indices("bpm*"))
    assert sizes and max(sizes) <= max(len(program.constants) + 200, 36 * bpms), sizes


def test_gradient_in_coordinates(ring, knobs):
    """CuPy arrays in, CuPy arrays out; also of several arguments at once, and in containers."""
    found = []
    for beam in beams(ring):

        def figure(values, coordinates):
            return moments(ring, knobs, values, gt.Beam(coordinates, ring.reference))

        one = gt.grad(figure, 1)(knobs.values, beam.coordinates)
        both = gt.grad(figure, (0, 1))(knobs.values, beam.coordinates)
        value, held = gt.value_and_grad(lambda d, f=figure: f(d["k"], d["c"]))(
            {"k": knobs.values, "c": beam.coordinates}
        )
        assert type(one) is type(both[1]) is type(held["c"]) is type(beam.coordinates)
        np.testing.assert_array_equal(host_copy(both[1]), host_copy(held["c"]))
        assert close(one, both[1])
        np.testing.assert_array_equal(both[0], held["k"])
        found.append((value, one, both[0]))
    host, gpu = found
    assert gpu[0] == pytest.approx(host[0], rel=SAME)
    assert close(gpu[1], host[1]) and close(gpu[2], host[2])


def test_gradient_of_coordinates_moved_to_the_host(ring, knobs):
    """Quantities other than moments are computed on the host: of the beam, and of records."""

    def figure(values, beam):
        out = gt.track(
            ring.with_knobs(knobs, values), beam, 3, monitors=[gt.Monitor("bpm.0*"), gt.Monitor("q*", every=9)]
        )
        near, recorded = out.to_device("numpy"), host_copy(out.records[0].coordinates)
        seen = anp.where(anp.isfinite(recorded), recorded, 0.0)
        return anp.sum(near.x**2) + anp.sum(near.px * near.z) + anp.sum(seen**2)

    host, gpu = (gt.value_and_grad(lambda k, b=beam: figure(k, b))(knobs.values) for beam in beams(ring))
    assert gpu[0] == pytest.approx(host[0], rel=SAME)
    assert close(gpu[1], host[1])


def test_gradient_through_a_beam_moved_to_the_device(ring, knobs):
    """Traced on the host, tracked on the GPU, averaged there."""

    def figure(scale, device):
        beam = gt.Beam(1e-1 * scale * start_of(40), ring.reference).to_device(device)
        return gt.track(ring, beam, 2).size("x")

    assert gt.grad(figure)(1.0, "cupy") == pytest.approx(gt.grad(figure)(1.0, "numpy"), rel=SAME)


def test_gradient_stays_on_the_device(ring, knobs):
    """On the second of two GPUs, whichever is current."""
    with fake_cupy.Device(1):
        beam = gt.Beam(start_of(20), ring.reference).to_device("cupy")

    def figure(coordinates):
        out = gt.track(ring, gt.Beam(coordinates, ring.reference), 2, monitors=[gt.Monitor("q*")])
        assert out.coordinates.device.id == out.records[0].coordinates.device.id == 1
        return out.size("x") + anp.sum(out.to_device("numpy").y ** 2)

    assert gt.grad(figure)(beam.coordinates).device.id == 1


def test_turns_without_records(ring, knobs):
    """A monitor that has nothing to record in these turns, and no turns at all."""
    host, gpu = beams(ring)

    def figure(values, beam, turns):
        beam = beam.replaced(turn=1)
        out = gt.track(ring.with_knobs(knobs, values), beam, turns, monitors=[gt.Monitor("bpm*", every=10)])
        assert out.records[0].coordinates.shape[0] == 0
        return out.size("x")

    for turns in (0, 2):
        a, b = (gt.grad(figure)(knobs.values, beam, turns) for beam in (host, gpu))
        assert np.abs(a - b).max() <= SAME * max(np.abs(a).max(), 1e-3)


REFUSED = {
    "x": lambda out: anp.sum(out.x**2),
    "numpy": lambda out: anp.sum(out.coordinates),
    "ufunc": lambda out: np.sin(out.coordinates),
    "traced ufunc": lambda out: anp.sin(out.coordinates),
    "product": lambda out: 2.0 * out.coordinates,
    "array product": lambda out: np.ones((6, 1)) * out.coordinates,
    "power": lambda out: out.coordinates**2,
    "method": lambda out: out.coordinates.sum(),
    "stack": lambda out: anp.stack([out.coordinates]),
    "conversion": lambda out: np.asarray(out.coordinates),
    "truth": lambda out: bool(out.coordinates),
    "record": lambda out: anp.mean(out.records[0].coordinates),
    "cupy": lambda out: __import__("cupy").sum(out.coordinates),
    "device product": lambda out: out.weights * out.coordinates,
}


@pytest.mark.parametrize("name", REFUSED)
def test_operations_that_autograd_cannot_follow_on_a_gpu_are_refused(ring, knobs, name):
    beam = beams(ring, 4)[1]

    def figure(values):
        return REFUSED[name](gt.track(ring.with_knobs(knobs, values), beam, monitors=[gt.Monitor("bpm*")]))

    with pytest.raises(InputError, match=r"on a GPU.*to_device\('numpy'\)"):
        gt.grad(figure)(knobs.values)


def test_other_misuses_are_refused(ring, knobs):
    import cupy

    beam = beams(ring, 4)[1]
    with pytest.raises(InputError, match="jacobian"):
        gt.jacobian(lambda c: gt.track(ring, gt.Beam(c, ring.reference)).mean)(beam.coordinates)
    with pytest.raises(InputError, match="values"):
        gt.grad(lambda k: gt.track(ring.with_knobs(knobs, k), beam).size("x"))(cupy.asarray(knobs.values))
    with pytest.raises(BackendError, match="need NumPy arrays"):
        gt.grad(lambda k: gt.track(ring.with_knobs(knobs, k), beam, backend="array").size("x"))(knobs.values)


def test_jacobian_of_moments(ring, knobs):
    host, gpu = (
        gt.jacobian(lambda k, b=beam: gt.track(ring.with_knobs(knobs, k), b).mean)(knobs.values)
        for beam in beams(ring, 30)
    )
    assert gpu.shape == (6, len(knobs)) and close(gpu, host)


def test_arrays_under_seal_are_a_vector_space():
    """Operations of autograd on values: sums where an argument is used several times, products with numbers."""
    import cupy
    from autograd.extend import vspace

    a, b = (DeviceArray(cupy.asarray(np.arange(6.0).reshape(2, 3) + i)) for i in range(2))
    space = vspace(a)
    assert space == vspace(b) and space.size == 6
    assert space.inner_prod(a, b) == pytest.approx(float(np.sum(a.array.get() * b.array.get())))
    np.testing.assert_array_equal(space.add(a, b).array.get(), a.array.get() + b.array.get())
    np.testing.assert_array_equal(space.scalar_mul(a, 3.0).array.get(), 3.0 * a.array.get())
    np.testing.assert_array_equal(space.mut_add(None, a).array.get(), a.array.get())
    assert not space.zeros().array.get().any() and space.ones().array.get().all()
