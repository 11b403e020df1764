"""Other codes write files where they run: none of them in the working directory."""

import ast
from pathlib import Path

import numpy as np
import pytest
from support.cases import SPECIES
from support.peers import madx_twiss, processes, ptc, xtrack_peer

import gputrack as gt

REPOSITORY = Path(__file__).resolve().parents[2]
QUADRUPOLE = "quadrupole, l=0.5, k1=0.3"


def by_ptc(path):
    ptc.track_each({"q": QUADRUPOLE}, np.full((6, 1), 1e-4), SPECIES["electron"], ptc.Layout())


def by_ptc_map(path):
    ptc.one_turn_map(path, "ring", 2, ptc.Layout(time=False))


def by_madx(path):
    madx_twiss.table(path, "ring", "betx", betx=1.0, bety=1.0)


def by_madng(path):
    mad = processes.madng()
    mad.send("py:send(1)")
    assert mad.recv() == 1


def by_xtrack(path):
    line = xtrack_peer.line_of([gt.Quadrupole("q", length=0.5, k1=0.3)], SPECIES["electron"])
    xtrack_peer.track_each(line, np.full((6, 1), 1e-4), SPECIES["electron"])


@pytest.mark.parametrize("code", [by_ptc, by_ptc_map, by_madx, by_madng, by_xtrack])
def test_other_codes_leave_no_files(code, tmp_path, monkeypatch):
    source = tmp_path / "cell.madx"
    source.write_text(
        f"qf: {QUADRUPOLE}; qd: {QUADRUPOLE}, k1=-0.3; d: drift, l=2; beam, particle=electron, energy=3;\n"
        "ring: line=(qf, d, qd, d);"
    )
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    code(source)
    assert not list(here.iterdir())


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "examples"])
def test_processes_of_other_codes_start_in_temporary_folders(folder):
    """MAD-X with `cwd`; MAD-NG, which has no such argument, under `contextlib.chdir`."""
    for path in sorted((REPOSITORY / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        for call in calls:
            name = ast.unparse(call.func).rpartition(".")[2]
            where = f"{path.relative_to(REPOSITORY)}:{call.lineno}"
            if name == "Madx" and "stdout" in {keyword.arg for keyword in call.keywords}:
                assert "cwd" in {keyword.arg for keyword in call.keywords}, f"{where}: MAD-X without cwd"
            if name == "MAD":
                assert "contextlib.chdir" in text, f"{where}: MAD-NG in the working directory"
