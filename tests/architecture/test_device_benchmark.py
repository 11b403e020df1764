"""benchmarks/device.py from end to end on the stand-in for CuPy, and without a device."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_CUPY = pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
LINE = """
cell: line = (q1, d, b, d, q2, s);
q1: quadrupole, l = 0.3, k1 = 1.2; q2: quadrupole, l = 0.3, k1 = -1.2; d: drift, l = 0.5;
b: sbend, l = 1.0, angle = 0.1; s: sextupole, l = 0.1, k2 = 3.0;
beam, particle = electron, energy = 3.0;
use, sequence = cell;
"""
SMALL = [
    "--slices", "2", "--particles", "3,5", "--gradient-particles", "3", "--turns", "1,2", "--charges", "3",
    "--maps", "3", "--orders", "2", "--seconds", "1e-4", "--small",
]  # fmt: skip
SHOWN = (
    "particle-turns/s", "chunks of 5", "same to the bit", "memory flat in turns: yes", "kernels of this lattice",
    "registers, memory and occupancy are not available here",
    "operations per particle and turn", "12 x 12 pipe_kick_adjoint", "nearly round, 1.2:1", "quotient",
    "maps of the ring about 3 orbits", "ContextCupy is not available", "all parts are done",
)  # fmt: skip


def run(*command):
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False, timeout=300, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@WITHOUT_CUPY
def test_all_parts_run_on_the_stand_in(tmp_path):
    lattice, record = tmp_path / "cell.madx", tmp_path / "record.txt"
    lattice.write_text(LINE)
    runner = "tests/support/emulation/emulated_run.py"
    command = (runner, "benchmarks/device.py", "--lattice", lattice, "--output", record, *SMALL)
    done = run(*command)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    text = record.read_text()
    assert text in done.stdout
    for words in SHOWN:
        assert words in text, words
    rows = [line.split() for line in text.splitlines()]
    swept = [row for row in rows if len(row) == 6 and row[-1] in ("yes", "NO")]
    assert len(swept) == 2 and all(row[-1] == "yes" for row in swept), "gradients are the same to the bit"


@WITHOUT_CUPY
def test_without_a_device_one_line_reports_it():
    done = run("benchmarks/device.py")
    assert done.returncode == 1 and not done.stderr
    assert done.stdout.startswith("no device, nothing measured: ") and len(done.stdout.splitlines()) == 1


@WITHOUT_CUPY
def test_a_failed_part_gives_its_reason_and_the_others_go_on(tmp_path):
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        f"sys.path[:0] = [{str(ROOT / 'benchmarks')!r}]\n"
        "import device\n"
        "def broken(setup):\n    '''Fails.'''\n    yield 'measured'\n    raise ValueError('out of luck')\n"
        "def fine(setup):\n    '''Goes on.'''\n    yield 'went on'\n"
        "print('failed:', device.run({'broken': broken, 'fine': fine}, None, print))\n"
    )
    done = run(script)
    order = ["measured", "broken failed: ValueError: out of luck", "went on", "failed: ['broken']"]
    places = [done.stdout.find(words) for words in order]
    assert -1 not in places and places == sorted(places), done.stdout + done.stderr


def test_operations_of_a_drift():
    """Those of kernels/elements/drift.h by hand, for a small angle, and of the surrounding loop."""
    done = run("tests/support/counted_drift.py")
    assert done.returncode == 0, done.stderr[-2000:]
    numbers = {name: float(value) for name, value in (word.split("=") for word in done.stdout.split())}
    # products: px px, 1/(1 + delta) squared, u, slope, the last one of Horner's rule; and the condition of the loop
    # fused: py py in u, Horner's five steps, slope and its excess, x, y, z; and py py
    # sums: slip - w; comparisons: of u, and five that ask whether to go on
    expected = {"sums": 1, "products": 5 + 6, "fused": 10 + 1, "comparisons": 1 + 5}
    assert numbers == expected | {"quotients": 0, "roots": 0, "functions": 0}
