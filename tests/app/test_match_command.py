"""The command `gputrack match` as a user meets it."""

import pytest

import gputrack as gt
from gputrack.app.cli import main
from gputrack.app.match_command import bounds_of, initial_of, targets_of


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


def test_tunes_of_a_shared_ring_are_matched_and_written(run, lattice_path, tmp_path):
    path = tmp_path / "matched.json"
    status, out, err = run(
        "match", lattice_path("spear3.madx"), "--vary", "qf.k1,qd.k1", "--target", "qx=14.25", "--target", "qy=5.28",
        "--output", path,
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert "step   1: sum of squares 6.099e-03, largest deviation 5.999e-02 (qx = 14.25)" in out
    assert "1.7686729041" in out and "1.781704" in out and out.count("yes") == 2
    tw = gt.twiss(gt.load(path))
    assert tw.qx == pytest.approx(14.25, abs=1e-9) and tw.qy == pytest.approx(5.28, abs=1e-9)


def test_a_failed_match_names_the_target_and_the_bound(run, lattice_path):
    status, out, err = run(
        "match", lattice_path("spear3.madx"), "--vary", "qf.k1", "--vary", "qd.k1", "--target", "qx=14.25",
        "--target", "qy=5.28", "--target", "bety@*>=1", "--bound", "qf.k1=1.76,1.77",
    )  # fmt: skip
    assert status == 1
    assert "at its bound" in out and "NO" in out and "1.76 to 1.77" in out
    assert err.startswith("gputrack: match failed: qx = 14.25 is not met: reached 14.")
    assert "qf.k1 is at its upper bound 1.77" in err and "bety" not in err and err.count("\n") == 1


def test_a_beam_line_from_initial_values(run, tmp_path):
    line = gt.Lattice(
        [gt.Quadrupole("q1", length=0.3, k1=0.9), gt.Drift("d", length=1.0), gt.Quadrupole("q2", length=0.3, k1=-0.9),
         gt.Drift("d", length=1.0)], gt.ReferenceParticle.electron(total=3e9), name="line",
    )  # fmt: skip
    gt.save(line, tmp_path / "line.json")
    goal = gt.twiss(line.with_changes("q1", k1=0.8), start=gt.InitialTwiss(5.0, 0.0, 4.0, 0.0))
    options = ("--initial", "betx=5,bety=4")
    status, out, _ = run(
        "match", tmp_path / "line.json", *options, "--vary", "q1.k1", "--target", f"betx@end={float(goal.betx[-1])!r}"
    )
    assert status == 0 and "betx at end" in out
    status, out, _ = run("twiss", tmp_path / "line.json", *options, "--slices", 5, "--csv", tmp_path / "a.csv")
    assert status == 0 and "phase advance" in out and "chromaticity" not in out and "21 rows" in out


def test_text_of_targets_and_bounds():
    limit, ranged, entry = targets_of(["betx@bpm* <= 20", "dx@q1/q9=0", "r12@end >= 1e-1"])
    assert (limit.figure, limit.at, limit.maximum) == ("betx", "bpm*", 20.0)
    assert ranged.at == gt.Range("q1", "q9") and ranged.value == 0.0
    assert entry.figure == "r12" and entry.minimum == 0.1
    knobs = gt.demo_ring().knobs("qf.*.k1", "qd.*.k1")
    assert bounds_of(knobs, ["qd.*.k1=,-2"]) == [(float("-inf"), float("inf")), (float("-inf"), -2.0)]
    assert bounds_of(knobs, []) is None
    assert initial_of("betx=5, bety=7, dx=0.2") == gt.InitialTwiss(5.0, 0.0, 7.0, 0.0, dx=0.2)


def test_errors_are_one_line(run, tmp_path):
    tune = ("--target", "qx=15.2")
    for arguments, words in (
        (("demo", "--vary", "qf.*.k1", "--target", "qx"), "write FIGURE=VALUE"),
        (("demo", "--vary", "qf.*.k1", "--target", "qx=much"), "'much' is not a number"),
        (("demo", "--vary", "qf.*.k1", "--target", "beta=1"), "no figure 'beta'"),
        (("demo", "--vary", "qf.*.k1", "--target", "betx=1"), "needs a place"),
        (("demo", "--vary", "qf.*.k1", "--target", "betx@nowhere=1"), "no row matches 'nowhere'"),
        (("demo", "--vary", "nothing.k1", *tune), "no element matches 'nothing'"),
        (("demo", "--vary", ",", *tune), "give handles of knobs"),
        (("demo", "--vary", "qf.*.k1", *tune, "--bound", "qf.*.k1=3"), "write KNOB=LOWER,UPPER"),
        (("demo", "--vary", "qf.*.k1", *tune, "--bound", "q.k1=1,2"), "'q.k1' is not one of the knobs"),
        (("demo", "--vary", "qf.*.k1", *tune, "--bound", "qf.*.k1=3,4"), "starts at"),
        (("demo", "--vary", "qf.*.k1", *tune, "--initial", "beta=3"), "write NAME=VALUE"),
        (("demo", "--vary", "qf.*.k1", *tune, "--initial", "betx=3"), "betx and bety are required"),
        (("demo", "--vary", "qf.*.k1", *tune, "--output", tmp_path / "a.madx"), "must end in .json"),
        (("demo", *tune), "--vary"),
    ):
        status, _, err = run("match", *arguments)
        assert status == 2 and words in err and err.count("\n") == 1, (arguments, err)
