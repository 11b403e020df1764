"""Elements with their maps in array mathematics, and the parts of which an element class is made."""

from gputrack.elements.aperture import Aperture
from gputrack.elements.beam_beam import BeamBeam
from gputrack.elements.bends import RectangularBend, SectorBend
from gputrack.elements.crab_cavity import CrabCavity
from gputrack.elements.drift import Drift, Marker, drift_call
from gputrack.elements.element import ELEMENT_TYPES, Element
from gputrack.elements.interval import ANY, NOT_NEGATIVE, POSITIVE, Interval
from gputrack.elements.kicker import HKicker, Kicker, VKicker
from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.models import Steps
from gputrack.elements.multipole import Multipole
from gputrack.elements.octupole import Octupole
from gputrack.elements.parameters import option, parameter, series
from gputrack.elements.patches import Translation, YRotation
from gputrack.elements.pieces import holds_middle, piece_of
from gputrack.elements.quadrupole import Quadrupole
from gputrack.elements.radiation_kicks import RadiationKicks
from gputrack.elements.record import RECORD
from gputrack.elements.rf_cavity import RFCavity
from gputrack.elements.roles import Role
from gputrack.elements.sextupole import Sextupole
from gputrack.elements.solenoid import Solenoid
from gputrack.elements.space_charge_kicks import SpaceChargeKicks
from gputrack.elements.splitting import steps_along, steps_of
from gputrack.elements.statics import Body
from gputrack.elements.symbol import Symbol

__all__ = [
    "ANY", "ELEMENT_TYPES", "NOT_NEGATIVE", "POSITIVE", "RECORD", "Aperture", "BeamBeam", "Body", "CrabCavity", "Drift",
    "Element", "HKicker", "Interval", "Kicker", "MapCall", "MapKind", "Marker", "Multipole", "Octupole", "Quadrupole",
    "RFCavity", "RadiationKicks", "RectangularBend", "ReferenceValues", "Role", "SectorBend", "Sextupole", "Solenoid",
    "SpaceChargeKicks", "State", "Steps", "Symbol", "Translation", "VKicker", "YRotation", "drift_call", "holds_middle",
    "option", "parameter", "piece_of", "series", "steps_along", "steps_of",
]  # fmt: skip
