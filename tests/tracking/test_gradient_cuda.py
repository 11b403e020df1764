"""The backward sweep of the CUDA kernels without a GPU: the same text, thread by thread, against the host's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.backends import host_copy
from support.cases import CASES, SPECIES
from support.emulation import fake_cupy
from support.emulation.emulated_cuda import RawModule
from support.gradients import MODELS, SIZE
from support.lossy_line import LIMIT, lossy, start_of

import gputrack as gt
from gputrack.backends.cuda import backend as cuda
from gputrack.backends.cuda.backend import CudaBackend
from gputrack.backends.derivatives import Cotangents
from gputrack.backends.generated import flattened
from gputrack.backends.host.backend import HostBackend
from gputrack.backends.launch import Launch, Particles, make_records
from gputrack.elements.map import MAPS, built_in_maps
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import compile_program

THREADS = cuda.THREADS
SAME = 1e-13  # of the largest: sums over a few particles in another order, products fused with sums or not
RING = 1e-11  # hundreds of elements, some of which subtract path lengths of 1.5 m: 3e-14 m, carried by derivatives


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    fake_cupy.install(monkeypatch)
    monkeypatch.setattr(cuda, "most_constants", lambda program: 256)  # one build for all programs


def swept(backend, program, reference, start, cotangent, turns=1, monitors=(), seed=0, limit=1.0):
    """Forwards and back: particles, recovered coordinates, cotangents, derivatives by the constants, on the host."""
    xp = np
    if backend.name == "cuda":
        import cupy as xp
    program = replace(program, kinds=frozenset(built_in_maps()))
    n = start.shape[1]
    records = make_records([(len(range(0, turns, every)), len(places)) for every, places in monitors], n, xp)
    p = Particles(
        xp.array(start, order="C"), xp.zeros(n, dtype=xp.int32), xp.full(n, -1, dtype=xp.int64),
        xp.full(n, -1, dtype=xp.int32),
    )  # fmt: skip
    launch = Launch(program, reference, 0, turns, limit, records)
    backend.step(p, launch)
    bar = xp.array(cotangent, order="C")
    seeds = np.random.default_rng(seed).normal(size=records.flat.shape) if monitors else None
    gradient = backend.step_adjoint(p, Cotangents(bar, None if seeds is None else xp.asarray(seeds)), launch)
    assert isinstance(gradient, np.ndarray) and gradient.shape == (len(program.constants) + 5,)
    return host_copy(p.loss_code), host_copy(p.coordinates), host_copy(bar), gradient


def assert_swept_alike(gpu, host, tolerance, amplitude, terms=0.0):
    """Relative to the largest of the cotangents; for sums over particles that cancel, to the sum of their moduli."""
    np.testing.assert_array_equal(gpu[0], host[0])
    assert np.abs(gpu[1] - host[1]).max() <= tolerance * amplitude
    for name, ours, theirs, least in (("cotangents", gpu[2], host[2], 0.0), ("constants", gpu[3], host[3], terms)):
        assert np.isfinite(ours).all(), name
        scale = max(np.abs(theirs).max(), least, 1e-3)
        worst = np.abs(ours - theirs).max() / scale
        assert worst <= tolerance, (name, worst)


def largest_terms(program, reference, start, cotangent):
    """The largest sum over particles of the moduli of their derivatives with respect to a constant."""
    terms = [
        swept(HostBackend(1), program, reference, start[:, [i]], cotangent[:, [i]])[3] for i in range(start.shape[1])
    ]
    return np.abs(terms).sum(axis=0).max()


@pytest.mark.parametrize("name", CASES)
def test_gradient_of_each_element(name):
    """Every element with every model: coordinates, cotangents, every constant and the reference's values."""
    rng = np.random.default_rng(len(name))
    active = {0: frozenset({"dx", "dy", "tilt"})}
    for number, model in enumerate(MODELS.values()):
        reference = SPECIES[list(SPECIES)[number % len(SPECIES)]]
        program = compile_program(Lattice([CASES[name].element], reference, model=model), active=active)
        start, cotangent = rng.normal(size=(6, 5)) * SIZE, rng.normal(size=(6, 5))
        host = swept(HostBackend(1), program, reference, start, cotangent)
        gpu = swept(CudaBackend(), program, reference, start, cotangent)
        assert not host[0].any()
        assert_swept_alike(gpu, host, SAME, 1.0, largest_terms(program, reference, start, cotangent))


def ring_run(backend, n, turns=3):
    """Several turns of a ring that loses some of the particles, with monitors."""
    ring = gt.demo_ring()
    monitors = [(2, ring.indices("bpm.0*")), (1, ring.indices("qf*"))]
    program = compile_program(ring, monitors)
    cotangent = np.random.default_rng(n).normal(size=(6, n))
    return swept(backend, program, ring.reference, start_of(n), cotangent, turns, monitors, seed=n)


@pytest.mark.parametrize("n", [1, THREADS, THREADS + 1, 300])
def test_gradient_of_a_ring_with_losses_and_monitors(n):
    """One block, full blocks, a block begun; the lost ones come back to life where they were lost."""
    host, gpu = ring_run(HostBackend(1), n), ring_run(CudaBackend(), n)
    assert_swept_alike(gpu, host, RING, 1e-2)
    assert n < 300 or 0 < np.count_nonzero(host[0]) < n


def test_gradient_of_every_reason_to_be_lost():
    line, start = lossy()
    start[5, 5] = -0.99  # numbers that are not finite would have no derivatives here
    program = compile_program(line)
    cotangent = np.random.default_rng(2).normal(size=start.shape)
    host, gpu = (
        swept(backend, program, line.reference, start, cotangent, turns=3, limit=LIMIT)
        for backend in (HostBackend(1), CudaBackend())
    )
    assert np.count_nonzero(host[0]) >= 6
    assert_swept_alike(gpu, host, SAME, 1.0)


def test_gradient_is_the_same_to_the_bit():
    first, second = (ring_run(CudaBackend(), 300) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_blocks_take_particles_in_turn(monkeypatch):
    """With fewer blocks than particles need: the same but for the order of the sums."""
    many = ring_run(CudaBackend(), 300)
    monkeypatch.setattr(cuda, "SWEEP_BLOCKS", 2)
    few = ring_run(CudaBackend(), 300)
    np.testing.assert_array_equal(few[1], many[1])
    np.testing.assert_array_equal(few[2], many[2])
    assert 0.0 < np.abs(few[3] - many[3]).max() <= 1e-13 * np.abs(many[3]).max()


def test_memory_of_rows_is_bounded():
    assert cuda.sweep_blocks(1, 10) == 1
    assert cuda.sweep_blocks(THREADS + 1, 10) == 2
    assert cuda.sweep_blocks(10**9, 10) == cuda.SWEEP_BLOCKS
    for size in (10**4, 10**5, 10**6):
        assert cuda.sweep_blocks(10**9, size) * size * 8 <= cuda.ROW_BYTES
    assert cuda.sweep_blocks(10**9, 10**9) == 1


def test_memory_for_the_constants_of_an_op(monkeypatch):
    """The thread's own memory holds the constants of the largest op; and that is few variants of the kernels."""
    monkeypatch.undo()
    for case in CASES.values():
        for model in MODELS.values():
            program = compile_program(Lattice([case.element], SPECIES["proton"], model=model))
            sizes = [len(vars(op)) for _, op in program.calls]  # scalars at least
            most = cuda.most_constants(program)
            assert most in (8, 16, 32, 64, 128, 256) and most >= max(sizes, default=0) - 6
            for kind, op in program.calls:
                assert most >= len(kind.constants) + sum(len(getattr(op, name)) for name in kind.series)


def test_divergence_at_barriers_is_seen():
    """The emulator refuses programs that would hang on a GPU: threads that do not reach the sums."""
    text = flattened("cuda/adjoint.h", [MAPS["drift"]])
    wrong = text.replace("  add_up(storage, size, place, board);", "  if (alive) add_up(storage, size, place, board);")
    assert wrong != text
    arrays = [np.zeros(n) for n in (6, 6, 6)]
    ops, constants = np.array([[MAPS["drift"].code, 0, 1, 0, 0, 0, 0, 0]], np.int32), np.ones(1)
    codes, turns = np.zeros(1, np.int32), np.zeros(1, np.int64)

    def address(array):
        return np.uint64(array.ctypes.data)

    run = (
        address(arrays[0]), np.int64(1), address(ops), np.int32(1), np.int32(0), address(constants), np.float64(0.9),
        np.float64(0.19), np.float64(1e-9), np.float64(1e-9), np.float64(0.0), np.int64(0), np.int64(1), address(codes),
        address(turns), address(codes), np.float64(1.0), np.uint64(0), np.uint64(0),
    )  # fmt: skip
    moments = np.uint64(0), np.uint64(0), np.uint64(0), np.int64(0)
    more = address(arrays[2]), np.uint64(0), address(arrays[1]), np.int32(1), *moments
    for source, agrees in ((text, True), (wrong, False)):
        kernel = RawModule(code=source, options=cuda.OPTIONS).get_function("gputrack_sweep")
        if agrees:
            kernel((1,), (THREADS,), (*run, *more))
            continue
        with pytest.raises(AssertionError, match="different barriers"):
            kernel((1,), (THREADS,), (*run, *more))
