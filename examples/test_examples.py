"""Reduced runs of all examples: their assertions hold, and they write a picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.helpers import shared_lattice

EXAMPLES = Path(__file__).parent
SCRIPTS = [path.name for path in EXAMPLES.glob("*.py") if not path.name.startswith("test_")]
REDUCED = {
    "aperture_by_gradient.py": ["--steps", "12", "--turns", "128", "--check", "100"],
    "beam_beam.py": ["--particles", "1024"],
    "dynamic_aperture.py": ["--turns", "100", "--angles", "7", "--steps", "12"],
    "emittance_optimisation.py": ["--lower", "0.6"],
    "esr_crab_phase.py": [],
    "face_radiation.py": ["--angles", "2"],
    "fodo_space_charge.py": ["--particles", "1000"],
    "frequency_map.py": ["--points", "16", "--turns", "128"],
    "gradient_cost.py": ["--particles", "64", "--order", "2", "--repeats", "1"],
    "match_tunes.py": ["--qx", "15.25"],
    "optics_esr.py": [],
    "orbit_correction.py": ["--rms", "2e-5"],
    "own_element.py": ["--turns", "100"],
    "spear3_driving_terms.py": ["--steps", "40", "--turns", "30"],
    "table1.py": ["--fraction", "1e-4"],
    "tpsa_map.py": ["--order", "4", "--particles", "5"],
    "trajectory.py": ["--turns", "20"],
    "wakefield.py": ["--particles", "300", "--turns", "400"],
}
#: examples with the lattice of a machine, if available, and a text that they then print
MACHINES = {
    "esr_crab_phase.py": ("esr.madx", "as published"),
    "emittance_optimisation.py": ("spear3.madx", "terminated successfully"),
    "spear3_driving_terms.py": ("spear3.madx", "as published"),
}


def test_every_example_is_listed():
    assert set(SCRIPTS) == set(REDUCED)


@pytest.mark.parametrize("name", REDUCED)
def test_example_runs_and_draws(name, tmp_path):
    run(name, REDUCED[name], tmp_path / "picture.png")


LONG = pytest.mark.skipif(not os.environ.get("GPUTRACK_LONG_TESTS"), reason="10 s: set GPUTRACK_LONG_TESTS=1")


@pytest.mark.parametrize("name", [pytest.param(n, marks=LONG if n.startswith("emit") else ()) for n in MACHINES])
def test_example_of_a_machine(name, tmp_path):
    lattice, words = MACHINES[name]
    assert words in run(name, ["--lattice", str(shared_lattice(lattice))], tmp_path / "picture.png")


def run(name, arguments, picture, python=(sys.executable,)):
    """Output of an example."""
    command = [*python, str(EXAMPLES / name), *arguments, "--picture", str(picture)]
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
    assert picture.read_bytes()[:4] == b"\x89PNG"
    return done.stdout
