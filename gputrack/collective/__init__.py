"""Collective effects: maps that act on the whole beam, each with its adjoint."""

from gputrack.collective.pipe_modes import PipeModes

__all__ = ["PipeModes"]
