"""Lattices and beams from and to files."""
