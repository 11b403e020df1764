"""Rings that come with the library."""

from gputrack.rings.storage_ring import storage_ring

__all__ = ["storage_ring"]
