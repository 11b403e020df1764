"""Resonance driving terms and amplitude-dependent tune shifts."""
