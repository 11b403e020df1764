"""Beams: particles and their weights, initial distributions, moments, beam files."""
