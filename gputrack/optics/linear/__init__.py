"""Closed orbit, transfer matrices, Twiss parameters and what follows from them along a lattice."""
