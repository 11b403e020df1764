"""Truncated power series, one or a batch of them, and maps."""

from gputrack.tpsa.calculus import derivative, integral, poisson
from gputrack.tpsa.evaluation import evaluate
from gputrack.tpsa.lie import exponential_map, field_of, lie_logarithm
from gputrack.tpsa.map import Map
from gputrack.tpsa.series import Series, constant, variables
from gputrack.tpsa.space import Space
from gputrack.tpsa.vector_field import hamiltonian, lie_derivative, lie_exponential

__all__ = [
    "Map", "Series", "Space", "constant", "derivative", "evaluate", "exponential_map", "field_of", "hamiltonian",
    "integral", "lie_derivative", "lie_exponential", "lie_logarithm", "poisson", "variables",
]  # fmt: skip
