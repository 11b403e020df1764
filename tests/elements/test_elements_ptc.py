"""Every element against MAD-X PTC, which solves the same equations in other code.

Drift-kick with equal order and slices does the same arithmetic in both codes, so that they agree to rounding.
Matrix-kick is compared with so many slices that both have converged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from support.helpers import push
from support.peers import ptc

import gputrack as gt

# energies from where beta matters (the ion, 11.4 MeV per nucleon: beta = 0.155) to where it does not
PARTICLES = {
    "electron": gt.ReferenceParticle.electron(total=3e9),
    "positron": gt.ReferenceParticle.from_energy("positron", total=3e9),
    "proton": gt.ReferenceParticle.from_energy(mass=ptc.PROTON_MASS, charge=1.0, kinetic=50e6),
    "antiproton": gt.ReferenceParticle.from_energy(mass=ptc.PROTON_MASS, charge=-1.0, kinetic=50e6),
    "ion": gt.ReferenceParticle.ion(nucleons=238.0, charge=28.0, kinetic=238 * 11.4e6),
}
AMPLITUDES = np.array([5e-3, 3e-3, 5e-3, 3e-3, 5e-3, 1e-2])
START = np.random.default_rng(1).uniform(-1.0, 1.0, (6, 6)) * AMPLITUDES[:, None]
TOLERANCE = 1e-12  # relative to the largest coordinate


@dataclass(frozen=True)
class Case:
    """One element, and the same in MAD-X's language ({volt}: volt per charge, which MAD-X leaves out)."""

    name: str
    element: gt.Element
    madx: str
    errors: str = ""


def cases() -> list[Case]:
    straight = [
        Case("drift", gt.Drift(length=2.0), "drift, l=2"),
        Case("marker", gt.Marker(), "marker"),
        Case("quadrupole", gt.Quadrupole(length=0.5, k1=1.2), "quadrupole, l=.5, k1=1.2"),
        Case("defocusing", gt.Quadrupole(length=0.5, k1=-1.2), "quadrupole, l=.5, k1=-1.2"),
        Case("skew", gt.Quadrupole(length=0.5, k1s=0.7), "quadrupole, l=.5, k1s=.7"),
        Case("both", gt.Quadrupole(length=0.5, k1=1.2, k1s=0.7), "quadrupole, l=.5, k1=1.2, k1s=.7"),
        Case(
            "quadrupole-errors",
            gt.Quadrupole(length=0.5, k1=1.2, knl=(0.001, 0.1, 3.0, 40.0), ksl=(0.002, 0.05, -2.0, 30.0)),
            "quadrupole, l=.5, k1=1.2, knl={.001, .1, 3, 40}, ksl={.002, .05, -2, 30}",
        ),
        Case("sextupole", gt.Sextupole(length=0.3, k2=30.0, k2s=10.0), "sextupole, l=.3, k2=30, k2s=10"),
        Case(
            "sextupole-errors",
            gt.Sextupole(length=0.3, k2=30.0, knl=(0.0, 0.0, 0.0, 300.0), ksl=(0.0, 0.1)),
            "sextupole, l=.3, k2=30, knl={0, 0, 0, 300}, ksl={0, .1}",
        ),
        Case("octupole", gt.Octupole(length=0.3, k3=3000.0, k3s=1000.0), "octupole, l=.3, k3=3000, k3s=1000"),
        Case("hkicker", gt.HKicker(length=0.2, kick=1e-3), "hkicker, l=.2, kick=.001"),
        Case("vkicker", gt.VKicker(length=0.2, kick=1e-3), "vkicker, l=.2, kick=.001"),
        Case("kicker", gt.Kicker(length=0.2, hkick=1e-3, vkick=-2e-3), "kicker, l=.2, hkick=.001, vkick=-.002"),
        Case("solenoid", gt.Solenoid(length=0.5, ks=0.7), "solenoid, l=.5, ks=.7"),
        Case("solenoid-strong", gt.Solenoid(length=2.0, ks=-3.0), "solenoid, l=2, ks=-3"),
    ]
    thin = [
        Case(
            "multipole",
            gt.Multipole(knl=(0.0, 0.1, 1.0, 10.0, 100.0), ksl=(0.0, 0.05, 2.0, -30.0)),
            "multipole, knl={0, .1, 1, 10, 100}, ksl={0, .05, 2, -30}",
        ),
        Case(
            "multipole-order-15",
            gt.Multipole(knl=(0.0,) * 15 + (1e38,), ksl=(0.0,) * 12 + (1e28,)),
            f"multipole, knl={{{'0, ' * 15}1e38}}, ksl={{{'0, ' * 12}1e28}}",
        ),
        Case("multipole-dipole", gt.Multipole(knl=(0.01,), angle=0.01), "multipole, knl={.01}"),
        Case(
            "multipole-lrad",
            gt.Multipole(knl=(0.01, 0.1), angle=0.01, lrad=0.5),
            "multipole, knl={.01, .1}, lrad=.5",
        ),
        Case(
            "multipole-vertical-dipole",
            gt.Multipole(knl=(0.01,), angle=0.01, lrad=0.5, tilt=-0.5 * np.pi),
            "multipole, ksl={.01}, lrad=.5",
        ),
        Case("hkicker-thin", gt.HKicker(kick=1e-3), "hkicker, kick=.001"),
        Case("vkicker-thin", gt.VKicker(kick=1e-3), "vkicker, kick=.001"),
        Case("kicker-thin", gt.Kicker(hkick=1e-3, vkick=2e-3), "kicker, hkick=.001, vkick=.002"),
        Case("translation", gt.Translation(x=1e-3, y=2e-3), "translation, dx=.001, dy=.002"),
        Case("yrotation", gt.YRotation(angle=0.02), "yrotation, angle=.02"),
    ]
    wave = {"frequency": 500e6, "lag": 0.1}
    cavities = [
        Case("rf", gt.RFCavity(voltage=2e6, **wave), "rfcavity, volt={volt}, freq=500, lag=.1"),
        Case("rf-thick", gt.RFCavity(voltage=2e6, length=1.0, **wave), "rfcavity, l=1, volt={volt}, freq=500, lag=.1"),
        Case("crab", gt.CrabCavity(voltage=2e6, **wave), "crabcavity, volt={volt}, freq=500, lag=.1"),
        Case(
            "crab-thick", gt.CrabCavity(voltage=2e6, length=1.0, **wave),
            "crabcavity, l=1, volt={volt}, freq=500, lag=.1",
        ),
    ]  # fmt: skip
    frames = [
        Case("quadrupole-tilt", gt.Quadrupole(length=0.5, k1=1.2, tilt=0.3), "quadrupole, l=.5, k1=1.2, tilt=.3"),
        Case("sextupole-tilt", gt.Sextupole(length=0.3, k2=30.0, tilt=0.3), "sextupole, l=.3, k2=30, tilt=.3"),
        Case("multipole-tilt", gt.Multipole(knl=(0.0, 0.1, 1.0), tilt=0.3), "multipole, knl={0, .1, 1}, tilt=.3"),
        Case("kicker-tilt", gt.HKicker(length=0.2, kick=1e-3, tilt=0.3), "hkicker, l=.2, kick=.001, tilt=.3"),
        Case("bend-tilt", gt.SectorBend(length=1.0, angle=0.1, tilt=0.3), "sbend, l=1, angle=.1, tilt=.3"),
        Case(
            "quadrupole-offset", gt.Quadrupole(length=0.5, k1=1.2, dx=1e-3, dy=-2e-3), "quadrupole, l=.5, k1=1.2",
            errors="dx=.001, dy=-.002",
        ),
        Case(
            "quadrupole-offset-roll", gt.Quadrupole(length=0.5, k1=1.2, dx=1e-3, dy=-2e-3, tilt=0.3),
            "quadrupole, l=.5, k1=1.2", errors="dx=.001, dy=-.002, dpsi=.3",
        ),
        Case(
            "bend-offset", gt.SectorBend(length=1.0, angle=0.3, dx=1e-3, dy=-2e-3), "sbend, l=1, angle=.3",
            errors="dx=.001, dy=-.002",
        ),
        Case(
            "bend-offset-tilt", gt.SectorBend(length=1.0, angle=0.3, dx=1e-3, dy=-2e-3, tilt=0.4),
            "sbend, l=1, angle=.3, tilt=.4", errors="dx=.001, dy=-.002",
        ),
        Case(
            "multipole-offset", gt.Multipole(knl=(0.0, 0.1, 3.0), dx=1e-3, dy=-2e-3), "multipole, knl={0, .1, 3}",
            errors="dx=.001, dy=-.002",
        ),
    ]  # fmt: skip
    return [*straight, *thin, *cavities, *frames, *bends()]


def bends() -> list[Case]:
    def sector(name: str, madx: str, **parameters: object) -> Case:
        return Case(name, gt.SectorBend(length=1.0, **parameters), f"sbend, l=1, {madx}")

    return [
        sector("sector", "angle=.1", angle=0.1),
        sector("sector-negative", "angle=-.1, e1=-.1, e2=-.2, k1=.3", angle=-0.1, e1=-0.1, e2=-0.2, k1=0.3),
        sector("sector-strong", "angle=1, e1=.4, e2=.3", angle=1.0, e1=0.4, e2=0.3),
        sector("sector-k0", "angle=.1, k0=.11", angle=0.1, k0=0.11),
        sector("sector-faces", "angle=.1, e1=.03, e2=.07", angle=0.1, e1=0.03, e2=0.07),
        sector("sector-fringe", "angle=.1, fint=.5, hgap=.02", angle=0.1, fint=0.5, hgap=0.02),
        sector(
            "sector-fringe-faces", "angle=.1, e1=.03, e2=.07, fint=.5, fintx=.3, hgap=.02",
            angle=0.1, e1=0.03, e2=0.07, fint=0.5, fintx=0.3, hgap=0.02,
        ),
        sector("sector-k1", "angle=.1, k1=.5", angle=0.1, k1=0.5),
        sector("sector-k2", "angle=.1, k2=5", angle=0.1, k2=5.0),
        sector(
            "sector-combined", "angle=.1, k1=.5, k2=5, e1=.02, e2=.03",
            angle=0.1, k1=0.5, k2=5.0, e1=0.02, e2=0.03,
        ),
        sector(
            "sector-errors", "angle=.1, knl={0, .1, 2, 30}, ksl={0, .1}",
            angle=0.1, knl=(0.0, 0.1, 2.0, 30.0), ksl=(0.0, 0.1),
        ),
        sector(
            "sector-dipole-errors", "angle=.1, e1=.1, e2=.2, knl={.01, .3}, ksl={.002}",
            angle=0.1, e1=0.1, e2=0.2, knl=(0.01, 0.3), ksl=(0.002,),
        ),
        Case("rectangular", gt.RectangularBend(length=1.0, angle=0.1), "rbend, l=1, angle=.1"),
        Case(
            "rectangular-faces", gt.RectangularBend(length=1.0, angle=0.1, e1=0.01, e2=0.02, k1=0.3),
            "rbend, l=1, angle=.1, e1=.01, e2=.02, k1=.3",
        ),
        Case(
            "rectangular-fringe", gt.RectangularBend(length=1.0, angle=0.1, k0=0.11, fint=0.4, hgap=0.03),
            "rbend, l=1, angle=.1, k0=.11, fint=.4, hgap=.03",
        ),
    ]  # fmt: skip


CASES = {case.name: case for case in cases()}
# PTC cuts its thick cavities into nst slices of order 2; ours have one kick in the middle.
ONE_KICK = {"rf-thick", "crab-thick"}


@cache
def ptc_results(particle: str, exact: bool, slices: int) -> dict[str, np.ndarray]:
    """All cases in one or two MAD-X processes, coordinates (6, n) by name."""
    reference = PARTICLES[particle]
    texts = {name: case.madx.replace("{volt}", repr(2.0 * abs(reference.charge))) for name, case in CASES.items()}
    errors = {name: case.errors for name, case in CASES.items() if case.errors}
    many = {name: text for name, text in texts.items() if name not in ONE_KICK}
    one = {name: text for name, text in texts.items() if name in ONE_KICK}
    layout = ptc.Layout(exact=exact, model=1, method=6, nst=slices)
    single = ptc.Layout(exact=exact, model=1, method=2, nst=1)
    results = ptc.track_each(many, START, reference, layout, errors)
    return results | ptc.track_each(one, START, reference, single)


def model_of(exact: bool, integrator: gt.DriftKick | gt.MatrixKick) -> gt.Model:
    """PTC's models: full edges with the exact Hamiltonian, linear ones with the expanded."""
    if exact:
        return gt.Model(integrator, gt.Exact(), gt.PTCEdge())
    return gt.Model(integrator, gt.Expanded(), gt.LinearEdge())


def assert_agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


#: every particle, and both Hamiltonians where their differences are largest
RUNS = [(particle, True) for particle in PARTICLES] + [("antiproton", False), ("ion", False)]


def run_name(value: str | bool) -> str:
    """Part of a test's name."""
    return value if isinstance(value, str) else ("exact" if value else "expanded")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("particle", "exact"), RUNS, ids=run_name)
def test_drift_kick_agrees_with_ptc(particle: str, exact: bool, name: str) -> None:
    theirs = ptc_results(particle, exact, 10)[name]
    ours = push(CASES[name].element, START, PARTICLES[particle], model_of(exact, gt.DriftKick(6, 10)))
    assert_agree(ours, theirs)


THICK = [
    name for name, case in CASES.items()
    if isinstance(case.element, gt.Quadrupole | gt.Sextupole | gt.Octupole | gt.SectorBend | gt.RectangularBend)
]  # fmt: skip


@pytest.mark.parametrize("name", THICK)
@pytest.mark.parametrize(("particle", "exact"), [("electron", True), ("proton", False)], ids=run_name)
def test_matrix_kick_converges_to_ptc(particle: str, exact: bool, name: str) -> None:
    theirs = ptc_results(particle, exact, 200)[name]
    ours = push(CASES[name].element, START, PARTICLES[particle], model_of(exact, gt.MatrixKick(6, 50)))
    assert_agree(ours, theirs)


@pytest.mark.parametrize("time", [True, False], ids=["time", "path"])
@pytest.mark.parametrize("particle", PARTICLES)
def test_conversion_of_ptc_coordinates(particle: str, time: bool) -> None:
    """The exact drift, implemented here, verifies the conversion at any energy."""
    reference, length = PARTICLES[particle], 2.0
    theirs = ptc.track_each({"d": f"drift, l={length}"}, START, reference, ptc.Layout(time=time))["d"]
    x, px, y, py, z, delta = START
    pz = np.sqrt((1.0 + delta) ** 2 - px**2 - py**2)
    momentum = reference.p0c * (1.0 + delta)
    beta = momentum / np.hypot(momentum, reference.mass)
    late = length * ((1.0 + delta) / (beta * pz) - 1.0 / reference.beta0)  # c (t - t0)
    expected = np.array([x + length * px / pz, px, y + length * py / pz, py, z - beta * late, delta])
    assert np.abs(theirs - expected).max() <= 1e-14 * length / reference.beta0


def test_translation_along_s_counts_the_reference_time() -> None:
    """PTC's clock stands still during ds; ours is that of a reference particle that flies on."""
    reference, shift = PARTICLES["proton"], 0.3
    theirs = ptc.track_each({"t": f"translation, ds={shift}"}, START, reference, ptc.Layout())["t"]
    ours = push(gt.Translation(s=shift), START, reference)
    flight = shift * ptc.speed(START[5], reference)  # beta/beta0 ds: ds/(beta0 c) of time, as z
    assert_agree(ours, theirs + np.array([0, 0, 0, 0, 1, 0])[:, None] * flight)
