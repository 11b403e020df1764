"""Matching of optics, orbit response and orbit correction."""
