"""Optics and their gradients on the backend `array`: on machines without a compiler, and where it is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import autograd
import numpy as np
from support.optics_figures import VOLTAGES, all_figures

import gputrack as gt

#: of each figure, and of all that adds to a derivative: backends round in other orders
TOLERANCE = 1e-12
SCRIPT = """
import warnings
import autograd, numpy as np
from support.optics_figures import VOLTAGES, all_figures

with np.load("weights.npz") as file, warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = {}
    for voltage, weights in zip(VOLTAGES, file.values()):
        figures, knobs = all_figures(voltage)
        pull, values = autograd.make_vjp(figures)(knobs)
        found |= {f"values {voltage}": values, f"gradients {voltage}": np.stack([pull(row) for row in weights])}
print(*(w.message for w in caught), sep="\\n")
np.savez("found.npz", **found)
"""


def without_a_compiler(script, folder):
    """Run a script in a fresh process that has no compiler; its output."""
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(Path(gt.__file__).resolve().parents[1])])
    environment = os.environ | {"PYTHONPATH": path, "CXX": "/nonexistent/c++"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_figures_and_gradients_without_a_compiler(tmp_path):
    """Every figure that has a gradient, and a random sum of their gradients, as by the host's kernels."""
    rng, expected, weights = np.random.default_rng(1), [], []
    for voltage in VOLTAGES:
        figures, knobs = all_figures(voltage)
        expected.append((figures(knobs), autograd.jacobian(figures)(knobs)))
        size = np.abs(expected[-1][1]).max(axis=1)
        weights.append(rng.normal(size=(1, size.size)) / np.where(size > 0.0, size, 1.0))
    np.savez(tmp_path / "weights.npz", *weights)
    assert without_a_compiler(SCRIPT, tmp_path).count("no C++ compiler found") == 1
    with np.load(tmp_path / "found.npz") as file:
        for voltage, (values, jacobian), rows in zip(VOLTAGES, expected, weights, strict=True):
            close(file[f"values {voltage}"], values, np.maximum(np.abs(values), 1.0))
            close(file[f"gradients {voltage}"], rows @ jacobian, np.abs(rows) @ np.abs(jacobian))


def close(found, wanted, scale):
    worst = np.unravel_index(np.argmax(np.abs(found - wanted) / scale), wanted.shape)
    assert (np.abs(found - wanted) <= TOLERANCE * scale).all(), (worst, found[worst], wanted[worst], scale[worst])
