"""Every example runs, reduced, and its own assertions hold; the picture is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
REDUCED = {
    "beam_beam.py": ["--particles", "1024"],
    "fodo_space_charge.py": ["--particles", "1000"],
    "match_tunes.py": ["--qx", "15.25"],
    "orbit_correction.py": ["--rms", "2e-5"],
    "tpsa_map.py": ["--order", "4", "--particles", "5"],
    "wakefield.py": ["--particles", "300", "--turns", "400"],
}


def test_every_example_is_listed():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(REDUCED)


@pytest.mark.parametrize("name", REDUCED)
def test_example_runs_and_draws(name, tmp_path):
    picture = tmp_path / "picture.png"
    command = [sys.executable, str(EXAMPLES / name), *REDUCED[name], "--picture", str(picture)]
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
    assert picture.read_bytes()[:4] == b"\x89PNG"
