"""Power series against DACE and GTPSA, against their own identities, and argument validation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.peers.tpsa_peer import PEERS, assert_close, random_coefficients

import gputrack.tpsa as tp
from gputrack.base.errors import InputError
from gputrack.tpsa import Series, Space
from gputrack.tpsa.host import has_kernels

pytestmark = pytest.mark.usefixtures("series_by_tables")

SPACES = [Space(6, 1), Space(6, 2), Space(6, 3), Space(6, 4), Space(4, 5), Space(3, 6), Space(2, 7), Space(2, 8)]
FUNCTIONS = {  # name: constant part
    "sqrt": 1.3, "exp": 0.7, "log": 1.3, "sin": 0.7, "cos": 0.7, "tan": 0.7, "sinh": 0.7, "cosh": 0.7, "tanh": 0.7,
    "arcsin": 0.4, "arccos": 0.4, "arctan": 0.4, "arcsinh": 0.4, "arccosh": 1.8, "arctanh": 0.4,
}  # fmt: skip


@pytest.fixture(params=PEERS, name="peer_of")
def _peer_of(request):
    return PEERS[request.param]


def both(space, peer, seed, **options):
    coefficients = random_coefficients(space, seed, **options)
    return Series.of(space, coefficients), peer.series(coefficients)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_arithmetic_as_others(space, peer_of):
    peer = peer_of(space)
    (a, their_a), (b, their_b) = both(space, peer, 1), both(space, peer, 2)
    for ours, theirs in (
        (a + b, their_a + their_b), (a - 2.0 * b, their_a - their_b * 2.0), (a * b, their_a * their_b),
        (a / b, their_a / their_b), (1.0 / b, 1.0 / their_b), (a**3, their_a * their_a * their_a),
    ):  # fmt: skip
        assert_close(space, ours.coefficients, peer.coefficients(theirs), 32)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_functions_as_others(space, peer_of):
    """Theirs are sums of powers, ours recurrences."""
    peer = peer_of(space)
    for seed, (name, constant) in enumerate(FUNCTIONS.items()):
        a, theirs = both(space, peer, seed, constant=constant)
        # arcsin and its like divide by 1 - a^2, and their powers lose digits with the order
        assert_close(space, getattr(a, name)().coefficients, peer.coefficients(peer.call(name, theirs)), 512)


@pytest.mark.parametrize("space", [Space(4, 4), Space(6, 3)], ids=str)
def test_calculus_as_others(space, peer_of):
    peer = peer_of(space)
    (a, their_a), (b, their_b) = both(space, peer, 1, order=space.order - 1), both(space, peer, 2, order=2)
    assert_close(space, tp.poisson(a, b).coefficients, peer.coefficients(peer.poisson(their_a, their_b)), 16)
    for v in range(space.variables):
        assert_close(space, a.derivative(v).coefficients, peer.coefficients(peer.derivative(their_a, v)), 2)
        assert_close(space, a.integral(v).coefficients, peer.coefficients(peer.integral(their_a, v)), 2)


@pytest.mark.parametrize("space", [Space(3, 4, 2, 1), Space(2, 5, 3, 2)], ids=str)
def test_parameters_of_lower_order_as_gtpsa(space):
    peer = PEERS["madng-tpsa"](space)
    (a, their_a), (b, their_b) = both(space, peer, 1), both(space, peer, 2)
    assert_close(space, (a * b).coefficients, peer.coefficients(their_a * their_b), 16)
    assert_close(space, (a / b).coefficients, peer.coefficients(their_a / their_b), 64)
    assert_close(space, a.sqrt().coefficients, peer.coefficients(peer.call("sqrt", their_a)), 64)


@pytest.mark.parametrize("space", [Space(2, 6), Space(6, 3)], ids=str)
@pytest.mark.parametrize("constant", [-3.1, -1.9, 0.0, 1e-9, 0.6, 2.1, 30.0])
def test_cardinal_functions(space, constant):
    a = Series.of(space, random_coefficients(space, 3, constant=constant))
    assert_close(space, (a * a.sinc()).coefficients, a.sin().coefficients, 256)
    if abs(constant) < 5:
        assert_close(space, (a * a.sinhc()).coefficients, a.sinh().coefficients, 256)


def test_cardinal_functions_as_gtpsa():
    space = Space(4, 5)
    peer = PEERS["madng-tpsa"](space)
    for constant in (0.0, 0.8):
        a, theirs = both(space, peer, 3, constant=constant)
        assert_close(space, a.sinc().coefficients, peer.coefficients(theirs.sinc()), 256)
        assert_close(space, a.sinhc().coefficients, peer.coefficients(theirs.sinhc()), 256)


def test_complex_as_gtpsa():
    space = Space(4, 5)
    peer = PEERS["madng-tpsa"](space)
    first = random_coefficients(space, 1) + 1j * random_coefficients(space, 2, constant=0.3)
    second = random_coefficients(space, 3) - 1j * random_coefficients(space, 4, constant=0.6)
    a, b, their_a, their_b = Series.of(space, first), Series.of(space, second), peer.series(first), peer.series(second)
    for ours, theirs in (
        (a * b, their_a * their_b), (a / b, their_a / their_b), (a.exp(), their_a.exp()), (a.log(), their_a.log()),
        (a.sin(), their_a.sin()), (a.cosh(), their_a.cosh()), (a.sqrt(), their_a.sqrt()),
        (a.arctan(), their_a.atan()),
    ):  # fmt: skip
        assert_close(space, ours.coefficients, peer.coefficients(theirs), 256)
    assert_close(space, a.real.coefficients, first.real, 0)
    assert_close(space, a.conjugate().imag.coefficients, -first.imag, 0)


# -- identities --------------------------------------------------------------------------------------------------------

SMALL = Space(3, 4)
series = st.builds(
    lambda seed, constant, order: Series.of(SMALL, random_coefficients(SMALL, seed, order, constant)),
    st.integers(0, 2**32), st.floats(0.5, 2.0), st.integers(0, 4),
)  # fmt: skip


def same(a, b, ulps=512):
    assert_close(SMALL, a.coefficients, b.coefficients, ulps)


@settings(deadline=None, max_examples=25)
@given(series, series, series)
def test_identities(a, b, c):
    one = tp.constant(SMALL, 1.0)
    scale = 2.0**-40  # of 1: coefficients that vanish have no size of their own
    for left, right in (
        (a.log().exp(), a), (a.exp().log(), a), (a / a, one), ((a * b) * c, a * (b * c)), (a * (b + c), a * b + a * c),
        (a.sqrt() * a.sqrt(), a), (a**0.5, a.sqrt()), (a**-3 * a**3, one), (a**1.7 * a**0.3, a * a),
        ((0.5 * a).sin().arcsin().sin(), (0.5 * a).sin()), ((0.5 * a).tan() * (0.5 * a).cos(), (0.5 * a).sin()),
        ((a * b).log(), a.log() + b.log()),
    ):  # fmt: skip
        assert np.abs((left - right).coefficients).max() <= scale
    s, k = a.sin_cos()
    assert np.abs((s * s + k * k - 1.0).coefficients).max() <= scale
    s, k = a.sinh_cosh()
    assert np.abs((k * k - s * s - 1.0).coefficients).max() <= 100 * scale  # cosh(2)^2 is 14
    same(a.integral(1).derivative(1).truncated(3), a.truncated(3))


def test_bracket_is_antisymmetric_and_a_derivation():
    space = Space(4, 5)
    a, b, c = (Series.of(space, random_coefficients(space, seed, order=3)) for seed in range(3))
    assert_close(space, tp.poisson(a, b).coefficients, -tp.poisson(b, a).coefficients, 2)
    product = b.truncated(2) * c
    expected = tp.poisson(a, b.truncated(2)) * c + b.truncated(2) * tp.poisson(a, c)
    assert_close(space, tp.poisson(a, product).coefficients, expected.coefficients, 64)


# -- batches -----------------------------------------------------------------------------------------------------------

OPERATIONS = {
    "sum": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "quotient": lambda a, b: a / b,
    "power": lambda a, b: a**2.5,
    "exp": lambda a, b: a.exp(),
    "log": lambda a, b: a.log(),
    "sqrt": lambda a, b: a.sqrt(),
    "sin": lambda a, b: a.sin(),
    "tanh": lambda a, b: a.tanh(),
    "arctan": lambda a, b: a.arctan(),
    "sinc": lambda a, b: b.real.sinc(),
}


@pytest.mark.parametrize("space", [Space(6, 3), Space(6, 6)], ids=str)
@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_batch_is_a_loop(space, kind, name):
    """And nothing depends on the neighbours, to the bit."""
    a, b = (np.array([random_coefficients(space, 20 * k + i, None, 1.0 + 0.1 * i) for i in range(11)]) for k in (0, 1))
    if kind == "complex":
        a, b = a + 0.3j * b, b - 0.2j * a
    whole = OPERATIONS[name](Series.of(space, a), Series.of(space, b)).coefficients
    assert whole.shape == (11, space.size)
    for i in (0, 7, 10):
        alone = OPERATIONS[name](Series.of(space, a[i]), Series.of(space, b[i])).coefficients
        # NumPy's own exp, log, ... of arrays may differ from those of single numbers in the last bit; and compilers
        # choose by themselves which product of a complex one is fused with the sum.
        exact = has_kernels() and kind == "real" and name in ("sum", "product", "quotient")
        np.testing.assert_allclose(whole[i], alone, rtol=0, atol=0 if exact else 4e-15)
    other = a.copy()
    other[1:] = a[:0:-1]
    again = OPERATIONS[name](Series.of(space, other), Series.of(space, b)).coefficients
    np.testing.assert_array_equal(again[0], whole[0])


def test_batches_broadcast():
    space = Space(2, 3)
    x, y = tp.variables(space)
    factors = np.arange(1.0, 7.0).reshape(2, 3)
    many = factors * x + y * np.array([1.0, 2.0, 3.0])
    assert many.batch == (2, 3)
    np.testing.assert_array_equal(many.coefficient((1, 0)), factors)
    np.testing.assert_array_equal((many * (1.0 + x)).coefficient((2, 0)), factors)
    np.testing.assert_array_equal(((many + 1.0)[1, 2] / 2.0).coefficients[:3], [0.5, 3.0, 1.5])
    np.testing.assert_array_equal((1.0 + many[0]).constant, np.ones(3))


@pytest.mark.parametrize("orders", [(0, 0), (0, 2), (1, 1), (1, 4), (2, 3), (4, 1)])
@pytest.mark.parametrize("space", [Space(3, 4), Space(6, 6)], ids=str)
def test_orders_of_operands(space, orders):
    """Series without high coefficients cost less, and give the same as with zeros there."""
    a, b = (Series.of(space, random_coefficients(space, i, order)) for i, order in enumerate(orders))
    full_a, full_b = (Series.of(space, s.coefficients) for s in (a, b))
    assert (a * b).order == min(space.order, sum(orders))
    for short, full in (
        (a * b, full_a * full_b), (a / b, full_a / full_b), (a + b, full_a + full_b),
        (a.exp(), full_a.exp()), (a.sqrt(), full_a.sqrt()), (a.sin(), full_a.sin()),
    ):  # fmt: skip
        assert_close(space, short.coefficients, full.coefficients, 8)


def test_truncation_is_exact_below():
    space, low = Space(3, 6), Space(3, 3)
    a = random_coefficients(space, 5)
    whole, short = Series.of(space, a).sin().truncated(3), Series.of(low, a[: low.size]).sin()
    assert whole.order == 3
    np.testing.assert_allclose(whole.coefficients[: low.size], short.coefficients, rtol=0, atol=1e-16)


# -- NumPy -------------------------------------------------------------------------------------------------------------


def test_functions_of_numpy_and_of_arrays():
    from gputrack.base import arrays
    from gputrack.base.special.smooth import arctan_ratio, cos_sinc

    space = Space(2, 4)
    a = Series.of(space, random_coefficients(space, 1, constant=0.4))
    assert_close(space, np.sqrt(a).coefficients, a.sqrt().coefficients, 0)
    assert_close(space, np.square(a).coefficients, (a * a).coefficients, 0)
    assert_close(space, (np.float64(2.0) * a - np.ones(())).coefficients, (2.0 * a - 1.0).coefficients, 0)
    for name in ("sqrt", "sin", "cos", "tan", "arctan"):
        assert_close(space, getattr(arrays, name)(a).coefficients, getattr(a, name)().coefficients, 0)
    cosine, sinc = cos_sinc(a * a)
    assert_close(space, cosine.coefficients, a.cos().coefficients, 64)
    assert_close(space, sinc.coefficients, a.sinc().coefficients, 64)
    assert_close(space, (a * arctan_ratio(a * a, 3)).coefficients, a.arctan().coefficients, 256)


def test_elements_run_on_series():
    """Maps of elements in array mathematics, unchanged."""
    from support.helpers import map_calls

    from gputrack.base.reference import ReferenceParticle
    from gputrack.elements import Quadrupole
    from gputrack.elements.map import ReferenceValues, make_state
    from gputrack.elements.models import Model

    reference = ReferenceValues.of(ReferenceParticle.electron(total=1e9))
    at = np.array([1e-3, 2e-4, -1e-3, 1e-4, 0.0, 1e-3])
    calls = map_calls(Quadrupole("q", length=0.3, k1=1.2), Model())

    def through(coordinates):
        s = make_state(coordinates, reference)
        for call in calls:
            s = call.forward(s, reference)
        return s[:6]

    steps = np.random.default_rng(1).normal(size=(6, 5)) * 1e-4
    values = tp.evaluate(through(tp.variables(Space(6, 3), at)), steps)
    np.testing.assert_allclose(values, through(at[:, None] + steps), rtol=0, atol=1e-15)


def test_text():
    x, y = tp.variables(Space(2, 3))
    assert repr(1.0 - 0.5 * x * y + x**3) == "1 - 0.5 x1 x2 + x1^3"
    assert repr(0.0 * x) == "0"
    assert repr(tp.variables(Space(6, 2))[5] * 2j) == "(0+2j) delta"
    assert "batch of shape (4,)" in repr(np.ones(4) * y)


# -- values ------------------------------------------------------------------------------------------------------------


def test_values_at_points():
    space = Space(3, 5, 1, 2)
    a = Series.of(space, np.array([random_coefficients(space, i) for i in range(3)]))
    points = np.random.default_rng(1).normal(size=(4, 3000))
    expected = a.coefficients @ np.prod(points.T[:, None] ** space.exponents, axis=2).T
    np.testing.assert_allclose(a.evaluate(points), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(a[1].evaluate(points[:3, :7]), a[1].evaluate(np.vstack([points[:3, :7], np.zeros(7)])))


# -- argument validation -----------------------------------------------------------------------------------------------

X, Y = tp.variables(Space(2, 3))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: Space(0, 3), "variables must be an integer >= 1, got 0"),
        (lambda: Space(6, -1), "order must be an integer >= 0, got -1"),
        (lambda: Space(6, 2.5), "order must be an integer >= 0, got 2.5"),
        (lambda: Space(6, 3, 2, 4), "parameter_order must be <= order = 3, got 4"),
        (lambda: Space(20, 12), "monomials, more than"),
        (lambda: X.coefficient((1,)), "exponents must be 2 integers"),
        (lambda: X.coefficient((4, 0)), "use a space of higher order"),
        (lambda: X.coefficient((-1, 0)), "must be an integer >= 0, got -1"),
        (lambda: X < Y, "cannot be compared or converted"),
        (lambda: X == 1.0, "cannot be compared or converted"),
        (lambda: np.float64(1.0) > X, "cannot be compared or converted"),
        (lambda: bool(X), "cannot be compared or converted"),
        (lambda: float(X), "cannot be compared or converted"),
        (lambda: X.sqrt(), "Series.sqrt: the constant part must be > 0, got 0.0"),
        (lambda: (X - 1.0).log(), "Series.log: the constant part must be > 0, got -1.0"),
        (lambda: (X + 2.0).arcsin(), "Series.arcsin: the constant part must be between -1 and 1, got 2.0"),
        (lambda: (X + 1.0).arccosh(), "Series.arccosh: the constant part must be > 1, got 1.0"),
        (lambda: 1.0 / X, "division by 0"),
        (lambda: X / 0, "division by 0"),
        (lambda: X / np.array([1.0, 0.0]), "division by 0"),
        (lambda: X**"2", "an exponent must be a real number or a series, got '2'"),
        (lambda: (-2.0) ** X, "the base of a power must be a number > 0, got -2.0"),
        (lambda: X + tp.variables(Space(2, 4))[0], "different spaces"),
        (lambda: np.ones(3) * X + np.ones(4) * Y, "batches of shapes (3,) and (4,) cannot be broadcast together"),
        (lambda: X + "1", "operands must be series, numbers or arrays"),
        (lambda: Series.of(Space(2, 3), np.zeros(5)), "must be one of 1, 3, 6, 10, got shape (5,)"),
        (lambda: Series.of(Space(2, 3), np.array(["a"])), "coefficients must be numbers"),
        (lambda: tp.variables(Space(2, 3), np.zeros(3)), "at must have 2 entries, got shape (3,)"),
        (lambda: tp.variables(Space(2, 0)), "a space of order 0"),
        (lambda: X.derivative(2), "variable must be < 2, got 2"),
        (lambda: tp.poisson(*[tp.variables(Space(3, 2))[0]] * 2), "must come in pairs"),
        (lambda: X.evaluate(np.zeros((3, 4))), "points must have shape (2, n), got (3, 4)"),
        (lambda: (np.ones(2) * X)[2], "batch of shape (2,) has no 2"),
        (lambda: np.asarray(X), "not an array"),
        (lambda: np.sum(X), "numpy.sum: is not defined for power series"),
        (lambda: np.hypot(X, Y), "numpy.hypot: is not defined for power series"),
        (lambda: list(X), "not a sequence"),
    ],
)  # fmt: skip
def test_argument_validation(action, message):
    with pytest.raises(InputError) as caught:
        action()
    assert message in str(caught.value)
