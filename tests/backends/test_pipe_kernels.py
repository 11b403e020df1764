"""Kernels of the field in a pipe, on every backend that has some, against array mathematics and autograd.

``pytest -s tests/backends/test_pipe_kernels.py -k compile`` prints registers, stack and spills.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from autograd import make_jvp
from support.backends import host_copy
from support.nvrtc import compile_cuda

import gputrack as gt
from gputrack.backends import choose_backend, collective
from gputrack.backends.array.losses import acceptable
from gputrack.backends.cuda import pipe_modes as collective_cuda
from gputrack.backends.generated import flattened_alone
from gputrack.backends.host import pipe_modes as collective_host
from gputrack.collective.pipe_modes import PIPE_KICK
from gputrack.elements.collective_map import Bunch
from gputrack.elements.map import ReferenceValues, make_state

PIPE = (0.013, 0.011)
REFERENCE = ReferenceValues.of(gt.ReferenceParticle.proton(kinetic=1e9))
MODES = [(1, 1), (5, 9), (12, 12)]


def op_of(modes):
    return SimpleNamespace(length=0.05, current=200.0, effect=gt.PipeModes(PIPE, modes), number=0)


def bunch(n=203):
    """Particles all over the pipe, some at its centre, its walls and its corner, and one without weight."""
    rng = np.random.default_rng(5)
    sizes = np.array([0.99 * PIPE[0] / 2, 1e-3, 0.99 * PIPE[1] / 2, 1e-3, 1e-3, 1e-3])
    coordinates = rng.uniform(-1.0, 1.0, (6, n)) * sizes[:, None]
    places = [(0.0, 0.0), (PIPE[0] / 2, 0.0), (0.0, -PIPE[1] / 2), (PIPE[0] / 2, PIPE[1] / 2), (1e-9, -1e-300)]
    coordinates[0, : len(places)], coordinates[2, : len(places)] = np.array(places).T
    weights = rng.uniform(0.5, 2.0, n)
    weights[7] = 0.0
    return Bunch(coordinates, weights, 1.1 * weights.sum())


def on_device(backend, value):
    """A copy of a bunch or an array where a backend wants it."""
    if isinstance(value, Bunch):
        return value._replace(**{k: on_device(backend, getattr(value, k)) for k in ("coordinates", "weights")})
    if backend != "cuda":
        return value.copy()
    import cupy

    return cupy.asarray(value)


@pytest.fixture
def kernel(backend):
    if backend == "array":
        pytest.skip("array mathematics is the reference")
    like = on_device(backend, np.zeros((6, 1)))
    kernel = choose_backend(backend, like, None if backend == "cuda" else 1).collective_kernel(PIPE_KICK)
    return SimpleNamespace(backend=backend, step=kernel.step, undo_adjoint=kernel.undo_adjoint)


def worst(found, expected, scale):
    return np.abs(host_copy(found) - expected).max() / np.abs(scale).max()


@pytest.mark.parametrize("modes", MODES)
def test_kicks_are_those_of_the_array_map(kernel, modes):
    """Both ways; sines of l u have an error of l times that of u, which is all that differs."""
    start, op = bunch(), op_of(modes)
    for backwards, by_arrays in ((False, PIPE_KICK.forward), (True, PIPE_KICK.inverse)):
        expected = by_arrays(start, op, REFERENCE)
        found = on_device(kernel.backend, start)
        assert kernel.step(found, op, REFERENCE, backwards) is None
        assert worst(found.coordinates, expected, expected - start.coordinates) <= 5e-14


def test_particles_outside_see_the_field_continued(kernel):
    """As sines do: a series that holds in the pipe alone keeps particles that are brought back from outside."""
    start, op = bunch(), op_of((5, 9))
    start.coordinates[0] += 2.7 * PIPE[0] * np.sign(start.coordinates[1])
    expected = PIPE_KICK.inverse(start, op, REFERENCE)
    found = on_device(kernel.backend, start)
    assert kernel.step(found, op, REFERENCE, True) is None
    assert worst(found.coordinates, expected, expected - start.coordinates) <= 5e-13  # angles are several times larger


@pytest.mark.parametrize("modes", MODES)
def test_adjoint_is_that_of_autograd(kernel, modes):
    start, op = bunch(), op_of(modes)
    bar = np.random.default_rng(1).normal(size=start.coordinates.shape)
    expected = collective.adjoint_by_autograd(PIPE_KICK, start, op, REFERENCE, bar)
    after = on_device(kernel.backend, start._replace(coordinates=PIPE_KICK.forward(start, op, REFERENCE)))
    bars = kernel.undo_adjoint(after, op, REFERENCE, on_device(kernel.backend, bar))
    assert worst(after.coordinates, start.coordinates, start.coordinates[1]) <= 1e-13
    assert worst(bars.coordinates, expected.coordinates, expected.coordinates - bar) <= 1e-12
    assert worst(bars.constants, expected.constants, expected.constants) <= 1e-12
    assert worst(bars.reference, expected.reference, expected.reference) <= 1e-12


def test_adjoint_by_hand_in_array_mathematics():
    start, op = bunch(), op_of((5, 9))
    bar = np.random.default_rng(1).normal(size=start.coordinates.shape)
    expected = collective.adjoint_by_autograd(PIPE_KICK, start, op, REFERENCE, bar)
    found = PIPE_KICK.adjoint(start, op, REFERENCE, bar)
    for ours, theirs in zip(found, expected, strict=True):
        assert worst(np.asarray(ours), theirs, theirs) <= 1e-12


def test_dot_product(kernel):
    """<u, J v> = <J' u, v>, with respect to coordinates and constants at once."""
    start, op = bunch(), op_of((5, 9))
    rng = np.random.default_rng(3)
    u, v, dv = rng.normal(size=start.coordinates.shape), rng.normal(size=start.coordinates.shape), rng.normal(size=2)

    def moved(step):
        own = SimpleNamespace(**{**vars(op), "length": op.length + step * dv[0], "current": op.current + step * dv[1]})
        return PIPE_KICK.forward(start._replace(coordinates=start.coordinates + step * v), own, REFERENCE)

    after = on_device(kernel.backend, start._replace(coordinates=PIPE_KICK.forward(start, op, REFERENCE)))
    bars = kernel.undo_adjoint(after, op, REFERENCE, on_device(kernel.backend, u))
    left = np.sum(u * make_jvp(moved)(0.0)(1.0)[1])
    right = np.sum(host_copy(bars.coordinates) * v) + np.sum(bars.constants * dv)
    assert abs(left - right) <= 1e-12 * abs(left)


def test_particles_that_cannot_move_forward_are_unchanged(kernel):
    """With their codes: momenta too large, or no numbers."""
    start, op = bunch(30), op_of((5, 9))
    op.current = 2e7
    start.coordinates[5, 3], start.coordinates[1, 11] = np.nan, np.nan
    expected = PIPE_KICK.forward(start, op, REFERENCE)
    good = acceptable(make_state(expected, REFERENCE), 1.0)
    own = on_device(kernel.backend, start)
    codes = host_copy(kernel.step(own, op, REFERENCE, False))
    assert 5 < np.sum(good) < 25
    assert np.array_equal(codes > 0, ~good)
    assert codes[3] == codes[11] == gt.LossCode.NOT_FINITE
    assert set(np.delete(codes, [3, 11])) == {0, gt.LossCode.UNPHYSICAL}
    found = host_copy(own.coordinates)
    assert np.array_equal(found[:, ~good], start.coordinates[:, ~good], equal_nan=True)
    assert worst(found[:, good], expected[:, good], expected[:, good]) <= 1e-13


def test_threads_agree_to_the_bit(monkeypatch):
    """One, two and three threads, forwards and backwards, for numbers of particles that fill no whole part."""
    monkeypatch.setattr(collective_host, "WORTH", 1e-9)
    op = op_of((5, 9))
    for n in (1, 5, 1003):
        start = bunch(max(n, 8))
        bar = np.random.default_rng(1).normal(size=start.coordinates.shape)
        results = []
        for threads in (1, 2, 3):
            kick, own = collective_host.PipeKick(threads), on_device("host", start)
            assert kick.step(own, op, REFERENCE, False) is None
            kicked = own.coordinates.copy()
            bars = kick.undo_adjoint(own, op, REFERENCE, bar.copy())
            arrays = kicked, own.coordinates, bars.coordinates, bars.constants
            results.append(np.concatenate(arrays, axis=None).tolist())
        assert results[0] == results[1] == results[2]


ALL = {"pipe_deposit", "pipe_deposit_adjoint", "gputrack_sum_rows", "pipe_kick", "pipe_kick_adjoint"}


@pytest.mark.parametrize("arch", ["sm_70", "sm_80", "sm_90"])
@pytest.mark.parametrize("modes", [(12, 12), (32, 32)])
def test_cuda_kernels_compile_without_spills(modes, arch, record_property):
    """Machine code for each architecture; waves of many modes are arrays in the thread's own memory."""
    result = compile_cuda(flattened_alone(collective_cuda.ENTRY), arch, *collective_cuda.options(*modes))
    assert result.cubin.startswith(b"\x7fELF") and set(result.kernels) == ALL
    for name, usage in sorted(result.kernels.items()):
        text = f"{arch} {modes} {name:21s} {usage}"
        print(text)
        record_property(f"{modes} {arch} {name}", str(usage))
        assert usage.stores == usage.loads == 0, text
        assert usage.registers * collective_cuda.THREADS <= 65536 // 2, text
        assert usage.stack <= 16 * sum(modes), text
    warnings = [line for line in result.log.splitlines() if "Architectures prior to" not in line]
    assert not warnings, "\n".join(warnings)
