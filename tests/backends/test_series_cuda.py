"""Maps of lattices as power series on a GPU: built by NVRTC, and run on the host by emulation, behind a stand-in."""

from __future__ import annotations

import os

import numpy as np
import pytest
from support.backends import EMULATED, why_not
from support.cases import CASES, SPECIES
from support.emulation import fake_cupy
from support.nvrtc import compile_cuda

import gputrack as gt
from gputrack.backends.generated import flattened
from gputrack.backends.taylor import cuda as series_cuda
from gputrack.backends.taylor.products_source import series_rows_text
from gputrack.base.arrays import module_named
from gputrack.base.errors import BackendError, InputError
from gputrack.elements.map import MAPS, built_in_maps
from gputrack.optics.maps.taylor_map import pass_maps
from gputrack.tpsa import Space

EPS = np.finfo(float).eps
MODELS = {
    "default": gt.Model(),
    "drift-kick": gt.Model(integrator=gt.DriftKick(2, 2), hamiltonian=gt.Expanded(), edge=gt.LinearEdge()),
}
#: off the axis, where every branch of the maps counts
ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])
LINE = [MAPS["drift"], MAPS["straight"]]
STACK = 6144  # bytes of each thread: handles of series, matrices in delta alone, registers saved in calls


@pytest.mark.parametrize(
    ("space", "kinds", "arch"),
    [
        (Space(6, 1), LINE, "sm_70"), (Space(6, 4), LINE, "sm_80"), (Space(6, 3, 2, 1), LINE, "sm_90"),
        (Space(6, 2), None, "sm_80"),
        pytest.param(Space(6, 2, 1, 1), None, "sm_80", marks=pytest.mark.skipif(
            not os.environ.get("GPUTRACK_LONG_TESTS"), reason="half a minute of NVRTC: set GPUTRACK_LONG_TESTS=1")),
    ],
    ids=lambda value: f"order {value.order}, {value.parameters} parameters" if isinstance(value, Space) else None,
)  # fmt: skip
def test_kernel_compiles(space, kinds, arch, record_property):
    """With a stack that hardly depends on the order: coefficients lie elsewhere."""
    result = compile_cuda(flattened("cuda/taylor.h", kinds or built_in_maps(), generated=series_rows_text(space)), arch,
                          *series_cuda.options_of(space))  # fmt: skip
    usage = result.kernels["gputrack_series"]
    record_property(f"order {space.order}, {space.parameters} parameters, {arch}", str(usage))
    print(f"order {space.order}, {space.parameters} parameters, {arch}: {usage}")
    assert usage.stack <= STACK and usage.registers <= 128


@pytest.fixture(name="xp", params=["cuda", EMULATED])
def _xp(request, monkeypatch):
    """CuPy, or the stand-in with teams of four threads and one kernel for all kinds: built once."""
    if request.param == EMULATED:
        fake_cupy.install(monkeypatch)
        for name in ("THREADS", "MAP_THREADS"):
            monkeypatch.setattr(series_cuda, name, 4)
        monkeypatch.setattr(series_cuda, "module", lambda space, kinds: _emulated(space))
    elif reason := why_not("cuda"):
        pytest.skip(reason)
    return module_named("cupy")


_modules = {}


def _emulated(space):
    if space not in _modules:
        _modules[space] = module_named("cupy").RawModule(
            code=flattened("cuda/taylor.h", built_in_maps(), generated=series_rows_text(space)),
            options=series_cuda.options_of(space),
        )
    return _modules[space]


def assert_close(space, found, expected, ulps):
    """Coefficients the same, within units in the last place of the largest one of their degree."""
    assert found.shape == expected.shape
    for degree in range(space.order + 1):
        rows = slice(space.first[degree], space.first[degree + 1])
        # the orbit is rounded where it is largest on the way, not where it ends
        scale = max(np.abs(expected[..., rows]).max(), np.abs(ORBIT).max() if degree == 0 else 0.0)
        assert np.abs(found[..., rows] - expected[..., rows]).max() <= ulps * EPS * scale, degree


@pytest.mark.parametrize("name", CASES)
def test_map_of_each_element_is_that_of_the_host(xp, name):
    """Order 2, with all that an element's parameters enter as variables too."""
    element = CASES[name].element.replaced(aperture=None)
    # the kicks of many slices nearly cancel what crossing angles and drifts between them add
    ulps = 128 if name.startswith("beam_beam") else 16
    for number, model in enumerate(MODELS.values()):
        line = gt.Lattice([element], SPECIES[("electron", "proton")[number % 2]], model=model)
        for orbit in (np.zeros(6), ORBIT):
            host, gpu = pass_maps(line, 2, orbit), pass_maps(line, 2, orbit, backend="cuda")
            assert isinstance(gpu.final, xp.ndarray)
            assert_close(host.space, gpu.final.get(), host.final, ulps)


def ring_and_knobs():
    """One cell, which is a ring, with a cavity; a family, an angle, a lag."""
    ring = gt.demo_ring()
    ring = gt.Lattice([*ring[:32], ring["rf"][0]], ring.reference, model=ring.model)
    return ring, ring.knobs("qf.*.k1", "bend.01a.angle", "rf.lag")


def test_one_turn_maps_of_a_batch_of_rings_with_knobs(xp):
    """About closed orbits, by the public function."""
    ring, knobs = ring_and_knobs()
    shifts = np.array([2e-4, 1e-5, 1e-3])
    rings = [ring.with_knobs(knobs, knobs.values + i * shifts) for i in range(3)]
    host, gpu = (gt.one_turn_map(rings, 2, knobs=knobs, backend=name) for name in ("host", "cuda"))
    assert gpu.batch == host.batch == (3,) and isinstance(gpu.coefficients, xp.ndarray)
    for found, expected in zip(gpu.coefficients.get(), host.coefficients, strict=True):
        assert_close(host.space, found, expected, 512)
    alone = gt.one_turn_map(rings[2], 2, knobs=knobs, backend="cuda").coefficients
    np.testing.assert_array_equal(alone.get(), gpu.coefficients.get()[2])
    product = gpu @ gpu  # results stay on the device as well
    assert isinstance(product.matrix, xp.ndarray)


def test_maps_at_places(xp):
    ring, _ = ring_and_knobs()
    host, gpu = (pass_maps(ring, 2, ORBIT, places=[3, 20, 32], backend=name) for name in ("host", "cuda"))
    for found, expected in zip(gpu.at.get(), host.at, strict=True):
        assert_close(host.space, found, expected, 512)
    assert_close(host.space, gpu.at.get()[2], gpu.final.get(), 0)


def test_many_orbits(xp, monkeypatch):
    """More maps than teams: those that are through take another one. The orbits' library chooses the backend."""
    ring, _ = ring_and_knobs()
    orbits = ORBIT * np.linspace(-1.0, 1.0, 7)[:, None]
    monkeypatch.setattr(series_cuda, "TEAMS", 2)
    host, gpu = pass_maps(ring, 2, orbits), pass_maps(ring, 2, xp.asarray(orbits))
    assert isinstance(gpu.orbit, xp.ndarray) and isinstance(gpu.final, xp.ndarray)
    for found, expected in zip(gpu.final.get(), host.final, strict=True):
        assert_close(host.space, found, expected, 512)


def test_empty_line(xp):
    line = gt.Lattice([gt.Marker("m")], SPECIES["proton"])
    host, gpu = (pass_maps(line, 2, ORBIT, backend=name) for name in ("host", "cuda"))
    np.testing.assert_array_equal(gpu.final.get(), host.final)


def test_impossible_arguments(xp, monkeypatch):
    ring, _ = ring_and_knobs()
    other = gt.demo_ring().reference
    for arguments, words in (
        ({"backend": "gpu"}, "one of array, host, cuda or None"),
        ({"orbit": xp.zeros(6), "backend": "host"}, "NumPy orbit"),
        ({"orbit": xp.zeros(5)}, "six finite numbers"), ({"orbit": xp.full(6, np.nan)}, "six finite numbers"),
        ({"lattice": []}, "list of them"), ({"lattice": [ring, ring], "orbit": np.zeros((3, 6))}, "one orbit"),
        ({"lattice": [ring, ring[:10]], "backend": "cuda"}, "same elements"),
        ({"lattice": [ring, ring.with_reference(other.with_p0c(1e9))]}, "the same reference particle"),
        ({"orbit": xp.asarray([[0.0] * 6, [0, 5.0, 0, 0, 0, 0]])}, "of map 1 is lost before"),
        ({"lattice": 3}, "lattice must be a Lattice, or a list of them, got 3"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            gt.transfer_map(**{"lattice": ring, "order": 2} | arguments)


def test_no_device(monkeypatch):
    fake_cupy.install(monkeypatch)
    monkeypatch.setattr(module_named("cupy").cuda, "is_available", lambda: False)
    with pytest.raises(BackendError, match="no NVIDIA GPU"):
        gt.transfer_map(gt.demo_ring(), 1, backend="cuda")


def test_too_few_slots_are_noticed(monkeypatch):
    """A team without free slots raises an error: its maps are not returned."""
    fake_cupy.install(monkeypatch)
    for name, value in (("THREADS", 1), ("MAP_THREADS", 1), ("SLOTS", 32)):
        monkeypatch.setattr(series_cuda, name, value)
    series_cuda.module.cache_clear()
    line = gt.Lattice([CASES["quadrupole_skew"].element], SPECIES["proton"])
    with pytest.raises(BackendError, match="more than 32 series"):
        pass_maps(line, 1, ORBIT, backend="cuda")
    series_cuda.module.cache_clear()


def test_blocks_of_whole_warps(monkeypatch):
    """As on a GPU: 128 threads, four maps in a block, some of them without a map; the line's own kinds."""
    fake_cupy.install(monkeypatch)
    series_cuda.module.cache_clear()
    line = gt.Lattice([CASES["quadrupole"].element, CASES["drift"].element], SPECIES["proton"])
    orbits = ORBIT * np.arange(6)[:, None]
    host, gpu = (pass_maps(line, 2, orbits, backend=name) for name in ("host", "cuda"))
    for found, expected in zip(gpu.final.get(), host.final, strict=True):
        assert_close(host.space, found, expected, 16)
    series_cuda.module.cache_clear()


def test_differentiated_maps_stay_on_the_host(monkeypatch):
    """An error, since the backward sweep supports only one map on the host."""
    fake_cupy.install(monkeypatch)
    ring, knobs = ring_and_knobs()

    def figure(values, **options):
        lattice = ring.with_knobs(knobs, values)
        return gt.transfer_map([lattice] if options.pop("batch", False) else lattice, 1, **options).matrix[0, 0]

    for options, words in (({"backend": "cuda"}, "backend='host'"), ({"batch": True}, "one by one")):
        with pytest.raises(InputError, match=words):
            gt.grad(lambda values, options=options: figure(values, **options))(knobs.values)
