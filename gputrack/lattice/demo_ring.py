"""A third-generation light source: 20 double-bend achromats, 240 m circumference, 3 GeV electrons.

Designed for this library; not an existing machine. Half a cell, from the middle of a straight section to
the middle of the achromat, is

    straight  QF  QD  COR  BEND  SD  QFC  SF/2

and every cell is mirror symmetric. QFC closes the dispersion, SD and SF set both chromaticities to +1. The
bends are sector bends without gradient, tracked exactly in one step; two slices suffice for the other magnets.
"""

from __future__ import annotations

import math

from gputrack.base.constants import SPEED_OF_LIGHT
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import (
    Aperture,
    Drift,
    Element,
    Kicker,
    Marker,
    Quadrupole,
    RFCavity,
    SectorBend,
    Sextupole,
)
from gputrack.lattice.lattice import Lattice

CELLS = 20
ENERGY = 3e9  # eV, total
CIRCUMFERENCE = 240.0  # m
HARMONIC = 400
VOLTAGE = 3e6  # V

QF_K1 = 2.1291812  # m^-2
QD_K1 = -2.4762198
QFC_K1 = 1.9119269
SD_K2 = -114.5379  # m^-3
SF_K2 = 148.81093

#: vacuum chamber in the arcs: a racetrack, flat above and below
CHAMBER = Aperture(rectangle=(0.040, 0.016), ellipse=(0.044, 0.024))
#: narrow-gap chamber of an insertion device
GAP = Aperture(rectangle=(0.030, 0.006))
#: blade of the injection septum (on both sides, since apertures are symmetric)
SEPTUM = Aperture(rectangle=(0.022, 0.016))

HALF_STRAIGHT = 1.87  # m
DEVICE_LENGTH = 3.0  # m
CAVITY_LENGTH = 0.6  # m
#: straight sections with devices, counted from 1 at the start of the ring
CAVITY_STRAIGHT = 11
DEVICE_STRAIGHTS = (3, 6, 9, 13, 16, 19)


def storage_ring() -> Lattice:
    """The ring, starting in the middle of the injection straight.

    Returns
    -------
    Lattice
        Families for `Lattice.knobs` and selections: ``qf.*``, ``qd.*``, ``qfc.*``, ``bend.*``, ``sd.*``,
        ``sf.*``; 60 ``bpm.*`` markers, 40 ``cor.*`` correctors, a cavity ``rf``, insertion devices ``id.*``.
    """
    reference = ReferenceParticle.electron(total=ENERGY)
    elements: list[Element] = [Marker("start"), Marker("septum", aperture=SEPTUM)]
    for cell in range(1, CELLS + 1):
        elements += [*_leaving(cell, reference), *_cell(cell), *_entering(cell + 1, reference)]
    elements.append(Marker("end"))
    return Lattice(elements, reference, name="storage_ring")


def cavity_frequency(reference: ReferenceParticle) -> float:
    """Frequency of `HARMONIC` periods per turn of the reference particle [Hz]."""
    return HARMONIC * reference.beta0 * SPEED_OF_LIGHT / CIRCUMFERENCE


def _device(straight: int, reference: ReferenceParticle) -> tuple[float, Element | None]:
    """Length and element of the device in the middle of a straight section."""
    if straight == CAVITY_STRAIGHT:
        # Above transition, particles of higher energy arrive late; at lag = 1/2 late particles lose energy.
        frequency = cavity_frequency(reference)
        return CAVITY_LENGTH, RFCavity(
            "rf", length=CAVITY_LENGTH, voltage=VOLTAGE, frequency=frequency, lag=0.5
        )
    if straight in DEVICE_STRAIGHTS:
        return DEVICE_LENGTH, Drift(f"id.{straight:02d}", length=DEVICE_LENGTH, aperture=GAP)
    return 0.0, None


def _leaving(straight: int, reference: ReferenceParticle) -> list[Element]:
    """From the end of the device in a straight section to the cell."""
    length, _ = _device(straight, reference)
    return [Drift("straight", length=HALF_STRAIGHT - 0.5 * length)]


def _entering(straight: int, reference: ReferenceParticle) -> list[Element]:
    """From a cell through the device in the straight section that follows."""
    length, device = _device(straight, reference)
    drift = Drift("straight", length=HALF_STRAIGHT - 0.5 * length)
    return [drift] if device is None else [drift, device]


def _cell(cell: int) -> list[Element]:
    """One achromat, between straight sections."""
    first, second = _half(f"{cell:02d}a"), _half(f"{cell:02d}b")[::-1]
    middle = Sextupole(f"sf.{cell:02d}", length=0.30, k2=SF_K2)
    arc_monitor = Marker(f"bpm.{cell:02d}b")
    first.insert(0, Marker(f"bpm.{cell:02d}a"))
    second.append(Marker(f"bpm.{cell:02d}c"))
    return [*first, arc_monitor, middle, *second]


def _half(place: str) -> list[Element]:
    """From a straight section to the sextupole in the middle of the cell."""
    angle = math.pi / CELLS
    return [
        Quadrupole(f"qf.{place}", length=0.36, k1=QF_K1, aperture=CHAMBER),
        Drift("d1", length=0.30),
        Quadrupole(f"qd.{place}", length=0.34, k1=QD_K1, aperture=CHAMBER),
        Drift("d2", length=0.09),
        Kicker(f"cor.{place}", length=0.14),
        Drift("d3", length=0.11),
        SectorBend(f"bend.{place}", length=1.35, angle=angle, aperture=CHAMBER),
        Drift("d4", length=0.30),
        Sextupole(f"sd.{place}", length=0.24, k2=SD_K2),
        Drift("d5", length=0.31),
        Quadrupole(f"qfc.{place}", length=0.32, k1=QFC_K1, aperture=CHAMBER),
        Drift("d6", length=0.12),
    ]
