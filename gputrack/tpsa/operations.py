"""Operations on coefficients (tiles, rows, lanes), by kernels or array mathematics, with their derivatives.

The adjoint of a product is a product with permuted tables, `product_adjoint`; that of a function f(a) is the adjoint of
a product with f'(a). Both consist of operations of this file, so that derivatives of any order are available.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from autograd.extend import defjvp, defvjp
from autograd.tracer import isbox

from gputrack.base.arrays import Array, is_cupy
from gputrack.base.primitive import primitive
from gputrack.tpsa import array_operations as reference
from gputrack.tpsa import cuda
from gputrack.tpsa.host import has_kernels, kernels
from gputrack.tpsa.layout import beside, namespace
from gputrack.tpsa.space import Space
from gputrack.tpsa.tables import derivative_rows


def _run(name: str, space: Space, *arguments: Any) -> Any:
    """Run a kernel for NumPy arrays, given a compiler, and real CuPy arrays; else array mathematics."""
    if type(arguments[0]) is np.ndarray and has_kernels():
        return getattr(kernels(space), name)(*arguments)
    if is_cupy(arguments[0]) and name in cuda.NAMES and all(a.dtype.kind == "f" for a in arguments if is_cupy(a)):
        return getattr(cuda.kernels(space), name)(*arguments)
    return getattr(reference, name)(space, *arguments)


_REAL = np.dtype(np.float64)


def plain(parts: list[Any]) -> bool:
    """Whether the kernels accept these series unchanged: NumPy arrays, real, contiguous."""
    for part in parts:
        if type(part) is not np.ndarray or part.dtype is not _REAL or not part.flags.c_contiguous:
            return False
    return has_kernels()


def _quick(traced: Any) -> Any:
    """Bypass a primitive if no argument is traced, since it costs as much as a small product."""
    plain = traced.fun

    @wraps(plain)
    def operation(space: Space, a: Any, b: Any, *rest: Any) -> Any:
        if type(a) is np.ndarray and (type(b) is np.ndarray or not isbox(b)):
            return plain(space, a, b, *rest)
        return traced(space, a, b, *rest)

    operation.traced = traced  # type: ignore[attr-defined]
    return operation


@_quick
@primitive
def product(space: Space, a: Array, b: Array, order: int) -> Array:
    """a b up to an order."""
    return _run("product", space, a, b, order)


@_quick
@primitive
def product_adjoint(space: Space, g: Array, b: Array, order: int) -> Array:
    """g pulled back through a product to the other factor than b, up to an order."""
    return _run("product_adjoint", space, g, b, order)


@_quick
@primitive
def quotient(space: Space, a: Array, b: Array, order: int) -> Array:
    """a / b up to an order; the constant part of b is not 0."""
    return _run("quotient", space, a, b, order)


@_quick
@primitive
def exp(space: Space, a: Array, order: int) -> Array:
    """exp(a) up to an order."""
    return _run("exp", space, a, order)


@_quick
@primitive
def square_root(space: Space, a: Array, order: int) -> Array:
    """sqrt(a) up to an order; the constant part of a is > 0, or complex and not 0."""
    return _run("square_root", space, a, order)


@primitive
def _sine_cosine(space: Space, a: Array, sign: int, order: int) -> Array:
    both = _run("sine_cosine", space, a, sign, order)
    return namespace(*both).concatenate(both, axis=1)


def sine_cosine(space: Space, a: Array, sign: int, order: int) -> tuple[Array, Array]:
    """sin(a), cos(a) for sign = -1; sinh(a), cosh(a) for sign = 1."""
    if type(a) is np.ndarray:
        both: tuple[Array, Array] = _run("sine_cosine", space, a, sign, order)
        return both
    return _halves(_sine_cosine(space, a, sign, order))


def _halves(joined: Array) -> tuple[Array, Array]:
    rows = joined.shape[1] // 2
    return joined[:, :rows], joined[:, rows:]


@_quick
@primitive
def compose(space: Space, a: Array, b: Array, order: int) -> Array:
    """a(b) up to an order; a and b are (series, tiles, rows, lanes), one b for each variable and parameter."""
    return _run("compose", space, a, b, order)


@_quick
@primitive
def compose_adjoint(space: Space, g: Array, b: Array, order: int) -> Array:
    """g pulled back through a(b) to a, up to an order."""
    return _run("compose_adjoint", space, g, b, order)


def _order(space: Space, a: Any) -> int:
    """Order up to which an array (..., rows, lanes) has rows."""
    return space.order_of[a.shape[-2]]


def _reciprocal(space: Space, a: Any, order: int, numerator: float = 1.0) -> Any:
    return quotient(space, numerator + 0.0 * a[:, :1], a, order)


def _pull(space: Space, cotangent: Any, factor: Any, a: Any) -> Any:
    """Cotangent of a, given that of its product with a factor; real if a is real."""
    return _as_kind(product_adjoint(space, cotangent, factor, _order(space, a)), a)


def _as_kind(value: Any, a: Any) -> Any:
    xp = namespace(value)
    return xp.real(value) if xp.iscomplexobj(value) and not xp.iscomplexobj(a) else value


Pull = Callable[[Any], Any]

defvjp(
    product.traced,
    lambda answer, space, a, b, order: lambda g: _pull(space, g, b, a),
    lambda answer, space, a, b, order: lambda g: _pull(space, g, a, b),
    argnums=(1, 2),
)
defjvp(
    product.traced,
    lambda t, answer, space, a, b, order: product(space, t, b, order),
    lambda t, answer, space, a, b, order: product(space, a, t, order),
    argnums=(1, 2),
)
# c_i = sum over j of g_{i+j} b_j
defvjp(
    product_adjoint.traced,
    lambda answer, space, g, b, order: lambda h: _as_kind(product(space, h, b, _order(space, g)), g),
    lambda answer, space, g, b, order: lambda h: _pull(space, g, h, b),
    argnums=(1, 2),
)
defjvp(
    product_adjoint.traced,
    lambda t, answer, space, g, b, order: product_adjoint(space, t, b, order),
    lambda t, answer, space, g, b, order: product_adjoint(space, g, t, order),
    argnums=(1, 2),
)


def _quotient_slope(answer: Any, space: Space, b: Any, order: int) -> Any:
    """d(a / b) / db = -(a / b) / b"""
    return -1.0 * quotient(space, answer, b, order)


defvjp(
    quotient.traced,
    lambda answer, space, a, b, order: lambda g: _pull(space, g, _reciprocal(space, b, order), a),
    lambda answer, space, a, b, order: lambda g: _pull(space, g, _quotient_slope(answer, space, b, order), b),
    argnums=(1, 2),
)
defjvp(
    quotient.traced,
    lambda t, answer, space, a, b, order: quotient(space, t, b, order),
    lambda t, answer, space, a, b, order: product(space, t, _quotient_slope(answer, space, b, order), order),
    argnums=(1, 2),
)
defvjp(exp.traced, lambda answer, space, a, order: lambda g: _pull(space, g, answer, a), argnums=(1,))
defjvp(exp.traced, lambda t, answer, space, a, order: product(space, t, answer, order), argnums=(1,))
defvjp(
    square_root.traced,
    lambda answer, space, a, order: lambda g: _pull(space, g, _reciprocal(space, answer, order, 0.5), a),
    argnums=(1,),
)
defjvp(
    square_root.traced,
    lambda t, answer, space, a, order: product(space, t, _reciprocal(space, answer, order, 0.5), order),
    argnums=(1,),
)


def _pull_sine_cosine(answer: Any, space: Space, a: Any, sign: int, order: int) -> Pull:
    def pull(g: Any) -> Any:
        (s, c), (gs, gc) = _halves(answer), _halves(g)
        return _pull(space, gs, c, a) + sign * _pull(space, gc, s, a)

    return pull


def _push_sine_cosine(t: Any, answer: Any, space: Space, a: Any, sign: int, order: int) -> Any:
    s, c = _halves(answer)
    parts = [product(space, t, c, order), sign * product(space, t, s, order)]
    return namespace(*parts).concatenate(parts, axis=1)


defvjp(_sine_cosine, _pull_sine_cosine, argnums=(1,))
defjvp(_sine_cosine, _push_sine_cosine, argnums=(1,))


def _slopes(space: Space, a: Any, b: Any, order: int) -> Any:
    """(variables, series, tiles, rows, lanes) Derivatives of each a with respect to its variables, at b."""
    xp = namespace(a, b)
    n, count = space.dimensions, a.shape[0]
    inner = xp.concatenate([_derivatives(space, a, v) for v in range(n)], axis=0)
    found = compose(space, inner, b, order)
    return xp.reshape(found, (n, count, *found.shape[1:]))


def _derivatives(space: Space, a: Any, variable: int) -> Any:
    source, factor = derivative_rows(space, variable)
    order = _order(space, a)
    if order == 0:
        return 0.0 * a
    rows = space.first[order]
    return a[:, :, beside(source[:rows], a)] * beside(factor[:rows], a)


def _pull_compose_inner(answer: Any, space: Space, a: Any, b: Any, order: int) -> Pull:
    """Cotangent of b_v: sum over the series of g times the derivative of a with respect to v, at b."""

    def pull(g: Any) -> Any:
        slopes, xp = _slopes(space, a, b, order), namespace(g, a, b)
        parts = []
        for v in range(space.dimensions):
            pulled = [product_adjoint(space, g[i], slopes[v, i], _order(space, b)) for i in range(g.shape[0])]
            parts.append(sum(pulled[1:], pulled[0]))
        return _as_kind(xp.stack(parts), b)

    return pull


def _push_compose_inner(t: Any, answer: Any, space: Space, a: Any, b: Any, order: int) -> Any:
    slopes, xp = _slopes(space, a, b, order), namespace(t, a, b)
    pushed = []
    for i in range(a.shape[0]):
        parts = [product(space, slopes[v, i], t[v], order) for v in range(space.dimensions)]
        pushed.append(sum(parts[1:], parts[0]))
    return xp.stack(pushed)


defvjp(
    compose.traced,
    lambda answer, space, a, b, order: lambda g: _as_kind(compose_adjoint(space, g, b, _order(space, a)), a),
    _pull_compose_inner,
    argnums=(1, 2),
)
defjvp(
    compose.traced,
    lambda t, answer, space, a, b, order: compose(space, t, b, order),
    _push_compose_inner,
    argnums=(1, 2),
)
# <h, adjoint(g)> = <g, h(b)>: its derivative with respect to b is that of h(b).
defvjp(
    compose_adjoint.traced,
    lambda answer, space, g, b, order: lambda h: _as_kind(compose(space, h, b, _order(space, g)), g),
    lambda answer, space, g, b, order: lambda h: _pull_compose_inner(None, space, h, b, _order(space, g))(g),
    argnums=(1, 2),
)
