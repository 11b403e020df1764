"""Vector fields, given by their components: exponentials, logarithms, and the Hamiltonians that generate them.

A vector field F acts on functions as F . grad. The field of a function f is F_i = [f, x_i] = :f: x_i, so that exp(:f:)
is the exponential of its field (A. Dragt, Lie methods for nonlinear dynamics, ch. 7). Fields of a map of order n follow
from functions of order n + 1, which belong to `raised` spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gputrack.base.arrays import untraced
from gputrack.base.errors import InputError
from gputrack.tpsa.calculus import derivative
from gputrack.tpsa.components import coefficient_rows, require_no_constant, variables_like
from gputrack.tpsa.layout import beside, namespace
from gputrack.tpsa.series import Series
from gputrack.tpsa.space import Space

#: largest number of terms of an infinite exponential series: sufficient for |F| up to about 15
MOST_TERMS = 100
#: tolerance of a linear part of 1
_IDENTITY = 1e-9


def raised(space: Space, steps: int = 1) -> Space:
    """The same variables at a higher order."""
    order = space.order + steps
    assert space.parameter_order is not None
    return replace(space, order=order, parameter_order=min(space.parameter_order, order) if space.parameters else None)


def hamiltonian_field(f: Series) -> list[Series]:
    """Components of the vector field :f: x_i = [f, x_i]: minus df/dp for positions q, df/dq for momenta p."""
    space = _of_pairs(f.space)
    lower = raised(space, -1)
    parts = []
    for q in range(0, space.variables, 2):
        parts += [-derivative(f, q + 1), derivative(f, q)]
    return [part.to(lower) for part in parts]


def hamiltonian(field: Sequence[Series]) -> Series:
    """Hamiltonian of a vector field, in the space one order higher; non-Hamiltonian parts are projected out.

    With df/dq = F_p and df/dp = -F_q, the sum of q F_p - p F_q is each term of f times its degree in the variables.

    Parameters
    ----------
    field : Map, or sequence of Series
        In a space of pairs (q, p).
    """
    space = raised(_of_pairs(field[0].space))
    parts = [component.to(space) for component in field]
    unit = variables_like(parts[0])
    total = 0.0 * unit[0]
    for q in range(0, space.variables, 2):
        total = total + unit[q] * parts[q + 1] - unit[q + 1] * parts[q]
    degrees = space.exponents[: total._data.shape[1], : space.variables].sum(axis=1)
    return total._like(total._data / beside(1.0 * np.maximum(degrees, 1)[:, None], total._data))


def lie_derivative(field: Sequence[Series], g: Series) -> Series:
    """Derivative of g along a vector field (a Map, or a sequence of Series): F . grad g."""
    parts = [field[i] * derivative(g, i) for i in range(len(field))]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def lie_exponential(field: Sequence[Series], targets: Sequence[Series]) -> list[Series]:
    """exp(F . grad) g = g + F . grad g + ..., for each g of `targets`; both are maps or sequences of series.

    For fields of order 2 and higher the sum is finite; otherwise it ends when terms vanish to rounding.

    Raises
    ------
    InputError
        The sum does not converge.
    """
    return [_exponential(field, g) for g in targets]


def _exponential(field: Sequence[Series], g: Series) -> Series:
    total = term = g
    for n in range(1, MOST_TERMS):
        term = lie_derivative(field, term) * (1.0 / n)
        data = untraced(term._data)
        size = float(namespace(data).max(abs(data)))
        if size <= 2.0**-60 * float(namespace(data).max(abs(untraced(total._data)))):
            return total
        total = total + term
    raise InputError(f"lie_exponential: no convergence after {MOST_TERMS} terms; scale the field down and compose")


def time_one_map(field: Sequence[Series]) -> list[Series]:
    """exp(F . grad) applied to the variables."""
    return lie_exponential(field, variables_like(field[0])[: len(field)])


def logarithm(given: Sequence[Series]) -> list[Series]:
    """Components of the vector field whose `time_one_map` is given, with linear part 1; order by order."""
    require_no_constant("lie_logarithm", given)
    space = given[0].space
    linear = untraced(coefficient_rows(given, 1, 1 + space.dimensions))
    defect = float(abs(linear - beside(np.eye(*linear.shape[-2:]), linear)).max())
    if defect > _IDENTITY:
        raise InputError(f"lie_logarithm: the linear part must be 1, but differs by {defect:.3g}; factor it out first")
    unit = [x._spread(given[0].batch) for x in variables_like(given[0])[: len(given)]]
    field = [0.0 * x for x in unit]
    for order in range(2, space.order + 1):
        made = lie_exponential(field, [x.truncated(order) for x in unit])
        field = [f + _of_degree(a - b, order) for f, a, b in zip(field, given, made, strict=True)]
    return field


def _of_degree(series: Series, degree: int) -> Series:
    low = series.truncated(degree)
    return low._like(low._data * beside(1.0 * (series.space.degrees[: low._data.shape[1], None] == degree), low._data))


def _of_pairs(space: Space) -> Space:
    if space.variables % 2:
        raise InputError(f"Lie operators: variables must come in pairs (q, p), got {space.variables} of them")
    return space
