"""Optics: closed orbit, Twiss parameters, transfer maps, driving terms, matching, radiation."""

from gputrack.optics.driving.driving_terms import driving_terms
from gputrack.optics.driving.first_order import FirstOrder
from gputrack.optics.driving.from_map import FromMap
from gputrack.optics.driving.result import Detuning, DrivingTerms
from gputrack.optics.driving.second_order import SecondOrder
from gputrack.optics.linear.closed_orbit import closed_orbit
from gputrack.optics.linear.coupled_functions import EdwardsTeng, MaisRipken
from gputrack.optics.linear.matched_beam import NormalModes, RFBucket, matched_beam
from gputrack.optics.linear.places import Positions, Range, Slices
from gputrack.optics.linear.survey import Survey, survey
from gputrack.optics.linear.twiss import linear_optics, twiss
from gputrack.optics.linear.twiss_columns import Twiss
from gputrack.optics.maps.finite_differences import finite_difference_matrix
from gputrack.optics.maps.one_turn_map import one_turn_map, transfer_map
from gputrack.optics.matching.match import match
from gputrack.optics.matching.match_result import Match
from gputrack.optics.matching.orbit_correction import Above, OrbitCorrection, Strongest, correct_orbit
from gputrack.optics.matching.orbit_response import OrbitResponse, orbit_response
from gputrack.optics.matching.target import Target
from gputrack.optics.radiation.damping import Damping, damping
from gputrack.optics.radiation.envelope import Envelope, envelope
from gputrack.optics.radiation.integrals import Radiation, radiation

__all__ = [
    "Above", "Damping", "Detuning", "DrivingTerms", "EdwardsTeng", "Envelope", "FirstOrder", "FromMap", "MaisRipken",
    "Match", "NormalModes", "OrbitCorrection", "OrbitResponse", "Positions", "RFBucket", "Radiation", "Range",
    "SecondOrder", "Slices", "Strongest", "Survey", "Target", "Twiss", "closed_orbit", "correct_orbit", "damping",
    "driving_terms", "envelope", "finite_difference_matrix", "linear_optics", "match", "matched_beam", "one_turn_map",
    "orbit_response", "radiation", "survey", "transfer_map", "twiss",
]  # fmt: skip
