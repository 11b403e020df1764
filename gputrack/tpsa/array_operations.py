"""Operations on truncated power series in array mathematics: the reference implementation of the kernels.

For any array library, differentiable by autograd. Coefficients are (tiles, rows, lanes), see `gputrack.tpsa.layout`.
The factors of all rows of a degree are gathered at once, padded with products by 0.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gputrack.base.arrays import Array, cos, sin, sqrt
from gputrack.tpsa.layout import beside, namespace, padded
from gputrack.tpsa.space import Space
from gputrack.tpsa.tables import Terms, adjoint_terms, parents, product_terms, tree


@cache
def _factors(space: Space, degree: int, adjoint: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of left and right factors, (rows of the degree, most terms); padded with row `size`, which is 0."""
    terms: Terms = (adjoint_terms if adjoint else product_terms)(space)
    rows = slice(space.first[degree], space.first[degree + 1])
    begin, end = terms.starts[rows, 0], terms.starts[rows, -1]
    places = begin[:, None] + np.arange((end - begin).max())
    inside = places < end[:, None]
    places = np.minimum(places, len(terms.left) - 1)
    return np.where(inside, terms.left[places], space.size), np.where(inside, terms.right[places], 0)


def _sums(space: Space, degree: int, x: Array, y: Array, skip: int = 0, adjoint: bool = False) -> Array:
    """Sums of products x_i y_j for all rows of a degree, without the first `skip` terms of each row."""
    left, right = (beside(rows, x) for rows in _factors(space, degree, adjoint))
    return (x[:, left[:, skip:]] * y[:, right[:, skip:]]).sum(axis=2)


def _joined(parts: list[Array]) -> Array:
    xp = namespace(*parts)
    return xp.concatenate(parts, axis=1)


def product(space: Space, a: Array, b: Array, order: int) -> Array:
    """c_k = sum of a_i b_{k-i}, for all degrees up to `order`."""
    a, b = padded(a, space.size + 1), padded(b, space.size)
    return _joined([_sums(space, d, a, b) for d in range(order + 1)])


def product_adjoint(space: Space, g: Array, b: Array, order: int) -> Array:
    """c_i = sum of b_j g_{i+j}: derivative of <g, a b> with respect to a."""
    b, g = padded(b, space.size + 1), padded(g, space.size)
    return _joined([_sums(space, d, b, g, adjoint=True) for d in range(order + 1)])


def quotient(space: Space, a: Array, b: Array, order: int) -> Array:
    """c = a / b: b_0 c_k = a_k - sum over i != 0 of b_i c_{k-i}."""
    a, b = padded(a, space.size), padded(b, space.size + 1)
    c = a[:, :1] / b[:, :1]
    for d in range(1, order + 1):
        own = a[:, space.first[d] : space.first[d + 1]]
        c = _joined([c, (own - _sums(space, d, b, c, skip=1)) / b[:, :1]])
    return c


def exp(space: Space, a: Array, order: int) -> Array:
    """|k| f_k = sum over i != 0 of |i| a_i f_{k-i}."""
    e = _weighted(space, a)
    f = namespace(a).exp(a[:, :1])
    for d in range(1, order + 1):
        f = _joined([f, _sums(space, d, e, f, skip=1) / d])
    return f


def sine_cosine(space: Space, a: Array, sign: int, order: int) -> tuple[Array, Array]:
    """Sine and cosine (sign = -1) or hyperbolic sine and cosine (sign = 1): E s = c E a, E c = sign s E a."""
    e, xp = _weighted(space, a), namespace(a)
    s, c = (sin(a[:, :1]), cos(a[:, :1])) if sign < 0 else (xp.sinh(a[:, :1]), xp.cosh(a[:, :1]))
    for d in range(1, order + 1):
        both = _sums(space, d, e, c, skip=1) / d, _sums(space, d, e, s, skip=1) * (sign / d)
        s, c = _joined([s, both[0]]), _joined([c, both[1]])
    return s, c


def square_root(space: Space, a: Array, order: int) -> Array:
    """f = sqrt(a): E f = f E log(a) / 2."""
    e = 0.5 * quotient(space, _weighted(space, a), a, order)
    e = padded(e, space.size + 1)
    f = sqrt(a[:, :1])
    for d in range(1, order + 1):
        f = _joined([f, _sums(space, d, e, f, skip=1) / d])
    return f


def compose(space: Space, a: Array, b: Array, order: int) -> Array:
    """c = a(b): sum over monomials m of a_m b^m; a, b and c are (series, tiles, rows, lanes)."""
    total: Any = 0.0
    for m, power in enumerate(_powers(space, b, order, space.order_of[a.shape[2]])):
        total = total + a[:, :, m : m + 1] * power
    return total


def compose_adjoint(space: Space, g: Array, b: Array, order: int) -> Array:
    """c_m = sum over k of g_k (b^m)_k: derivative of <g, a(b)> with respect to a."""
    powers = _powers(space, b, space.order_of[g.shape[2]], order)
    xp = namespace(g, b)
    return xp.concatenate([(g * power).sum(axis=2)[:, :, None] for power in powers], axis=2)


def _powers(space: Space, b: Array, order: int, degree: int) -> list[Array]:
    """b^m up to an order, for all monomials m up to a degree, each computed from its parent."""
    one = padded(0.0 * b[0, :, :1] + 1.0, space.first[order + 1])
    powers = [one]
    lasts = np.zeros(space.size, dtype=np.int64)
    lasts[tree(space).rows] = tree(space).lasts
    for m in range(1, space.first[degree + 1]):
        powers.append(product(space, powers[parents(space)[m]], b[lasts[m]], order))
    return powers


def _weighted(space: Space, a: Array) -> Array:
    """E a: each coefficient times its degree, with a row of zeros at the end."""
    weights = space.degrees[: a.shape[1], None].astype(float)
    return padded(a * beside(weights, a), space.size + 1)
