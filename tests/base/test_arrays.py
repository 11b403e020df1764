"""Elementary functions and quotients by the kind of their argument."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from gputrack.base import arrays
from gputrack.tpsa import Space, variables


@pytest.mark.parametrize("name", ["sqrt", "sin", "cos", "exp", "tan", "arctan"])
@pytest.mark.usefixtures("series_by_tables")
def test_functions_keep_the_kind_of_their_argument(name):
    function, of_numpy = getattr(arrays, name), getattr(np, name)
    assert type(function(0.3)) is float and function(0.3) == of_numpy(0.3)
    assert type(function(2)) is float
    assert type(function(0.3 + 0.1j)) is complex
    assert (function(np.array([0.3, 0.5])) == of_numpy([0.3, 0.5])).all()
    assert grad(function)(0.3) == grad(getattr(anp, name))(0.3)
    (series,) = map(function, variables(Space(1, 2), [0.3]))
    assert series.coefficients[0] == pytest.approx(of_numpy(0.3), rel=1e-15)


def test_quotients_are_0_where_the_denominator_is_0():
    assert arrays.ratio_or_zero(3.0, 2.0) == 1.5 and arrays.ratio_or_zero(3.0, 0.0) == 0.0
    assert type(arrays.ratio_or_zero(3.0, 0.0)) is float
    np.testing.assert_array_equal(arrays.ratio_or_zero(np.array([3.0, 1.0]), 0.0), [0.0, 0.0])
    np.testing.assert_array_equal(arrays.ratio_or_zero(3.0, np.array([2.0, 0.0])), [1.5, 0.0])
    assert grad(lambda a: arrays.ratio_or_zero(a, 2.0))(1.0) == 0.5


def test_scalars_of_numpy_become_numbers():
    value = arrays.python_number(np.float64(0.5))
    assert type(value) is float and value == 0.5
    array = np.ones(2)
    assert arrays.python_number(array) is array
