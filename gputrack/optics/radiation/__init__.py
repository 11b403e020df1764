"""Radiation integrals, damping and equilibrium emittances."""
