"""Example elements, at least one of each class with everyday values, and a beam that passes through all of them.

`gputrack doctor` tries them on each backend. The tests extend them by strong, thin, displaced and switched-off ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gputrack.base.reference import ReferenceParticle
from gputrack.beam.beam import Beam
from gputrack.collective import PipeModes, ResistiveWallWake, ResonatorWake, TableWake, UniformBins
from gputrack.elements import (
    BeamBeam,
    CrabCavity,
    Drift,
    Element,
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
    SpaceChargeKicks,
    Translation,
    VKicker,
    YRotation,
)
from gputrack.elements.bunch_slicing import EqualCharge

PROTON = ReferenceParticle.proton(kinetic=1e9)
ELECTRON = ReferenceParticle.electron(total=3e9)
#: rms size of the example beam in x [m], px, y [m], py, z [m], delta
SIZES = (2e-3, 1e-3, 2e-3, 1e-3, 5e-3, 1e-3)
PARTICLES = 1e11  # in the bunch


@dataclass(frozen=True)
class Example:
    """An element, and the reference particle for which its effect is large enough to be compared."""

    element: Element
    reference: ReferenceParticle = PROTON


_DISPLACED: dict[str, Any] = dict(dx=2e-3, dy=-1e-3, tilt=0.3)
_BEND: dict[str, Any] = dict(length=1.5, angle=0.2)
_BUNCH: dict[str, Any] = dict(particles=1e12, emit_x=4e-6, emit_y=1e-6, beta_y=0.5, sigma_z=0.05)  # 2 mm by 0.7 mm
_BINS = UniformBins(64, (-0.05, 0.05))

MAGNETS: dict[str, Element] = {
    "quadrupole": Quadrupole("quadrupole", length=0.7, k1=1.7),
    "quadrupole_skew": Quadrupole("skew quadrupole", length=0.7, k1s=1.1),
    "quadrupole_moved": Quadrupole("quadrupole, displaced", length=0.7, k1=1.7, **_DISPLACED),
    "sextupole": Sextupole("sextupole", length=0.3, k2=12.0),
    "octupole": Octupole("octupole", length=0.2, k3=300.0),
    "multipole": Multipole("multipole", knl=(0.0, 0.3, 5.0, 60.0), ksl=(0.0, -0.2, 4.0)),
    "sector_gap": SectorBend("sector bend", **_BEND, e1=0.1, e2=0.1, fint=0.5, hgap=0.02),
    "sector_sextupole": SectorBend("bend with gradient and sextupole", **_BEND, k1=-0.4, k2=3.0),
    "sector_moved": SectorBend("sector bend, displaced", **_BEND, **_DISPLACED),
    "rectangular_faces": RectangularBend("rectangular bend", **_BEND, e1=0.05, e2=-0.1, fint=0.5, hgap=0.02),
    "solenoid": Solenoid("solenoid", length=1.1, ks=0.8),
    "hkicker": HKicker("horizontal kicker", length=0.4, kick=2e-3),
    "vkicker": VKicker("vertical kicker", length=0.4, kick=2e-3, tilt=0.2),
    "kicker": Kicker("kicker", length=0.4, hkick=1e-3, vkick=2e-3),
}

OTHERS: dict[str, Element] = {
    "marker": Marker("marker"),
    "drift": Drift("drift", length=1.3),
    "cavity_accelerating": RFCavity("cavity", length=0.8, voltage=2e6, frequency=1e8, lag=0.2),
    "crab": CrabCavity("crab cavity", length=0.6, voltage=1e6, frequency=2e8),
    "translation": Translation("translation", x=1e-3, y=-2e-3, s=0.1),
    "rotation": YRotation("rotation", angle=0.05),
    "beam_beam_narrow": BeamBeam("collision", **_BUNCH, crossing_x=0.02, slicing=EqualCharge(3)),
}

COLLECTIVE: dict[str, Element] = {
    "space_charge": Drift(
        "space charge", length=1.0, space_charge=SpaceChargeKicks(PipeModes((0.05, 0.05), (12, 12)), 2), current=10.0
    ),
    "resonator_wake": ResonatorWake(
        "resonator wake", slicing=_BINS, component="dipolar_x",
        shunt_impedance=(1e8,), frequency=(1e9,), quality=(2.0,),
    ),
    "resistive_wall_wake": ResistiveWallWake(
        "resistive-wall wake", slicing=_BINS, component="dipolar_y", wall_length=100.0, radius=0.02, conductivity=6e7
    ),
    "table_wake": TableWake(
        "wake from a table", slicing=_BINS, component="longitudinal",
        distances=(0.0, 0.02, 0.05), wake=(2e15, 1e15, 0.0),
    ),
}  # fmt: skip

#: all of them by name
EXAMPLES: dict[str, Example] = {
    **{name: Example(element) for name, element in (MAGNETS | OTHERS | COLLECTIVE).items()},
    "radiation_sector": Example(
        SectorBend("radiating bend", length=0.1, angle=0.9, radiation=RadiationKicks(2)), ELECTRON
    ),
}


def example_beam(n: int, reference: ReferenceParticle = PROTON, seed: int = 1) -> Beam:
    """A beam of n particles that passes through all examples."""
    rng = np.random.default_rng(seed)
    coordinates = np.clip(rng.normal(size=(6, n)), -3.0, 3.0) * np.array(SIZES)[:, None]
    return Beam(coordinates, reference, weights=np.full(n, PARTICLES / n))
