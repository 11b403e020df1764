"""Collective effects: maps that act on the whole beam, each with its adjoint."""

from gputrack.collective.pipe_modes import PipeModes
from gputrack.collective.slices import Quantiles, UniformBins
from gputrack.collective.wakefields import ResistiveWallWake, ResonatorWake, TableWake

__all__ = ["PipeModes", "Quantiles", "ResistiveWallWake", "ResonatorWake", "TableWake", "UniformBins"]
