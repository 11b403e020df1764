"""gputrack: beam dynamics in particle accelerators, on CPUs and GPUs, with exact gradients."""

from gputrack import errors
from gputrack.analysis import DynamicAperture, FrequencyMap, Grid, Polar, dynamic_aperture, frequency_map
from gputrack.autodiff.grad import grad, jacobian, value_and_grad
from gputrack.autodiff.jvp import jvp
from gputrack.backends.choice import Streamed
from gputrack.base.losses import LossCode, Losses
from gputrack.base.reference import ReferenceParticle
from gputrack.beam.beam import Beam
from gputrack.beam.initial_twiss import InitialTwiss
from gputrack.collective import (
    OpenField2D,
    OpenField3D,
    PipeBunch,
    PipeModes,
    Quantiles,
    ResistiveWallWake,
    ResonatorWake,
    TableWake,
    UniformBins,
)
from gputrack.elements import (
    Aperture,
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
from gputrack.elements.bunch_slicing import EqualCharge, EqualDistance
from gputrack.elements.models import (
    DriftKick,
    Exact,
    Expanded,
    FullEdge,
    LinearEdge,
    MatrixKick,
    Model,
    PTCEdge,
)
from gputrack.elements.schemes import BlanesMoan, LaskarRobutel
from gputrack.io.load import load, save
from gputrack.lattice.demo_ring import storage_ring as demo_ring
from gputrack.lattice.knobs import Knob, Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics import (
    Above,
    Damping,
    DrivingTerms,
    EdwardsTeng,
    Envelope,
    FirstOrder,
    FromMap,
    MaisRipken,
    Match,
    NormalModes,
    OrbitCorrection,
    OrbitResponse,
    Positions,
    Radiation,
    Range,
    RFBucket,
    SecondOrder,
    Slices,
    Strongest,
    Survey,
    Target,
    Twiss,
    closed_orbit,
    correct_orbit,
    damping,
    driving_terms,
    envelope,
    finite_difference_matrix,
    linear_optics,
    match,
    matched_beam,
    one_turn_map,
    orbit_response,
    radiation,
    survey,
    transfer_map,
    twiss,
)
from gputrack.tracking.collide import Collided, collide
from gputrack.tracking.luminosity import luminosity
from gputrack.tracking.monitor import Monitor
from gputrack.tracking.run import Tracked
from gputrack.tracking.track import track

__version__ = "0.1.0"

__all__ = [
    "Above", "Aperture", "Beam", "BeamBeam", "BlanesMoan", "Collided", "CrabCavity", "Damping", "Drift", "DriftKick",
    "DrivingTerms", "DynamicAperture", "EdwardsTeng", "Element", "Envelope", "EqualCharge", "EqualDistance", "Exact",
    "Expanded", "FirstOrder", "FrequencyMap", "FromMap", "FullEdge", "Grid", "HKicker", "InitialTwiss", "Kicker",
    "Knob", "Knobs", "LaskarRobutel", "Lattice", "LinearEdge", "LossCode", "Losses", "MaisRipken", "Marker", "Match",
    "MatrixKick", "Model", "Monitor", "Multipole", "NormalModes", "Octupole", "OpenField2D", "OpenField3D",
    "OrbitCorrection", "OrbitResponse", "PTCEdge", "PipeBunch", "PipeModes", "Polar", "Positions", "Quadrupole",
    "Quantiles", "RFBucket", "RFCavity", "Radiation", "RadiationKicks", "Range", "RectangularBend", "ReferenceParticle",
    "ResistiveWallWake", "ResonatorWake", "SecondOrder", "SectorBend", "Sextupole", "Slices", "Solenoid",
    "SpaceChargeKicks", "Streamed", "Strongest", "Survey", "TableWake", "Target", "Tracked", "Translation", "Twiss",
    "UniformBins", "VKicker", "YRotation", "__version__", "closed_orbit", "collide", "correct_orbit", "damping",
    "demo_ring", "driving_terms", "dynamic_aperture", "envelope", "errors", "finite_difference_matrix", "frequency_map",
    "grad", "jacobian", "jvp", "linear_optics", "load", "luminosity", "match", "matched_beam", "one_turn_map",
    "orbit_response", "radiation", "save", "survey", "track", "transfer_map", "twiss", "value_and_grad",
]  # fmt: skip
