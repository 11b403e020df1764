"""Matching: tunes, beta at a place, limits, a line, what cannot be matched; against MAD-X's own match."""

import numpy as np
import pytest

import gputrack as gt
from gputrack.optics.match import Target, match


@pytest.fixture(scope="module")
def ring():
    return gt.demo_ring()


def test_tunes_are_matched_to_rounding(ring):
    knobs = ring.knobs("qf.*.k1", "qd.*.k1")
    found = match(ring, knobs, [Target("qx", 15.28), Target("qy", 6.27)])
    assert found.success and found.steps <= 10, found
    check = gt.twiss(found.lattice)
    assert check.qx == pytest.approx(15.28, abs=1e-9)
    assert check.qy == pytest.approx(6.27, abs=1e-9)
    assert "qf.*.k1" in repr(found) and "succeeded" in repr(found)


def test_limits_ask_nothing_within(ring):
    knobs = ring.knobs("qf.*.k1", "qd.*.k1")
    before = gt.twiss(ring)
    wide = match(ring, knobs, [Target("betx", at="bpm*", maximum=2.0 * before.betx.max())])
    assert wide.success
    np.testing.assert_array_equal(wide.values, knobs.values)
    peak = before.betx[before.rows("bpm*")].max()
    tight = match(ring, knobs, [Target("betx", at="bpm*", maximum=0.98 * peak), Target("qy", before.qy)])
    assert tight.success, tight
    assert gt.twiss(tight.lattice).betx[before.rows("bpm*")].max() <= 0.98 * peak * (1.0 + 1e-9)


def test_a_beam_line_is_matched_to_given_values():
    """A four-quadrupole matching section, as in MAD-X's examples: both betas and alphas at the end."""
    names = ("q1", "q2", "q3", "q4")
    strengths = (0.9, -1.1, 1.0, -0.8)
    parts = [
        part
        for name, k1 in zip(names, strengths, strict=True)
        for part in (gt.Drift("d", length=0.8), gt.Quadrupole(name, length=0.3, k1=k1))
    ]
    line = gt.Lattice([*parts, gt.Drift("d", length=0.8)], gt.ReferenceParticle.electron(total=3e9))
    start = gt.InitialTwiss(betx=5.0, alfx=0.5, bety=4.0, alfy=-0.3)
    goal = gt.twiss(line, start=start)
    shifted = line.with_knobs(line.knobs(*(f"{n}.k1" for n in names)), np.array(strengths) * 1.07)
    targets = [Target(c, float(getattr(goal, c)[-1]), at="end") for c in ("betx", "alfx", "bety", "alfy")]
    found = match(shifted, shifted.knobs(*(f"{n}.k1" for n in names)), targets, start=start)
    assert found.success, found


def test_a_failed_match_says_which_target_and_which_limit(ring):
    knobs = ring.knobs("qf.*.k1", "qd.*.k1")
    narrow = [(value - 1e-4, value + 1e-4) for value in knobs.values]
    found = match(ring, knobs, [Target("qx", 15.4), Target("qy", 6.32)], bounds=narrow)
    assert not found.success
    assert "qf.*.k1" in found.at_limit
    assert "FAILED" in repr(found) and "at its bound" in repr(found)


def test_the_same_strengths_as_mad_x(ring):
    """MAD-X matches the tunes of a FODO cell; ours lands on the same strengths with the same model."""
    madx = pytest.importorskip("cpymad.madx").Madx(stdout=False)
    madx.input("""
        option, -echo, -info, -warn; beam, particle=electron, energy=3;
        k1f := 0.6; k1d := -0.6; qf: quadrupole, l=0.5, k1:=k1f; qd: quadrupole, l=0.5, k1:=k1d; d: drift, l=2;
        cell: line=(qf, d, qd, d); use, period=cell;
        match, sequence=cell; vary, name=k1f, step=1e-6; vary, name=k1d, step=1e-6;
        global, q1=0.24, q2=0.21; lmdif, calls=200, tolerance=1e-20; endmatch;
    """)
    drift = gt.Drift("d", length=2.0)
    cell = gt.Lattice(
        [gt.Quadrupole("qf", length=0.5, k1=0.6), drift, gt.Quadrupole("qd", length=0.5, k1=-0.6), drift],
        gt.ReferenceParticle.electron(total=3e9),
    )
    found = match(cell, cell.knobs("qf.k1", "qd.k1"), [Target("qx", 0.24), Target("qy", 0.21)])
    assert found.success, found
    assert found.values == pytest.approx([madx.globals.k1f, madx.globals.k1d], rel=1e-7)
    madx.exit()


def test_what_cannot_be_asked_says_so(ring):
    knobs = ring.knobs("qf.*.k1")
    for make, words in (
        (lambda: Target("beta", 1.0), "no figure 'beta'"),
        (lambda: Target("betx", 1.0), "needs a place"),
        (lambda: Target("qx", 0.2, at="bpm*"), "drop at="),
        (lambda: Target("qx"), "give a value"),
        (lambda: Target("qx", 0.2, maximum=0.3), "give a value"),
        (lambda: Target("qx", 0.2, weight=0.0), "weight must be > 0"),
        (lambda: match(ring, knobs, []), "targets"),
        (lambda: match(ring, ["qf"], [Target("qx", 0.2)]), "knobs"),
        (lambda: match(ring, knobs, [Target("betx", 1.0, at="nowhere")]), "no row matches"),
        (lambda: match(ring, knobs, [Target("qx", 15.3)], bounds=[(5.0, 6.0)]), "starts at"),
        (lambda: match(ring, knobs, [Target("qx", 15.3)], bounds=[(3.0, 2.0)]), "lower < upper"),
    ):
        with pytest.raises(gt.errors.InputError, match=words):
            make()
