"""Tracking as a differentiable function of PyTorch and JAX; import the module of the framework.

`gputrack.interop.torch.track` and `gputrack.interop.jax.track` take knob values and coordinates as arrays of the
framework and return coordinates and records as such; derivatives are those of gputrack's backward sweep.
"""
