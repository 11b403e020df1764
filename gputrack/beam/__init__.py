"""Particles and their weights; initial distributions and moments."""
