"""Tracking inside other frameworks of automatic differentiation; import the module of the one that you use.

`gputrack.interop.torch` and `gputrack.interop.jax` offer the same `track`: knob values and coordinates as their
arrays in, coordinates and records as their arrays out, and the backward sweep of gputrack in between.
"""
