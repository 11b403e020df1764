"""Long-term motion: dynamic aperture, frequency maps, tunes of signals."""

from gputrack.analysis.apertures import DynamicAperture, dynamic_aperture
from gputrack.analysis.frequencies import FrequencyMap, frequency_map
from gputrack.analysis.shapes import Grid, Polar
from gputrack.analysis.tunes import tunes

__all__ = ["DynamicAperture", "FrequencyMap", "Grid", "Polar", "dynamic_aperture", "frequency_map", "tunes"]
