"""Collective effects: maps that act on the whole beam, each with its adjoint."""

from gputrack.collective.open_field import OpenField2D, OpenField3D
from gputrack.collective.pipe_bunch import PipeBunch
from gputrack.collective.pipe_modes import PipeModes
from gputrack.collective.slices import Quantiles, UniformBins
from gputrack.collective.wakefields import ResistiveWallWake, ResonatorWake, TableWake

__all__ = [
    "OpenField2D", "OpenField3D", "PipeBunch", "PipeModes", "Quantiles", "ResistiveWallWake", "ResonatorWake",
    "TableWake", "UniformBins",
]  # fmt: skip
