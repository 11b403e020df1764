"""Matching: tunes, beta at a place, limits, a line, targets that cannot be met; against MAD-X's own match."""

import numpy as np
import pytest
from support.peers import processes

import gputrack as gt
from gputrack.optics import Target
from gputrack.optics.matching.match import match


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


def test_a_failed_match_names_the_target_and_the_limit(ring):
    knobs = ring.knobs("qf.*.k1", "qd.*.k1")
    narrow = [(value - 1e-4, value + 1e-4) for value in knobs.values]
    found = match(ring, knobs, [Target("qx", 15.4), Target("qy", 6.32)], bounds=narrow)
    assert not found.success
    assert "qf.*.k1" in found.at_limit
    assert "FAILED" in repr(found) and "at its bound" in repr(found)


@pytest.fixture(scope="module")
def spear3(lattice_path):
    return gt.load(lattice_path("spear3.madx"))


def test_a_match_that_ends_at_bounds_is_a_least_squares_solution_within_them(spear3):
    """At the bound, the miss falls only in the direction that the bound forbids."""
    knobs = spear3.knobs("qf.k1", "qd.k1")
    bounds = [(1.76, 1.77), (-1.7, -1.5)]
    found = match(spear3, knobs, [Target("qx", 14.25), Target("qy", 5.28)], bounds=bounds)
    assert not found.success and found.at_limit == ("qf.k1",) and found.met == (False, False)
    assert found.values[0] == pytest.approx(1.77, abs=1e-9)
    assert "qx = 14.25 is not met" in found.failure and "qf.k1 is at its upper bound 1.77" in found.failure

    def cost(values):
        tw = gt.twiss(spear3.with_knobs(knobs, values))
        return 1e4 * ((tw.qx - 14.25) ** 2 + (tw.qy - 5.28) ** 2)

    slope = gt.grad(cost)(found.values)
    assert slope[0] < -1.0 and abs(slope[1]) < 1e-4 * abs(slope[0])


def test_limits_of_a_shared_ring_over_ranges(spear3):
    knobs = spear3.knobs("qf.k1", "qd.k1", "qfc.k1", "qdx.k1", "qfx.k1")
    bounds = [(value - 0.01, value + 0.01) for value in knobs.values]
    whole = gt.Range("*", "end")
    targets = [Target("qx", 14.21), Target("qy", 5.25), Target("bety", maximum=18.0, at=whole)]
    found = match(spear3, knobs, targets, bounds=bounds)
    assert found.success, found
    tw = gt.twiss(found.lattice)
    assert tw.bety.max() <= 18.0 + 1e-9 < gt.twiss(spear3).bety.max()
    assert (tw.qx, tw.qy) == pytest.approx((14.21, 5.25), abs=1e-9)


def test_entries_of_matrices_and_functions_as_targets(ring):
    knobs = ring.knobs("qf.01a.k1", "qd.01a.k1")
    goal = gt.twiss(ring.with_knobs(knobs, knobs.values * [1.001, 0.999]))
    row = goal.rows("bpm.02b")[0]
    targets = [
        Target("r12", float(goal.matrices[row, 0, 1]), at="bpm.02b"),
        Target(lambda tw: tw.betx[row] / tw.bety[row], float(goal.betx[row] / goal.bety[row])),
    ]
    found = match(ring, knobs, targets)
    assert found.success, found
    assert found.values == pytest.approx(knobs.values * [1.001, 0.999], rel=1e-9)
    last = match(ring, knobs, [Target("r33", float(goal.matrix[2, 2])), Target("qx", float(goal.qx))])
    assert last.success and last.values == pytest.approx(found.values, rel=1e-8)


def test_chromaticities_and_driving_terms_as_targets(ring):
    quiet = ring.with_changes("rf", voltage=0.0)
    knobs = quiet.knobs("sf.*.k2", "sd.*.k2")
    before = abs(gt.driving_terms(quiet)["h21000"])
    targets = [Target("dqx", 2.0), Target("dqy", 1.5), Target("h21000", maximum=before + 10.0)]
    found = match(quiet, knobs, targets)
    assert found.success and found.steps <= 6, found
    tw = gt.twiss(found.lattice)
    assert (tw.dqx, tw.dqy) == pytest.approx((2.0, 1.5), abs=1e-9)
    term = Target("h21000", 0.5 * before, at="bpm.04b")
    changed = match(quiet, quiet.knobs("sf.03.k2"), [term])
    again = gt.driving_terms(changed.lattice)
    row = gt.twiss(quiet).rows("bpm.04b")
    assert not changed.success or abs(again.along("h21000")[row][0]) == pytest.approx(0.5 * before, abs=1e-9)
    assert np.abs(changed.misses[0]).max() < abs(0.5 * before - abs(gt.driving_terms(quiet).along("h21000")[row][0]))


def test_each_step_is_reported(ring):
    steps = []
    found = match(ring, ring.knobs("qf.*.k1"), [Target("qx", 15.25, weight=2.0)], report=steps.append)
    assert tuple(steps) == found.history and found.steps == steps[-1].number
    assert steps[0].cost == pytest.approx(steps[0].miss ** 2) and steps[-1].miss <= 1e-9
    assert "step   1" in str(steps[0]) and "qx = 15.25" in str(steps[0])


def test_the_same_strengths_as_mad_x(ring):
    """MAD-X matches the tunes of a FODO cell; ours lands on the same strengths with the same model."""
    madx = processes.madx("""
        beam, particle=electron, energy=3;
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


def test_wrong_arguments(ring):
    knobs = ring.knobs("qf.*.k1")
    for make, words in (
        (lambda: Target("beta", 1.0), "no figure 'beta'"),
        (lambda: Target("betx", 1.0), "needs a place"),
        (lambda: Target("qx", 0.2, at="bpm*"), "omit at="),
        (lambda: Target("qx"), "give either a value"),
        (lambda: Target("qx", 0.2, maximum=0.3), "give either a value"),
        (lambda: Target("qx", 0.2, weight=0.0), "weight must be > 0"),
        (lambda: Target("qx", "much"), "value must be one number"),
        (lambda: Target("qx", minimum=2.0, maximum=1.0), "above maximum"),
        (lambda: Target("r17", 0.2), "no figure 'r17'"),
        (lambda: Target("betx", 0.2, at=3), "pattern of names or a Range"),
        (lambda: Target(lambda tw: tw.qx, 0.2, at="bpm*"), "omit at="),
        (lambda: match(ring, knobs, []), "targets"),
        (lambda: match(ring, ["qf"], [Target("qx", 0.2)]), "knobs"),
        (lambda: match(ring, knobs, [Target("betx", 1.0, at="nowhere")]), "no row matches"),
        (lambda: match(ring, knobs, [Target("qx", 15.3)], bounds=[(5.0, 6.0)]), "starts at"),
        (lambda: match(ring, knobs, [Target("qx", 15.3)], bounds=[(3.0, 2.0)]), "lower < upper"),
    ):
        with pytest.raises(gt.errors.InputError, match=words):
            make()
