"""Optics: transfer maps, closed orbit, Twiss parameters, dispersion, chromaticity."""

from gputrack.optics.closed_orbit import closed_orbit
from gputrack.optics.damping import Damping, damping
from gputrack.optics.differences import finite_difference_matrix
from gputrack.optics.driving_first_order import FirstOrder
from gputrack.optics.driving_map import FromMap
from gputrack.optics.driving_result import Detuning, DrivingTerms
from gputrack.optics.driving_second_order import SecondOrder
from gputrack.optics.driving_terms import driving_terms
from gputrack.optics.envelope import Envelope, envelope
from gputrack.optics.functions import EdwardsTeng, MaisRipken
from gputrack.optics.match import Match, match
from gputrack.optics.one_turn_map import one_turn_map, transfer_map
from gputrack.optics.orbit_correction import Above, OrbitCorrection, Strongest, correct_orbit
from gputrack.optics.orbit_response import OrbitResponse, orbit_response
from gputrack.optics.places import Positions, Range, Slices
from gputrack.optics.radiation import Radiation, radiation
from gputrack.optics.survey import Survey, survey
from gputrack.optics.target import Target
from gputrack.optics.twiss import Twiss, linear_optics, twiss

__all__ = [
    "Above", "Damping", "Detuning", "DrivingTerms", "EdwardsTeng", "Envelope", "FirstOrder", "FromMap", "MaisRipken",
    "Match", "OrbitCorrection", "OrbitResponse", "Positions", "Radiation", "Range", "SecondOrder", "Slices",
    "Strongest", "Survey", "Target", "Twiss", "closed_orbit", "correct_orbit", "damping", "driving_terms", "envelope",
    "finite_difference_matrix", "linear_optics", "match", "one_turn_map", "orbit_response", "radiation", "survey",
    "transfer_map", "twiss",
]  # fmt: skip
