"""Optics: closed orbit, tunes, beta functions and dispersion."""

from gputrack.optics.closed_orbit import closed_orbit, finite_difference_matrix
from gputrack.optics.linear import LinearOptics, linear_optics

__all__ = ["LinearOptics", "closed_orbit", "finite_difference_matrix", "linear_optics"]
