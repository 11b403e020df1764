"""Lattice files: JSON and MAD-X."""
