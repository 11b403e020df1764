"""Named cases for the tests that every element must pass: the package's examples, and others that extend them.

A new element needs an example in `gputrack.app.example_elements`.
"""

import math
from typing import NamedTuple

from gputrack.app.example_elements import EXAMPLES
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import (
    Aperture,
    BeamBeam,
    CrabCavity,
    Drift,
    HKicker,
    Kicker,
    Marker,
    Multipole,
    Octupole,
    Quadrupole,
    RadiationKicks,
    RectangularBend,
    RFCavity,
    SectorBend,
    Sextupole,
    Solenoid,
    Translation,
    VKicker,
    YRotation,
)
from gputrack.elements.bunch_slicing import EqualCharge, EqualDistance
from gputrack.elements.element import Element
from gputrack.elements.models import DriftKick, Expanded, Model, PTCEdge

SPECIES = {
    "electron": ReferenceParticle.electron(total=3e9),
    "positron": ReferenceParticle.from_energy("positron", total=3e9),
    "proton": ReferenceParticle.proton(kinetic=50e6),
    "antiproton": ReferenceParticle.from_energy("antiproton", kinetic=50e6),
    "gold": ReferenceParticle.ion(nucleons=197, charge=79, kinetic=197 * 100e6),
}


class Case(NamedTuple):
    """An element, and whether the reference particle stays on its axis."""

    element: Element
    on_axis: bool = True


ERRORS = dict(knl=(0.0, 0.02, 0.3, 4.0, 50.0), ksl=(0.0, -0.01, 0.2, -3.0, 40.0))
KICKS = dict(knl=(1e-3, 0.02, 0.3), ksl=(-2e-3, -0.01, 0.2))
MOVED = dict(dx=2e-3, dy=-1e-3, tilt=0.3)
BEND = dict(length=1.5, angle=0.2)
GAP = dict(fint=0.5, hgap=0.02)
# A strong bunch as wide as needed for power series of particles some millimetres apart to converge.
FLAT = dict(particles=2e14, emit_x=2.5e-2, emit_y=1e-3, beta_x=1.0, beta_y=0.5)  # 158 mm by 22 mm
TALL = FLAT | dict(emit_x=1e-3, emit_y=2.5e-2)
OVAL = dict(particles=4e14, emit_x=27e-3, emit_y=9e-3, beta_x=0.4, beta_y=0.5)  # 104 mm by 67 mm
NEARLY_ROUND = dict(particles=2e14, emit_x=8e-3, emit_y=4e-3, beta_x=0.4, beta_y=0.5)  # 57 mm by 45 mm
TILTED = dict(alpha_x=0.4, alpha_y=-0.3)
SLOPES = dict(slope_x=0.02, slope_y=0.01)
CROSSED = dict(crossing_x=0.2, crossing_y=-0.1, crab_x=-0.05, crab_y=0.02, sigma_z=0.05)
# Fields in which electrons of 3 GeV lose up to a per cent of their energy.
GLOW = dict(radiation=RadiationKicks(2))
TIGHT = dict(length=0.1, angle=0.9, **GLOW)

#: examples that bend the path of the reference particle off their axis
OFF_AXIS = {
    "quadrupole_moved", "sector_moved", "cavity_accelerating", "hkicker", "vkicker", "kicker", "translation",
    "rotation", "radiation_sector",
}  # fmt: skip
#: power series of particles some beam sizes apart do not converge: this one has tests of its own
NARROW = "beam_beam_narrow"

CASES = {
    name: Case(example.element, on_axis=name not in OFF_AXIS)
    for name, example in EXAMPLES.items()
    if not example.element.collective and name != NARROW
}
CASES |= {
    "marker_aperture": Case(Marker("m", aperture=Aperture(rectangle=(0.5, 0.5)))),
    "drift_thin": Case(Drift("d")),
    "drift_moved": Case(Drift("d", length=1.3, **MOVED)),
    "drift_aperture": Case(Drift("d", length=1.3, aperture=Aperture(ellipse=(0.5, 0.4)), **MOVED)),
    "quadrupole_defocusing": Case(Quadrupole("q", length=0.7, k1=-1.7)),
    "quadrupole_both": Case(Quadrupole("q", length=0.7, k1=1.7, k1s=-0.6)),
    "quadrupole_strong": Case(Quadrupole("q", length=1.5, k1=3.0)),
    "quadrupole_off": Case(Quadrupole("q", length=0.7)),
    "quadrupole_thin": Case(Quadrupole("q")),
    "quadrupole_tilted": Case(Quadrupole("q", length=0.7, k1=1.7, tilt=math.pi / 4)),
    "quadrupole_errors": Case(Quadrupole("q", length=0.7, k1=1.7, **ERRORS)),
    "quadrupole_dipole_error": Case(Quadrupole("q", length=0.7, k1=1.7, **KICKS), on_axis=False),
    "quadrupole_own_model": Case(Quadrupole("q", length=0.7, k1=1.7, model=Model(DriftKick(6, 3), Expanded()))),
    "quadrupole_aperture": Case(Quadrupole("q", length=0.7, k1=1.7, aperture=Aperture((0.5, 0.5), (0.6, 0.4)))),
    "sextupole_skew": Case(Sextupole("s", length=0.3, k2=12.0, k2s=-9.0)),
    "sextupole_off": Case(Sextupole("s", length=0.3)),
    "sextupole_errors": Case(Sextupole("s", length=0.3, k2=12.0, **ERRORS)),
    "sextupole_moved": Case(Sextupole("s", length=0.3, k2=12.0, **MOVED), on_axis=False),
    "octupole_skew": Case(Octupole("o", length=0.2, k3=300.0, k3s=200.0, tilt=-0.2)),
    "octupole_off": Case(Octupole("o", length=0.2)),
    "octupole_errors": Case(Octupole("o", length=0.2, k3=300.0, **KICKS), on_axis=False),
    "multipole_order_20": Case(Multipole("k", knl=(0.0,) * 20 + (1e48,), ksl=(0.0,) * 20 + (-2e48,))),
    "multipole_bend": Case(Multipole("k", knl=(0.01, 0.2), angle=0.01)),
    "multipole_lrad": Case(Multipole("k", knl=(0.01, 0.2), angle=0.01, lrad=0.4, tilt=0.1)),
    "multipole_mismatch": Case(Multipole("k", knl=(0.012,), ksl=(0.003,), angle=0.01), on_axis=False),
    "multipole_empty": Case(Multipole("k")),
    "sector": Case(SectorBend("b", **BEND)),
    "sector_negative": Case(SectorBend("b", length=1.5, angle=-0.2, e1=0.05, e2=-0.03)),
    "sector_wide": Case(SectorBend("b", length=2.0, angle=0.9)),
    "sector_faces": Case(SectorBend("b", **BEND, e1=0.12, e2=-0.08)),
    "sector_fintx": Case(SectorBend("b", **BEND, e1=0.1, e2=0.05, **GAP, fintx=0.0)),
    "sector_ptc": Case(SectorBend("b", **BEND, e1=0.1, e2=0.05, **GAP, model=Model(edge=PTCEdge()))),
    "sector_gradient": Case(SectorBend("b", **BEND, k1=0.6, e1=0.1, e2=0.1)),
    "sector_errors": Case(SectorBend("b", **BEND, k1=0.6, **ERRORS)),
    "sector_tilted": Case(SectorBend("b", **BEND, e1=0.1, tilt=math.pi / 2)),
    "sector_mismatch": Case(SectorBend("b", **BEND, k0=0.14), on_axis=False),
    "sector_dipole_error": Case(SectorBend("b", **BEND, **KICKS), on_axis=False),
    "sector_straight": Case(SectorBend("b", length=1.5)),
    "sector_straight_field": Case(SectorBend("b", length=1.5, k0=0.1), on_axis=False),
    "sector_no_field": Case(SectorBend("b", **BEND, k0=0.0), on_axis=False),
    "rectangular": Case(RectangularBend("r", **BEND)),
    "rectangular_as_sector": Case(RectangularBend("r", **BEND, e1=-0.1, e2=-0.1)),
    "rectangular_negative": Case(RectangularBend("r", length=1.5, angle=-0.3, k1=0.4)),
    "rectangular_straight": Case(RectangularBend("r", length=1.5)),
    "solenoid_negative": Case(Solenoid("s", length=1.1, ks=-2.5)),
    "solenoid_off": Case(Solenoid("s", length=1.1)),
    "solenoid_thin": Case(Solenoid("s")),
    "solenoid_moved": Case(Solenoid("s", length=1.1, ks=0.8, **MOVED), on_axis=False),
    "cavity": Case(RFCavity("c", length=0.8, voltage=2e6, frequency=1e8)),
    "cavity_thin": Case(RFCavity("c", voltage=2e6, frequency=1e8)),
    "cavity_off": Case(RFCavity("c", length=0.8, frequency=1e8, lag=0.1)),
    "cavity_static": Case(RFCavity("c", length=0.8, voltage=-2e6, lag=0.25), on_axis=False),
    "crab_vertical": Case(CrabCavity("x", voltage=1e6, frequency=2e8, tilt=math.pi / 2)),
    "crab_kicking": Case(CrabCavity("x", length=0.6, voltage=1e6, frequency=2e8, lag=0.1), on_axis=False),
    "crab_off": Case(CrabCavity("x", length=0.6, frequency=2e8)),
    "hkicker_thin": Case(HKicker("h", kick=2e-3), on_axis=False),
    "vkicker_thin": Case(VKicker("v", kick=-2e-3), on_axis=False),
    "kicker_off": Case(Kicker("k", length=0.4)),
    "kicker_thin_off": Case(Kicker("k")),
    "translation_back": Case(Translation("t", s=-0.4)),
    "translation_none": Case(Translation("t")),
    "rotation_none": Case(YRotation("y")),
    "beam_beam": Case(BeamBeam("i", **FLAT)),
    "beam_beam_off": Case(BeamBeam("i", emit_x=1e-4, emit_y=1e-5)),
    "beam_beam_round": Case(BeamBeam("i", particles=1e14, charge=-1.0, emit_x=4e-3, emit_y=4e-3)),
    "beam_beam_tall": Case(BeamBeam("i", **TALL, sigma_z=0.02, slicing=EqualCharge(3))),
    "beam_beam_long": Case(BeamBeam("i", **OVAL, **TILTED, sigma_z=0.03, slicing=EqualDistance(3, 2.0)), on_axis=False),
    "beam_beam_crossing": Case(BeamBeam("i", **NEARLY_ROUND, **CROSSED)),
    "beam_beam_slices": Case(BeamBeam("i", **FLAT, **CROSSED, slicing=EqualCharge(5)), on_axis=False),
    "beam_beam_crabs": Case(
        BeamBeam("i", **NEARLY_ROUND, **CROSSED, **SLOPES, crab_frequency=4e8, slicing=EqualCharge(3), **MOVED),
        on_axis=False,
    ),
    "radiation_quadrupole": Case(Quadrupole("q", length=0.2, k1=60.0, k1s=20.0, **GLOW)),
    "radiation_quadrupole_off": Case(Quadrupole("q", length=0.2, **GLOW)),
    "radiation_sextupole": Case(
        Sextupole("s", length=0.2, k2=4e3, k2s=-2e3, radiation=RadiationKicks(3), **MOVED), on_axis=False
    ),
    "radiation_octupole": Case(Octupole("o", length=0.01, k3=5e6, radiation=RadiationKicks(1), **KICKS), on_axis=False),
    "radiation_multipole": Case(Multipole("k", knl=(0.05, 0.2, 3.0), angle=0.05, lrad=1e-3, **GLOW), on_axis=False),
    "radiation_multipole_thin": Case(Multipole("k", knl=(0.0, 0.2, 3.0), **GLOW)),
    "radiation_sector_fields": Case(SectorBend("b", **TIGHT, k0=8.0, k1=6.0, k2=50.0, ksl=(0.0, 0.2)), on_axis=False),
    "radiation_sector_straight": Case(SectorBend("b", length=0.1, k0=1.0, **GLOW), on_axis=False),
    "radiation_rectangular": Case(RectangularBend("r", **TIGHT, k1=5.0, tilt=0.3), on_axis=False),
    "radiation_faces": Case(SectorBend("b", **TIGHT, e1=0.3, e2=-0.2, k1=3.0), on_axis=False),
    "radiation_one_kick": Case(
        SectorBend("b", length=0.1, angle=-0.9, e1=-0.2, radiation=RadiationKicks(1)), on_axis=False
    ),
    "radiation_solenoid": Case(Solenoid("s", length=0.1, ks=18.0, **GLOW)),
    "radiation_kicker": Case(Kicker("k", length=0.2, hkick=0.02, vkick=-0.005, **GLOW), on_axis=False),
}
