"""gputrack: beam dynamics in particle accelerators, on CPUs and GPUs, with exact gradients."""

from gputrack.elements import (
    Aperture,
    CrabCavity,
    Drift,
    Element,
    HKicker,
    Kicker,
    Marker,
    Multipole,
    Octupole,
    Quadrupole,
    RectangularBend,
    RFCavity,
    SectorBend,
    Sextupole,
    Solenoid,
    Translation,
    VKicker,
    YRotation,
)
from gputrack.lattice import Knob, Knobs, Lattice
from gputrack.models import (
    DriftKick,
    Exact,
    Expanded,
    FullEdge,
    LinearEdge,
    MatrixKick,
    Model,
)
from gputrack.reference import ReferenceParticle

__version__ = "0.1.0"

__all__ = [
    "Aperture", "CrabCavity", "Drift", "DriftKick", "Element", "Exact", "Expanded", "FullEdge",
    "HKicker", "Kicker", "Knob", "Knobs", "Lattice", "LinearEdge", "Marker", "MatrixKick", "Model",
    "Multipole", "Octupole", "Quadrupole", "RFCavity", "RectangularBend", "ReferenceParticle",
    "SectorBend", "Sextupole", "Solenoid", "Translation", "VKicker", "YRotation", "__version__",
]  # fmt: skip
