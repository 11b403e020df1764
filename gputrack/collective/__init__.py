"""Collective effects (space charge and wakefields): maps that act on the whole beam, with their adjoints."""

from gputrack.collective.open_field import OpenField2D, OpenField3D
from gputrack.collective.pipe_bunch import PipeBunch
from gputrack.collective.pipe_modes import PipeModes
from gputrack.collective.slices import Quantiles, UniformBins
from gputrack.collective.wakefields import ResistiveWallWake, ResonatorWake, TableWake

__all__ = [
    "OpenField2D", "OpenField3D", "PipeBunch", "PipeModes", "Quantiles", "ResistiveWallWake", "ResonatorWake",
    "TableWake", "UniformBins",
]  # fmt: skip
