"""Maps as power series on the backend `array`: every element, parameters, batches, derivatives, without a compiler."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.cases import CASES, SPECIES
from support.rings import ELECTRON

import gputrack as gt
from gputrack.optics.maps.taylor_map import pass_maps

#: an orbit off the axis, where every branch of the maps counts
ORBIT = np.array([1.1e-3, -4e-4, 0.7e-3, 3e-4, 2e-3, 1.5e-3])
MODELS = (gt.Model(), gt.Model(gt.DriftKick(2, 2)), gt.Model(hamiltonian=gt.Expanded(), edge=gt.LinearEdge()))
#: of each coefficient, or of 1: some hundred operations, each rounded to 1e-16, in another order
TOLERANCE = 1e-12


def close(found, expected, tolerance=TOLERANCE):
    assert np.abs((found - expected) / np.maximum(np.abs(expected), 1.0)).max() <= tolerance


@pytest.mark.parametrize("name", CASES)
def test_each_element(name):
    element = CASES[name].element.replaced(aperture=None)
    for number, model in enumerate(MODELS):
        ring = gt.Lattice([element], list(SPECIES.values())[number % len(SPECIES)], model=model)
        by_arrays, by_kernels = (pass_maps(ring, 3, ORBIT, backend=backend) for backend in ("array", "host"))
        # the kernels find derivatives of w(z) by recurrence, arrays those of an approximation to 3e-14, over beam sizes
        close(by_arrays.final, by_kernels.final, 1e-10 if name.startswith("beam_beam") else TOLERANCE)


def line(k1=1.2):
    elements = [gt.Quadrupole("q", length=0.4, k1=k1, dx=1e-3), gt.Sextupole("s", length=0.2, k2=20.0)]
    return gt.Lattice([*elements, gt.Drift("d", length=1.0)], ELECTRON)


def test_parameters_places_and_batches():
    knobs = line().knobs("q.k1", "s.k2", "d.length")
    maps = [pass_maps(line(), 2, ORBIT, places=[0, 1], knobs=knobs, backend=backend) for backend in ("array", "host")]
    close(maps[0].final, maps[1].final)
    close(maps[0].at, maps[1].at)
    rings, orbits = [line(1.0), line(-0.5)], np.stack([ORBIT, -ORBIT])
    maps = [pass_maps(rings, 2, orbits, knobs=knobs, backend=backend) for backend in ("array", "host")]
    close(maps[0].final, maps[1].final)


def test_derivatives_with_respect_to_knobs_reference_and_orbit():
    knobs = line().knobs("q.k1", "s.k2", "q.dx", "d.length")

    def figure(values, backend):
        ring = line().with_knobs(knobs, values[:4]).with_reference(gt.ReferenceParticle.electron(total=3e9))
        turn = gt.transfer_map(ring, 3, values[4:], backend=backend)
        return sum((i + 1.0) * turn[i].coefficient((1, 0, 1, 0, 0, 1)) + turn[i].coefficient((0, 1, 0, 0, 0, 0))
                   for i in range(6))  # fmt: skip

    at = np.concatenate([knobs.values, ORBIT])
    slopes = [gt.grad(lambda values, b=backend: figure(values, b))(at) for backend in ("array", "host")]
    close(slopes[0], slopes[1])
    assert np.all(slopes[1][:4] != 0.0)


def test_without_a_compiler(tmp_path):
    """The default, with one warning; `host` says what is missing."""
    script = (
        "import warnings, gputrack as gt\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    turn = gt.one_turn_map(gt.demo_ring(), 2)\n"
        "print(len(caught), caught[0].message, float(turn.normal_form().tune(0)))\n"
        "try:\n    gt.transfer_map(gt.demo_ring(), 2, backend='host')\n"
        "except gt.errors.BackendError as error:\n    print(error)\n"
    )
    environment = {"PYTHONPATH": str(Path(gt.__file__).resolve().parents[1]), "CXX": "/nonexistent/c++"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("1 no C++ compiler found: install g++ or clang++, or set CXX; running on the array backend")
    tune = gt.one_turn_map(gt.demo_ring(), 2).normal_form().tune(0)
    assert float(first.split()[-1]) == pytest.approx(float(tune), rel=1e-10)
    assert "no C++ compiler found" in second


def test_unknown_backend():
    with pytest.raises(gt.errors.InputError, match="backend must be one of array, host, cuda or None, got 'fast'"):
        gt.transfer_map(line(), 2, backend="fast")
