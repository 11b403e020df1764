"""Analysis of long-term motion: dynamic aperture, frequency maps, tunes of turn-by-turn signals."""

from gputrack.analysis.dynamic_aperture import DynamicAperture, dynamic_aperture
from gputrack.analysis.frequency_map import FrequencyMap, frequency_map
from gputrack.analysis.starting_points import Grid, Polar
from gputrack.analysis.tunes import tunes

__all__ = ["DynamicAperture", "FrequencyMap", "Grid", "Polar", "dynamic_aperture", "frequency_map", "tunes"]
