"""Examples with ``--device cuda`` on the stand-in for CuPy: their assertions hold."""

import importlib.util
import os
import sys

import pytest
from test_examples import EXAMPLES, SCRIPTS, run

LONG = pytest.mark.skipif(
    not os.environ.get("GPUTRACK_LONG_TESTS"), reason="20 s, gradient_cost.py has its parts: set GPUTRACK_LONG_TESTS=1"
)
REDUCED = {
    "aperture_by_gradient.py": ["--steps", "4", "--turns", "32", "--check", "32", "--angles", "9"],
    "dynamic_aperture.py": ["--turns", "20", "--angles", "5", "--steps", "6"],
    "fodo_space_charge.py": ["--particles", "128"],
    "frequency_map.py": ["--points", "6", "--turns", "128"],
    "gradient_cost.py": ["--particles", "16", "--order", "2", "--repeats", "1"],
    "own_element.py": ["--turns", "40"],
    "table1.py": ["--fraction", "1e-5", "--repeats", "1"],
    "trajectory.py": ["--turns", "5"],
    "wakefield.py": ["--particles", "128", "--turns", "400"],
}


def test_every_example_with_a_device_is_listed():
    assert {name for name in SCRIPTS if '"--device"' in (EXAMPLES / name).read_text()} == set(REDUCED)


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed: examples use it")
@pytest.mark.parametrize("name", [pytest.param(n, marks=LONG if n.startswith("fodo") else ()) for n in REDUCED])
def test_example_on_a_device(name, tmp_path):
    runner = (sys.executable, str(EXAMPLES.parent / "tests" / "support" / "emulation" / "emulated_run.py"))
    run(name, [*REDUCED[name], "--device", "cuda"], tmp_path / "picture.png", runner)
