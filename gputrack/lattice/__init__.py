"""Ordered elements, knobs, and their lowering to a program of maps."""
