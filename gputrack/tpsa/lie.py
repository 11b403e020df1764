"""Lie operators on maps: exponential maps, logarithms and vector fields of functions (`gputrack.tpsa.vector_field`)."""

from __future__ import annotations

from gputrack.tpsa.map import Map
from gputrack.tpsa.series import Series
from gputrack.tpsa.vector_field import hamiltonian_field, logarithm, time_one_map


def field_of(f: Series) -> Map:
    """The vector field :f: x_i = [f, x_i]: minus df/dp for positions q, df/dq for momenta p.

    Parameters
    ----------
    f : Series
        In a space of pairs (q, p).

    Returns
    -------
    Map
        In the space one order lower.

    Raises
    ------
    InputError
        The space has an odd number of variables.
    """
    return Map(hamiltonian_field(f))


def exponential_map(f: Series) -> Map:
    """exp(:f:) applied to the variables; g(exponential_map(f)) is exp(:f:) g.

    Raises
    ------
    InputError
        The space has an odd number of variables, or the exponential series does not converge.
    """
    return Map(time_one_map(hamiltonian_field(f)))


def lie_logarithm(given: Map) -> Map:
    """Vector field whose exponential, applied to the variables, is a given map with linear part 1; order by order.

    Raises
    ------
    InputError
        The linear part is not 1 or the constant part not 0: factor them out first.
    """
    return Map(logarithm(given.components))
