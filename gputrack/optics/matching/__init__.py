"""Matching, orbit response and orbit correction."""
