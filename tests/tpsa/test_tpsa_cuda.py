"""CUDA kernels of power series: built by NVRTC, and run on the host by emulation, behind a stand-in for CuPy."""

from __future__ import annotations

import numpy as np
import pytest
from support.emulation import fake_cupy
from support.nvrtc import compile_cuda
from support.peers.tpsa_peer import assert_close, random_coefficients

import gputrack.tpsa as tp
from gputrack.base.arrays import module_named
from gputrack.tpsa import Map, Series, Space, cuda
from gputrack.tpsa.kernel_source import kernel_text

KERNELS = {"exponential", "product", "product_adjoint", "quotient", "sine_cosine", "square_root"}


@pytest.mark.parametrize("arch", ["sm_70", "sm_80", "sm_90"])
@pytest.mark.parametrize("space", [None, Space(6, 3)], ids=["tables", "straight"])
def test_kernels_compile(space, arch):
    result = compile_cuda(kernel_text("cuda/tpsa.h", space), arch, *cuda.OPTIONS)
    assert set(result.kernels) == {f"tpsa_{name}" for name in KERNELS}
    for name, usage in result.kernels.items():
        assert usage.stores == usage.loads == 0, f"{name}: {usage}"


@pytest.fixture(name="xp")
def _xp(monkeypatch):
    """The stand-in; kernels built for it are forgotten with it."""
    fake_cupy.install(monkeypatch)
    for function in (cuda.kernels, cuda._module):
        function.cache_clear()
    yield module_named("cupy")
    for function in (cuda.kernels, cuda._module):
        function.cache_clear()


OPERATIONS = {
    "sum": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "quotient": lambda a, b: a / b,
    "short product": lambda a, b: a.truncated(1) * b,
    "power": lambda a, b: a**-2 + a**1.5,
    "exp": lambda a, b: a.exp(),
    "log": lambda a, b: a.log(),
    "sqrt": lambda a, b: a.sqrt(),
    "sine, cosine": lambda a, b: a.sin() + 2.0 * a.cosh(),
    "arctan": lambda a, b: a.arctan(),
    "sinc": lambda a, b: a.sinc(),
    "bracket": lambda a, b: tp.poisson(a, b),
    "integral": lambda a, b: a.integral(1) + 1.0,
}


@pytest.mark.parametrize("space", [Space(2, 3), Space(4, 5)], ids=["straight", "tables"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_series_on_a_gpu(xp, space, name):
    host = [np.array([random_coefficients(space, 10 * k + i) for i in range(5)]) for k in range(2)]
    expected = OPERATIONS[name](*(Series.of(space, c) for c in host))
    found = OPERATIONS[name](*(Series.of(space, xp.asarray(c)) for c in host))
    assert isinstance(found.coefficients, xp.ndarray) and found.batch == (5,)
    assert_close(space, found.coefficients.get(), expected.coefficients, 64)


def test_maps_on_a_gpu(xp):
    space = Space(2, 3)
    c = np.random.default_rng(1).uniform(-0.3, 0.3, (4, 2, space.size)) * (space.degrees > 0)
    c[..., 1:3] += np.eye(2)
    for work in (lambda m: m @ m, lambda m: m.inverse(), lambda m: m.truncated(2)):
        expected, found = work(Map.of(space, c)), work(Map.of(space, xp.asarray(c)))
        np.testing.assert_allclose(found.coefficients.get(), expected.coefficients, rtol=0, atol=1e-13)
    points = np.random.default_rng(2).normal(size=(2, 3))
    values = Map.of(space, xp.asarray(c)).evaluate(xp.asarray(points))
    np.testing.assert_allclose(values.get(), Map.of(space, c).evaluate(points), rtol=1e-13)
