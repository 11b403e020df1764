"""Elements against xtrack and pyAT, where PTC has no results (tilted cavities, |q|) and as a second opinion."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support.helpers import push
from support.peers import at_peer, xtrack_peer

import gputrack as gt

PARTICLES = {
    "electron": gt.ReferenceParticle.electron(total=3e9),
    "positron": gt.ReferenceParticle.from_energy("positron", total=3e9),
    "proton": gt.ReferenceParticle.proton(kinetic=50e6),
    "antiproton": gt.ReferenceParticle.from_energy("antiproton", kinetic=50e6),
    "ion": gt.ReferenceParticle.ion(nucleons=238.0, charge=28.0, kinetic=238 * 11.4e6),
}
AMPLITUDES = np.array([5e-3, 3e-3, 5e-3, 3e-3, 5e-3, 1e-2])
START = np.random.default_rng(2).uniform(-1.0, 1.0, (6, 6)) * AMPLITUDES[:, None]
WAVE = {"voltage": 2e6, "frequency": 500e6, "lag": 0.1}

WITH_XTRACK = {
    "rf": gt.RFCavity(**WAVE),
    "rf-thick": gt.RFCavity(length=1.0, **WAVE),
    "crab": gt.CrabCavity(**WAVE),
    "crab-tilt": gt.CrabCavity(tilt=0.3, **WAVE),
    "crab-thick-offset": gt.CrabCavity(length=1.0, dx=1e-3, dy=2e-3, **WAVE),
    "solenoid-offset": gt.Solenoid(length=0.5, ks=0.7, dx=1e-3, dy=-2e-3, tilt=0.2),
    "yrotation": gt.YRotation(angle=0.02),
    "translation": gt.Translation(x=1e-3, y=2e-3),
    "multipole": gt.Multipole(knl=(0.0, 0.1, 1.0), ksl=(0.0, 0.05), tilt=0.3, dx=1e-3),
}


@cache
def xtrack_line() -> object:
    pytest.importorskip("xsuite", reason="without xsuite's prebuilt kernels xtrack compiles for minutes")
    return xtrack_peer.line_of(WITH_XTRACK.values(), PARTICLES["electron"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("particle", PARTICLES)
def test_agrees_with_xtrack(particle: str) -> None:
    reference = PARTICLES[particle]
    for name, theirs in zip(
        WITH_XTRACK, xtrack_peer.track_each(xtrack_line(), START, reference), strict=True
    ):
        ours = push(WITH_XTRACK[name], START, reference)
        # energies are differences of large numbers there: 1e-15 of 1 in delta
        assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max(), name


WITH_AT = {
    "drift": gt.Drift(length=2.0),
    "quadrupole": gt.Quadrupole(length=0.5, k1=1.2, k1s=0.3, knl=(0.001, 0.0, 3.0), ksl=(0.002, 0.0, -2.0, 30.0)),
    "sextupole": gt.Sextupole(length=0.3, k2=30.0, k2s=10.0),
    "octupole": gt.Octupole(length=0.3, k3=3000.0, k3s=1000.0),
    "multipole": gt.Multipole(knl=(0.0, 0.1, 1.0, 10.0), ksl=(0.0, 0.05, 2.0, -30.0)),
    "hkicker-thin": gt.HKicker(kick=1e-3),
}


@pytest.mark.parametrize("name", WITH_AT)
@pytest.mark.parametrize("particle", PARTICLES)
def test_agrees_with_at(particle: str, name: str) -> None:
    reference = PARTICLES[particle]
    theirs = at_peer.track([WITH_AT[name]], START, reference, slices=10)
    ours = push(WITH_AT[name], START, reference, gt.Model(gt.DriftKick(4, 10)))
    assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max()


def test_sector_bend_agrees_with_at() -> None:
    """pyAT's bends are exact arcs between kicks, as ours by default."""
    reference = PARTICLES["electron"]
    bend = gt.SectorBend(length=1.0, angle=0.1, e1=0.03, e2=0.07)
    theirs = at_peer.track([bend], START, reference, slices=10)
    # the wedges there are differences of radii of 10 m: a few of their roundings
    rounding = 10.0 * np.finfo(float).eps * bend.length / bend.angle
    assert np.abs(push(bend, START, reference) - theirs).max() <= 1e-12 * np.abs(theirs).max() + rounding
