"""Closed orbit, transfer matrices, Twiss parameters and derived quantities along a lattice."""
