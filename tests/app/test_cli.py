"""The command line as a user meets it: text, files, exit status, one-line errors."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import gputrack as gt
from gputrack.app.cli import main
from gputrack.app.track_command import model_with_options, save_somewhere


@pytest.fixture
def run(capsys, monkeypatch):
    """Call the command line; answer with (exit status, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        text = capsys.readouterr()
        return stopped.value.code, text.out, text.err

    return call


LATTICE = """
beam, particle=electron, energy=3;
qf: quadrupole, l=0.5, k1={k1};
qd: quadrupole, l=0.5, k1=-0.7;
d: drift, l=2;
ring: line=(qf, d, qd, d);
use, period=ring;
"""


@pytest.fixture
def fodo(tmp_path):
    path = tmp_path / "fodo.madx"
    path.write_text(LATTICE.format(k1=0.7))
    return path


def test_version(run):
    assert run("--version") == (0, f"gputrack {gt.__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("demo", "--help"), ("info", "-h"), ("track", "--help")])
def test_help(run, arguments):
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert out.startswith("Usage: gputrack")
    assert all(word in out for word in ("--help", "demo" if len(arguments) < 2 else arguments[0]))


def test_info_of_the_bundled_ring(run):
    status, out, err = run("info", "demo")
    assert (status, err) == (0, "")
    assert re.search(r"Quadrupole +120 +40\.8", out)
    assert "circumference 240 m" in out
    assert "electron, total energy 3000000000 eV" in out


def test_info_of_a_file(run, fodo):
    status, out, err = run("info", fodo)
    assert (status, err) == (0, "")
    assert "circumference 5 m" in out
    assert re.search(r"Quadrupole +2 +1\b", out)


def test_info_shows_all_digits(run, tmp_path):
    path = tmp_path / "long.madx"
    path.write_text("beam, particle=proton, energy=10; d: drift, l=3834.00184192; r: line=(d); use, period=r;")
    assert "circumference 3834.00184192 m" in run("info", path)[1]


def test_track_writes_the_beam(run, fodo, tmp_path):
    output = tmp_path / "run.h5"
    arguments = ("--particles", 50, "--turns", 7, "--backend", "array", "--seed", 3)
    status, out, err = run("track", fodo, "--output", output, *arguments)
    assert (status, err) == (0, "")
    assert "7/7" in out and "none of 50 particles lost" in out
    with h5py.File(output) as file:
        assert "openPMD" in file.attrs
    beam = gt.Beam.load(output)
    assert (beam.n, beam.turn) == (50, 7)


@pytest.mark.parametrize("more", [(), ("--radiation",)], ids=["", "radiation"])
def test_track_gives_the_results_of_the_library(run, tmp_path, more):
    output = tmp_path / "run.h5"
    sizes = ("--sigma-x", 1e-3, "--sigma-px", 1e-4, "--sigma-y", 5e-4, "--sigma-py", 5e-5)
    rest = ("--sigma-z", 0.0, "--sigma-delta", 0.0, "--particles", 20, "--turns", 2, "--backend", "array", "--order", 2)
    assert run("track", "demo", "--output", output, *sizes, *rest, *more)[0] == 0
    ring = gt.demo_ring().with_model(gt.Model(gt.MatrixKick(order=2)))
    ring = ring.with_radiation() if more else ring
    sigma = np.diag([1e-6, 1e-8, 25e-8, 25e-10, 0.0, 0.0])
    beam = gt.Beam.from_sigma(20, ring.reference, sigma, seed=1)
    expected = gt.track(ring, beam, turns=2, backend="array").coordinates
    np.testing.assert_allclose(gt.Beam.load(output).coordinates, expected, rtol=0, atol=1e-12)


def test_options_change_nothing_else():
    own = gt.Model(gt.MatrixKick(gt.BlanesMoan(6), 2), gt.Expanded(), gt.LinearEdge())
    assert model_with_options(own) == own
    assert model_with_options(own, slices=5) == dataclasses.replace(own, integrator=gt.MatrixKick(gt.BlanesMoan(6), 5))
    assert model_with_options(own, "matrix-kick", order=4).integrator == gt.MatrixKick(4, 2)
    assert model_with_options(own, "drift-kick", order=2).integrator == gt.DriftKick(2)


def test_default_beam_stays_matched(run, tmp_path):
    output = tmp_path / "run.h5"
    arguments = ("--particles", 4000, "--turns", 3, "--backend", "array", "--emit-x", 2e-9, "--emit-y", 1e-10)
    assert run("track", "demo", "--output", output, *arguments)[0] == 0
    beam = gt.Beam.load(output)
    assert beam.emittance("x") == pytest.approx(2e-9, rel=0.05)
    assert beam.size("x") == pytest.approx((2e-9 * 13.2968) ** 0.5, rel=0.05)


def test_demo(run, tmp_path):
    picture = tmp_path / "demo.png"
    status, out, err = run("demo", "--particles", 300, "--turns", 3, "--output", picture, "--backend", "array")
    assert (status, err) == (0, "")
    assert picture.read_bytes().startswith(b"\x89PNG")
    for word in ("15.220000", "6.320000", "beta at start", "13.2968", "emittances", "particle-turns/s", "array"):
        assert word in out
    lost = int(re.search(r"(\d+) of 300 particles lost", out)[1])
    assert 0 < lost < 90
    shown = [int(count) for count in re.findall(r"\d+\.\d{3} +(\d+) +\d+ +aperture", out)]
    assert sum(shown) == lost


WRONG = [
    ("no such file", ("info", "missing.madx")),
    ("No such command", ("tracck",)),
    ("--output", ("track", "demo")),
    ("--particles", ("demo", "--particles", "0")),
    ("--turns", ("demo", "--turns", "many")),
    ("no folder", ("demo", "--output", "missing/demo.png")),
    ("folder", ("demo", "--output", ".")),
    ("order", ("track", "demo", "--output", "a.h5", "--order", "3")),
    ("--edge", ("track", "demo", "--output", "a.h5", "--edge", "soft")),
    ("--integrator", ("track", "demo", "--output", "a.h5", "--integrator", "leapfrog")),
    ("backend", ("track", "demo", "--output", "a.h5", "--backend", "gpu")),
    ("all of --sigma-x", ("track", "demo", "--output", "a.h5", "--sigma-x", "1e-3")),
    ("--sequence", ("info", "demo", "--sequence", "ring")),
    ("picture", ("demo", "--particles", "2", "--turns", "1", "--backend", "array", "--output", "demo.doc")),
]


@pytest.mark.parametrize(("word", "arguments"), WRONG, ids=[" ".join(a) for _, a in WRONG])
def test_errors_are_one_line_and_status_2(run, tmp_path, monkeypatch, word, arguments):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(*arguments)
    assert status == 2
    assert err.startswith("gputrack: ") and err.count("\n") == 1
    assert word in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_errors_in_a_file_are_one_line(run, tmp_path):
    path = tmp_path / "broken.madx"
    path.write_text("q: quadrupole, l=1, k1=;\n")
    status, _, err = run("info", path)
    assert status == 2
    assert err.count("\n") == 1 and "broken.madx" in err


def test_unstable_ring_asks_for_sizes(run, tmp_path):
    path = tmp_path / "unstable.madx"
    path.write_text(LATTICE.format(k1=5.0))
    output = tmp_path / "run.h5"
    status, _, err = run("track", path, "--output", output)
    assert status == 2
    assert "motion is unstable in x and y: traces" in err and "--sigma-x" in err and err.count("\n") == 1
    sizes = [part for name in ("x", "px", "y", "py") for part in (f"--sigma-{name}", 1e-6)]
    assert run("track", path, "--output", output, *sizes, "--turns", 1, "--backend", "array")[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process")
def test_interruption_saves_partial_results(tmp_path):
    output = tmp_path / "run.h5"
    arguments = ("track", "demo", "--particles", "20", "--turns", "100000000", "--backend", "array")
    command = [sys.executable, "-u", "-m", "gputrack", *arguments, "--output", str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "synchrotron tune" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(2.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    done = int(re.search(r"interrupted after (\d+) of 100000000 turns", err)[1])
    assert str(output) in err and "Traceback" not in err and err.count("\n") == 1
    assert 0 < done == gt.Beam.load(output).turn


def test_an_error_on_the_way_keeps_the_turns_done(run, tmp_path):
    """A wake whose table ends: the file is written, one line gives the reason, and the exit status is 1."""
    proton = gt.ReferenceParticle.proton(kinetic=5e7)
    wake = gt.TableWake("tw", slicing=gt.Quantiles(2), distances=(0.0, 5.0), wake=(1.0, 0.0))
    path, output = tmp_path / "ring.json", tmp_path / "run.h5"
    gt.save(gt.Lattice([gt.Drift("d", length=100.0), wake], proton), path)
    sizes = [part for name in ("x", "px", "y", "py") for part in (f"--sigma-{name}", 1e-6)]
    status, _, err = run("track", path, "--output", output, *sizes, "--particles", 50, "--turns", 1000)
    assert status == 1 and err.count("\n") == 1
    done = int(re.search(r"stopped after (\d+) of 1000 turns; they are in .*run.h5: TableWake 'tw'", err)[1])
    assert 0 < done == gt.Beam.load(output).turn


def test_particles_are_saved_somewhere(tmp_path):
    """Where the file cannot be written in the end, the error gives their place."""
    beam = gt.Beam(np.ones((6, 3)), gt.ReferenceParticle.proton(kinetic=5e7), turn=7)
    with pytest.raises(gt.errors.InputError, match=r"cannot write .* after turn 7 are in .*h5 instead") as e:
        save_somewhere(beam, tmp_path / "gone" / "run.h5")
    instead = Path(re.search(r"are in (\S+) instead", str(e.value))[1])
    assert instead.name.startswith("run-")
    assert np.array_equal(gt.Beam.load(instead).coordinates, beam.coordinates)
    instead.unlink()
