"""Resonance driving terms and tune shifts with amplitude."""
