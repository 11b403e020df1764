"""The command `gputrack twiss` as a user meets it."""

import csv

import numpy as np
import pytest
from support.peers import processes

import gputrack as gt
from gputrack.app.cli import main
from gputrack.optics.linear import tables


@pytest.fixture
def run(capsys, monkeypatch):
    """Call the command line; answer with (exit status, standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main(["twiss", *(str(argument) for argument in arguments)])
        text = capsys.readouterr()
        return stopped.value.code, text.out, text.err

    return call


def test_figures_of_a_ring(run):
    status, out, err = run("demo")
    tw = gt.twiss(gt.demo_ring())
    assert (status, err) == (0, "")
    assert f"{tw.qx:.8f}" in out and f"{tw.dqy:.6f}" in out and f"{tw.qs:.8f}" in out


def test_figures_of_a_shared_ring(run, lattice_path):
    _, out, _ = run(lattice_path("spear3.madx"))
    assert "14.19000835" in out and "5.23000238" in out and "1.139270" in out and "0.480995" in out


def test_columns_come_back_from_the_tables(run, tmp_path):
    status, out, _ = run("demo", "--delta", 1e-3, "--csv", tmp_path / "a.csv", "--tfs", tmp_path / "a.tfs")
    tw = gt.twiss(gt.demo_ring(), delta=1e-3)
    assert status == 0 and out.count("written:") == 2
    with open(tmp_path / "a.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(tw.name)
    for name in ("s", "betx", "muy", "dpx", "delta"):
        np.testing.assert_array_equal([float(row[name]) for row in rows], getattr(tw, name))


def test_madx_reads_the_tfs_table(run, tmp_path):
    path = tmp_path / "twiss.tfs"
    run("demo", "--tfs", path)
    tw, madx = gt.twiss(gt.demo_ring()), processes.madx()
    madx.input(f'readtable, file="{path}", table=mine;')
    table = madx.table.mine
    np.testing.assert_allclose(table.betx, tw.betx, rtol=1e-15)
    assert list(table.name)[:3] == [name.lower() for name in tw.name[:3]]
    madx.exit()


def test_picture(run, tmp_path):
    path = tmp_path / "twiss.png"
    assert "picture:" in run("demo", "--plot", path)[1]
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000


def test_names_with_commas_and_quotes():
    ring = gt.demo_ring()
    elements = [gt.Marker('a,"b"'), *ring]
    tw = gt.twiss(gt.Lattice(elements, ring.reference, model=ring.model))
    first = next(csv.DictReader(tables.csv_text(tw).splitlines()))
    assert first["name"] == 'a,"b"'


def test_errors_are_one_line(run, tmp_path):
    for arguments, words in (
        (("demo", "--csv", tmp_path), "--csv"),
        (("demo", "--plot", tmp_path / "no" / "a.png"), "there is no folder"),
        (("demo", "--plot", tmp_path / "a.what"), "cannot write the picture"),
        (("nothing.madx",), "no such file"),
    ):
        status, _, err = run(*arguments)
        assert status == 2 and words in err and err.count("\n") == 1
