"""Derivatives of operations on power series: against differences, against autograd through array mathematics."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad, grad, make_jvp
from autograd.test_util import check_grads

import gputrack.tpsa as tp
from gputrack.autodiff.jvp_rules import add_missing_rules
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import Quadrupole
from gputrack.elements.map import ReferenceValues, make_state
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameters_of
from gputrack.tpsa import Map, Series, Space
from gputrack.tpsa import array_operations as reference
from gputrack.tpsa import operations as ops

pytestmark = pytest.mark.usefixtures("series_by_tables")

SPACE = Space(2, 3)
SHAPE = (2, 8)


def data(order, seed, count=None):
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.5, 0.5, (*(() if count is None else (count,)), SHAPE[0], SPACE.rows(order), SHAPE[1]))
    values[..., 0, :] += 1.4
    return values


OPERATIONS = {
    "product": (2, lambda m, a, b: m.product(SPACE, a, b, 3)),
    "product_adjoint": (2, lambda m, a, b: m.product_adjoint(SPACE, a, b, 2)),
    "quotient": (2, lambda m, a, b: m.quotient(SPACE, a, b, 3)),
    "exp": (1, lambda m, a: m.exp(SPACE, a, 3)),
    "square_root": (1, lambda m, a: m.square_root(SPACE, a, 3)),
    "sine": (1, lambda m, a: m.sine_cosine(SPACE, a, -1, 3)[0]),
    "cosine": (1, lambda m, a: m.sine_cosine(SPACE, a, -1, 3)[1]),
    "cosh": (1, lambda m, a: m.sine_cosine(SPACE, a, 1, 3)[1]),
}


@pytest.mark.parametrize("orders", [(3, 3), (1, 3), (2, 1)], ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_against_autograd(name, orders):
    """The primitives' rules, on kernels, against tapes through every step of array mathematics."""
    count, operation = OPERATIONS[name]
    arguments = [data(order, seed) for seed, order in enumerate(orders[:count])]
    weights = np.random.default_rng(9).normal(size=operation(reference, *arguments).shape)
    for i in range(count):
        ours, theirs = (
            grad(lambda *a, m=m: anp.sum(weights * operation(m, *a)), i)(*arguments) for m in (ops, reference)
        )
        assert ours.shape == arguments[i].shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_against_differences(name):
    """Both modes, and second derivatives."""
    count, operation = OPERATIONS[name]
    arguments = [data(3, seed)[:1, :, :1] for seed in range(count)]
    check_grads(lambda *a: operation(ops, *a), modes=["fwd", "rev"], order=2)(*arguments)


@pytest.mark.parametrize("orders", [(3, 3, 3), (1, 3, 3), (3, 1, 2), (0, 1, 1)], ids=str)
def test_composition_against_autograd(orders):
    outer, inner, order = orders
    a, b = data(outer, 1, 3), data(inner, 2, 2)
    weights = np.random.default_rng(9).normal(size=reference.compose(SPACE, a, b, order).shape)
    for i in range(2):
        ours, theirs = (
            grad(lambda *x, m=m: anp.sum(weights * m.compose(SPACE, *x, order)), i)(a, b) for m in (ops, reference)
        )
        assert ours.shape == (a, b)[i].shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * max(1.0, np.abs(theirs).max()))


def test_composition_against_differences():
    a, b = data(3, 1, 2)[:, :1, :, :1], data(3, 2, 2)[:, :1, :, :1]
    check_grads(lambda *x: ops.compose(SPACE, *x, 3), modes=["fwd", "rev"], order=1)(a, b)
    check_grads(lambda *x: ops.compose_adjoint(SPACE, *x, 3), modes=["rev"], order=1)(a, b)
    check_grads(lambda x: ops.compose(SPACE, a, x, 3), modes=["rev"], order=2)(b)


FUNCTIONS = (
    "sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arcsinh",
    "arccosh", "arctanh", "sinc", "sinhc",
)  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_series(name):
    """From coefficients to coefficients."""
    coefficients = np.random.default_rng(1).uniform(-0.3, 0.3, (2, SPACE.size))
    coefficients[:, 0] = (1.3, 1.6) if name == "arccosh" else (0.4, 0.6)

    def through(c):
        return getattr(Series.of(SPACE, c), name)().coefficients

    check_grads(through, modes=["fwd", "rev"], order=1)(coefficients)


def test_expressions_of_series_and_numbers():
    """Traced numbers and arrays beside series; derivatives, integrals, brackets, powers, values at points."""
    points = np.random.default_rng(1).normal(size=(2, 5)) * 0.1
    x, y = tp.variables(SPACE)

    def value(k):
        f = k[0] * x + k[1] + k * y * y + 1.0
        g = (f**1.5 - k[2] / f) * (k[1] - f) / k[0] + f**-2
        h = tp.poisson(f, g) + g.derivative(0) * x + f.integral(1)
        return anp.sum(h.coefficients**2) + anp.sum(h.evaluate(points)[1]) + g.constant[0]

    check_grads(value, modes=["fwd", "rev"], order=2)(np.array([0.7, 1.2, 0.4]))


def test_maps():
    space = Space(2, 3)
    c = np.random.default_rng(1).uniform(-0.3, 0.3, (2, 2, space.size))
    c[..., 1:3] += np.eye(2)

    def value(c):
        a = Map.of(space, c * (space.degrees > 0))
        turned = (a @ a).inverse()
        return anp.sum(turned.coefficients**3) + anp.sum(turned.matrix)

    add_missing_rules()
    check_grads(value, modes=["fwd", "rev"], order=1)(c)


def test_complex_products():
    a, b = data(3, 1) + 1j * data(3, 2), data(2, 3)

    def size(x, m):
        c = m.product(SPACE, a, x, 3)
        return anp.sum(anp.real(c * anp.conj(c)))

    ours, theirs = (grad(size)(b, m) for m in (ops, reference))
    assert ours.dtype == float
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_modes_agree():
    """<u, J v> = <J^T u, v>"""
    a, v = data(3, 1), data(3, 2)

    def through(x):
        return ops.exp(SPACE, ops.quotient(SPACE, x, ops.square_root(SPACE, x, 3), 3), 3)

    answer, pushed = make_jvp(through)(a)(v)
    u = np.random.default_rng(4).normal(size=answer.shape)
    pulled = elementwise_grad(lambda x: u * through(x))(a)
    assert abs(np.vdot(u, pushed) - np.vdot(pulled, v)) <= 1e-12 * abs(np.vdot(u, pushed))


def test_reverse_mode_and_parameters_as_variables_agree():
    """d(coefficients)/d(k1) of a quadrupole's map: a further variable, and autograd through the element's array map."""
    reference = ReferenceValues.of(ReferenceParticle.electron(total=1e9))
    element = Quadrupole("q", length=0.3, k1=1.2)

    def coefficients(space, k1):
        s = make_state(tp.variables(space, np.full(6, 1e-3))[:6], reference)
        for call in element.form(Model()).lower(parameters_of(element) | {"k1": k1}):
            s = call.forward(s, reference)
        return [getattr(s, name).coefficients for name in ("x", "px", "y", "py", "z")]

    plain, more = Space(6, 3), Space(6, 4, 1, 1)
    rows = more.find(np.hstack([plain.exponents, np.ones((plain.size, 1), dtype=int)]))
    expected = np.array(coefficients(more, 1.2 + tp.variables(more)[6]))[:, rows]
    weights = np.random.default_rng(1).normal(size=expected.shape)
    total = grad(lambda k: sum(anp.sum(w * c) for w, c in zip(weights, coefficients(plain, k), strict=True)))(1.2)
    assert abs(total - np.sum(weights * expected)) <= 1e-12 * np.abs(weights * expected).sum()
