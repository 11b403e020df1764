"""Transfer matrices, their rates along displaced orbits, and the adjoints of both: every backend as the host's."""

from dataclasses import replace

import numpy as np
import pytest
from support.backends import EMULATED
from support.cases import CASES, SPECIES
from support.gradients import MODELS, parameter_bars

import gputrack as gt
from gputrack.backends.array import local
from gputrack.backends.cuda import backend as cuda_backend
from gputrack.elements.map import built_in_maps
from gputrack.lattice.optics_program import recording_program
from gputrack.lattice.program import compile_program
from gputrack.optics.maps.single_pass import Pass

ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])
ALONG = np.array([1.2, 0.1, -0.4, 0.05, 0.3, 1.0])
TOLERANCE = 1e-12  # of the largest number of each array
#: w(z) by an approximation to 3e-14, whose third derivatives, over beam sizes, are less exact than recurrences are
BEAM_BEAM = 1e-10
others = pytest.mark.parametrize("backend", ["array", "cuda", EMULATED], indirect=True)


@pytest.fixture(autouse=True)
def _one_build(monkeypatch):
    """Memory for the constants of any of the cases: kernels are compiled once for all of them."""
    monkeypatch.setattr(cuda_backend, "most_constants", lambda program: 128)


def passed(lattice, program, places, backend, seed, columns=4):
    """All that a pass gives, and all derivatives of random functions of it, by name."""
    rng, single = np.random.default_rng(seed), Pass(lattice, program, places, backend)
    recorded, end = single.matrices(ORBIT)
    orbit_bar, gradient = single.matrices_adjoint(end, rng.normal(size=(6, 7)), rng.normal(size=(places, 6, 7)))
    rates, last = single.rates(ORBIT, ALONG, columns)
    bars = rng.normal(size=(6, columns)), rng.normal(size=(places, 6, columns))
    rate_orbit_bar, along_bar, rate_gradient = single.rates_adjoint(last, *bars)
    single_orbit_bar, single_gradient = single.matrices_adjoint(end[:, :2], rng.normal(size=(6, 2)))
    found = {"recorded": recorded, "end": end, "orbit bar": orbit_bar, "rates": rates}
    found |= {name: getattr(last, name) for name in ("orbits", "tangents", "along")} | {"last rates": last.rates}
    found |= {"rate orbit bar": rate_orbit_bar, "along bar": along_bar, "single orbit bar": single_orbit_bar}
    for name, bars in (("gradient", gradient), ("rate gradient", rate_gradient), ("single", single_gradient)):
        found[f"{name}, parameters"] = parameter_bars(program, bars)
        found |= {f"{name}, reference {i}": bars[i - 5 : len(bars) + i - 4] for i in range(5)}
    return found


def assert_alike(found, expected, tolerance=TOLERANCE):
    for name, array in expected.items():
        scale = max(np.abs(array).max(initial=0.0), 1e-3)
        worst = np.abs(found[name] - array).max(initial=0.0) / scale
        assert worst <= tolerance, (name, worst)


def program_of(name, model, reference):
    """A case without its aperture, and a drift."""
    element = CASES[name].element.replaced(aperture=None)
    line = gt.Lattice([element, gt.Drift("d", length=0.3)], reference, model=model)
    return line, compile_program(line, [(1, range(2))], {0: frozenset({"dx", "dy", "tilt"})})


def representatives():
    """For each kind of map a case and a model in which it occurs: second derivatives by autograd take seconds each."""
    missing = {kind for kind in built_in_maps() if kind.name != "aperture"}
    for model_name, model in MODELS.items():
        for name in CASES:
            found = program_of(name, model, SPECIES["electron"])[1].kinds & missing
            if found:
                missing -= found
                yield pytest.param(name, model_name, id=f"{name}-{model_name}")
    assert not missing, missing


@others
@pytest.mark.parametrize(("name", "model"), [*representatives()])
def test_each_kind_of_map(name, model, backend):
    """Matrices and all derivatives, with respect to all parameters, as by the host's kernels."""
    number = list(CASES).index(name)
    line, program = program_of(name, MODELS[model], SPECIES[("electron", "proton")[number % 2]])
    program = replace(program, kinds=frozenset(built_in_maps()))  # one build for all cases
    tolerance = BEAM_BEAM if name.startswith("beam_beam") else TOLERANCE
    expected = passed(line, program, 2, "host", number)
    assert_alike(passed(line, program, 2, backend, number), expected, tolerance)


@others
def test_ring(backend):
    """A ring with records, a part of one on the stand-in; errors of products of many matrices add up."""
    ring = gt.demo_ring() if backend == "array" else gt.demo_ring()[:30]
    program = replace(recording_program(ring), kinds=frozenset(built_in_maps()))
    expected = passed(ring, program, len(ring), "host", 1)
    assert_alike(passed(ring, program, len(ring), backend, 1), expected, 4e-12)


def test_array_backend_in_many_chunks(monkeypatch):
    """Chunks of ops are only a matter of memory."""
    ring = gt.demo_ring()[:20]
    program = recording_program(ring)
    whole = passed(ring, program, len(ring), "array", 1)
    monkeypatch.setattr(local, "CHUNK", 42)  # seven ops
    for module in ("tangent", "adjoint", "matrices"):
        monkeypatch.setattr(f"gputrack.backends.array.{module}.CHUNK", 42)
    assert_alike(passed(ring, program, len(ring), "array", 1), whole, 1e-14)


def test_particles_that_are_lost():
    """On every backend the same error, with the orbit."""
    ring = gt.demo_ring()
    program = recording_program(ring)
    for backend in ("array", "host"):
        single = Pass(ring, program, len(ring), backend)
        for run in (single.matrices, lambda orbit, own=single: own.rates(orbit, ALONG, 4)):
            with pytest.raises(gt.errors.InputError, match=r"orbit \[0.0, 5.0.* is lost before the end"):
                run(np.array([0.0, 5.0, 0.0, 0.0, 0.0, 0.0]))
            with pytest.raises(gt.errors.InputError, match="six finite numbers"):
                run(np.zeros(5))
