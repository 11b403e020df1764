"""Synchrotron radiation: integrals, damping and equilibrium emittances."""
