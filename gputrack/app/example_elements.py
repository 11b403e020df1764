"""One element of each class with typical values, and a beam to track through it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.base.reference import ReferenceParticle
from gputrack.beam.beam import Beam
from gputrack.collective import PipeModes, ResonatorWake, UniformBins
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

REFERENCE = ReferenceParticle.proton(kinetic=1e9)
SIZES = (2e-3, 1e-3, 2e-3, 1e-3, 5e-3, 1e-3)


def specimens() -> list[Element]:
    """An element of each class, including misaligned elements and collective effects; names are unique."""
    bend: dict[str, Any] = dict(length=1.5, angle=0.2, fint=0.5, hgap=0.03)
    displaced: dict[str, Any] = dict(dx=1e-3, dy=-5e-4, tilt=0.02)
    strong: dict[str, Any] = dict(emit_x=4e-6, emit_y=1e-6, beta_x=1.0, beta_y=0.5, sigma_z=0.05)
    pipe = SpaceChargeKicks(PipeModes((0.05, 0.05), (12, 12)), 2)
    return [
        Drift("drift", length=1.0),
        Quadrupole("quadrupole", length=0.5, k1=1.5),
        Quadrupole("skew quadrupole, displaced", length=0.5, k1=1.5, k1s=0.2, **displaced),
        Sextupole("sextupole", length=0.2, k2=20.0),
        Octupole("octupole", length=0.2, k3=500.0),
        Multipole("multipole", knl=(0.0, 0.1, 2.0, 30.0), ksl=(0.0, -0.05)),
        SectorBend("sector bend", e1=0.05, **bend),
        SectorBend("bend with gradient, displaced", k1=0.5, k2=2.0, **bend, **displaced),
        RectangularBend("rectangular bend", **bend),
        SectorBend("radiating bend", k1=0.5, radiation=RadiationKicks(2), **bend),
        Solenoid("solenoid", length=1.0, ks=0.5),
        RFCavity("cavity", length=0.5, voltage=1e6, frequency=2e8, lag=0.1),
        CrabCavity("crab cavity", length=0.5, voltage=1e6, frequency=4e8),
        BeamBeam("collision", particles=1e12, crossing_x=0.02, slicing=EqualCharge(3), **strong),
        HKicker("hkicker", length=0.2, kick=1e-3),
        VKicker("vkicker", kick=1e-3),
        Kicker("kicker", length=0.2, hkick=1e-3, vkick=-1e-3),
        Translation("translation", x=1e-3, s=0.1),
        YRotation("rotation", angle=0.01),
        Marker("marker"),
        BeamBeam(
            "beam-beam", particles=1e11, emit_x=1e-8, emit_y=1e-8, sigma_z=0.01, slicing=EqualCharge(3), crossing_x=1e-3
        ),
        Drift("space charge", length=1.0, space_charge=pipe, current=10.0),
        ResonatorWake(
            "wake", slicing=UniformBins(64, (-0.05, 0.05)), component="dipolar_x",
            shunt_impedance=(1e8,), frequency=(1e9,), quality=(2.0,),
        ),
    ]  # fmt: skip


def specimen_beam(n: int, seed: int = 1) -> Beam:
    """Beam of n particles that passes all of them."""
    rng = np.random.default_rng(seed)
    coordinates = np.clip(rng.normal(size=(6, n)), -3.0, 3.0) * np.array(SIZES)[:, None]
    return Beam(coordinates, REFERENCE, weights=np.full(n, 1e11 / n))
