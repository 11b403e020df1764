"""Elements with their maps in array mathematics, and the parts of which an element class is made."""

from gputrack.elements.aperture import Aperture
from gputrack.elements.beam_beam import BeamBeam
from gputrack.elements.bends import RectangularBend, SectorBend
from gputrack.elements.crab_cavity import CrabCavity
from gputrack.elements.drift import Drift, Marker
from gputrack.elements.element import ELEMENT_TYPES, Element
from gputrack.elements.kicker import HKicker, Kicker, VKicker
from gputrack.elements.multipole import Multipole
from gputrack.elements.octupole import Octupole
from gputrack.elements.patches import Translation, YRotation
from gputrack.elements.quadrupole import Quadrupole
from gputrack.elements.radiation_kicks import RadiationKicks
from gputrack.elements.record import RECORD
from gputrack.elements.rf_cavity import RFCavity
from gputrack.elements.sextupole import Sextupole
from gputrack.elements.solenoid import Solenoid
from gputrack.elements.space_charge_kicks import SpaceChargeKicks

__all__ = [
    "ELEMENT_TYPES", "RECORD", "Aperture", "BeamBeam", "CrabCavity", "Drift", "Element", "HKicker", "Kicker", "Marker",
    "Multipole", "Octupole", "Quadrupole", "RFCavity", "RadiationKicks", "RectangularBend", "SectorBend", "Sextupole",
    "Solenoid", "SpaceChargeKicks", "Translation", "VKicker", "YRotation",
]  # fmt: skip
