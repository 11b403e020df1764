"""Truncated power series, one or many at a time, and the maps that are made of them."""

from gputrack.tpsa.calculus import derivative, integral, poisson
from gputrack.tpsa.evaluation import evaluate
from gputrack.tpsa.lie import exponential_map, field_of, hamiltonian, lie_derivative, lie_exponential, lie_logarithm
from gputrack.tpsa.map import Map
from gputrack.tpsa.series import Series, constant, variables
from gputrack.tpsa.space import Space

__all__ = [
    "Map", "Series", "Space", "constant", "derivative", "evaluate", "exponential_map", "field_of", "hamiltonian",
    "integral", "lie_derivative", "lie_exponential", "lie_logarithm", "poisson", "variables",
]  # fmt: skip
