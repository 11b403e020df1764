"""Beam-beam collisions of MAD-X: tune shifts, orbits and kicks as in MAD-X itself, and refused input."""

import numpy as np
import pytest

import gputrack as gt
from gputrack.base.errors import LatticeFileError
from gputrack.io.madx import read_madx

RING = """
q: multipole, knl={0, 0.3}; p: multipole, knl={0, -0.3}; d: drift, l=2;
r: line=(bb, d, q, d, d, p, d); use, period=r;
"""
#: beam, collision, option
CASES = {
    "head-on": ("particle=proton, energy=7, npart=1e12", "sigx=1e-3, sigy=2e-3", "-bborbit"),
    "attracting": ("particle=electron, energy=3, npart=1e9", "sigx=1e-4, sigy=8e-5, charge=-1", "-bborbit"),
    "ions": ("particle=ion, mass=10, charge=5, energy=20, npart=2e10", "sigx=1e-3, sigy=0.5e-3, charge=2", "-bborbit"),
    "slow": ("particle=proton, energy=1.2, npart=1e10", "sigx=1e-3, sigy=1.5e-3", "-bborbit"),
    "offset": ("particle=proton, energy=7, npart=2e11", "sigx=1e-3, sigy=2e-3, xma=1e-3", "bborbit"),
    "antiproton": ("particle=antiproton, energy=7, npart=2e11", "sigx=2e-3, sigy=1e-3, yma=-2e-3", "bborbit"),
}


def loaded(text, folder):
    path = folder / "ring.madx"
    path.write_text(text)
    return gt.load(path)


def written(case, ring=RING):
    beam, collision, option = CASES[case]
    return f"option, {option}; beam, {beam}; bb: beambeam, {collision}; {ring}"


@pytest.mark.parametrize("case", CASES)
def test_tunes_and_orbits_are_those_of_madx(case, tmp_path, madx):
    ring, peer = loaded(written(case), tmp_path), madx(tmp_path)
    peer.run(written(case) + "coguess, tolerance=1e-13; twiss;")
    table, summary = peer.process.table.twiss, peer.process.table.summ
    optics = gt.twiss(ring)
    bare = gt.twiss(ring.with_changes("bb", particles=0.0))
    assert abs(optics.qx - bare.qx) > 1e-4, "the tune shift is too small to test anything"
    # orbits have slopes of 1e-5, of which MAD-X leaves out squares
    np.testing.assert_allclose([optics.qx, optics.qy], [summary.q1[0], summary.q2[0]], rtol=0, atol=1e-9)
    for ours, theirs in zip((optics.x, optics.px, optics.y, optics.py), ("x", "px", "y", "py"), strict=True):
        np.testing.assert_allclose(ours[0], table[theirs][0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(optics.betx[0], table.betx[0], rtol=1e-8)
    if "ma=" in CASES[case][1]:
        assert abs(optics.x[0]) + abs(optics.y[0]) > 1e-6


def test_kicks_are_those_of_madx(tmp_path, madx):
    """Far from the axis, where nothing is linear."""
    text = written("antiproton", "d: drift, l=1e-9; r: line=(bb, d); use, period=r;")
    line, peer = loaded(text, tmp_path), madx(tmp_path)
    start = np.array([[3e-3, 0.0, -1e-3, 0.0, 0.0, 0.0], [0.0] * 6, [-8e-3, 1e-4, 5e-3, -2e-4, 0.0, 0.0]]).T
    starts = "".join(f"start, x={x}, px={px}, y={y}, py={py};" for x, px, y, py in start[:4].T)
    peer.run(f"{text} track, onepass, dump, onetable; {starts} run, turns=1; endtrack;")
    table = peer.process.table.trackone
    rows = np.flatnonzero(table.turn == 1)
    theirs = np.array([table[name][rows] for name in ("px", "py")])
    ours = gt.track(line, gt.Beam(start, line.reference)).coordinates[[1, 3]]
    assert np.abs(ours - start[[1, 3]]).max(axis=0).min() > 5e-6
    np.testing.assert_allclose(ours - start[[1, 3]], theirs - start[[1, 3]], rtol=1e-7, atol=1e-15)


def test_a_switched_off_collision_is_nothing(tmp_path):
    text = f"beam, particle=proton, energy=7; bb: beambeam, sigx=1, sigy=1, charge=0; {RING}"
    ring = loaded(text, tmp_path)
    assert ring[0].particles == 0.0
    assert any("z/2" in line for line in read_madx(tmp_path / "ring.madx").ignored)


BEAM = "beam, particle=proton, energy=7, npart=1e12"
GOOD = "sigx=1e-3, sigy=1e-3"
REFUSED = [
    (BEAM, "sigy=1e-3", "sigx must be > 0 m, got 0"),
    (BEAM, f"{GOOD}, xma=1e-3", "'option, bborbit;'"),
    (BEAM, f"{GOOD}, bbshape=2, width=0.1", "'bbshape' is not supported"),
    (BEAM, f"{GOOD}, bbdir=1", "'bbdir' is not supported"),
    (BEAM, f"{GOOD}, l=0.1", "has no length"),
    (BEAM, f"{GOOD}, dx=1e-3", "'dx' is not supported"),
    (BEAM, f"{GOOD}, npart=2e12", "'npart' is not supported"),
    (BEAM, f"{GOOD}, bb_sc", "'bb_sc' is not supported"),
    (f"option, bb_ultra_relati; {BEAM}", GOOD, "option 'bb_ultra_relati' is not supported"),
    (f"option, bb_sxy_update; {BEAM}", GOOD, "option 'bb_sxy_update' is not supported"),
    ("beam, particle=proton, energy=7", GOOD, "must give npart.*got npart = 1"),
    (f"{BEAM}, bcurrent=1", GOOD, "no bcurrent.*bcurrent = 1"),
    ("x = 1", GOOD, "got no beam command"),
]


@pytest.mark.parametrize(("beam", "collision", "message"), REFUSED, ids=[f"{b}; {c}" for b, c, _ in REFUSED])
def test_impossible_arguments(tmp_path, beam, collision, message):
    with pytest.raises(LatticeFileError, match=message) as caught:
        loaded(f"{beam}; bb: beambeam, {collision}; {RING}", tmp_path)
    assert str(caught.value).startswith("ring.madx:1: beambeam 'bb': ") and "\n" not in str(caught.value)
