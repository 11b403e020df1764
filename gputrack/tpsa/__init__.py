"""Truncated power series, one or many at a time, and the maps that are made of them."""

from gputrack.tpsa.calculus import derivative, integral, poisson
from gputrack.tpsa.evaluation import evaluate
from gputrack.tpsa.series import Series, constant, variables
from gputrack.tpsa.space import Space

__all__ = ["Series", "Space", "constant", "derivative", "evaluate", "integral", "poisson", "variables"]
