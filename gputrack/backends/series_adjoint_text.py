"""Text that cotangents of power series need for one space: transposed products, by pairs of degrees."""

from __future__ import annotations

import numpy as np

from gputrack.backends.series_text import kept_rows
from gputrack.tpsa.space import Space

#: pairs of degrees with more products than this go through tables, not through straight code
STRAIGHT_TERMS = 600


def series_adjoint_text(space: Space) -> str:
    """What g, a functional on products, is on the right factor alone, for each pair of degrees of the factors."""
    parts, cases = [], []
    for left in range(1, space.order):
        for right in range(1, space.order - left + 1):
            name, products = f"pull_{left}_{right}", product_rows(space, left, right)
            write = _straight if products.size <= STRAIGHT_TERMS else _tabled
            parts.append(write(space, name, left, right, products))
            cases.append(f"case {left * (space.order + 1) + right}: return {name}(a, g, r);")
    parts.append(
        "// r_j += sum of a_i g_{i+j} for monomials i of a degree, j of another, both at least 1.\n"
        "GT_FUNCTION void pull_pair(int left, int right, const Number* a, const Number* g, Number* r) "
        f"{{ switch (left * {space.order + 1} + right) {{ {' '.join(cases)} }} }}\n"
    )
    return "".join(parts)


def product_rows(space: Space, left: int, right: int) -> np.ndarray:
    """(right, left) Rows, in the kernels' order, of products of monomials of one degree with those of another."""
    rows = kept_rows(space)
    a, b = (space.exponents[rows[space.first[d] : space.first[d + 1]]] for d in (left, right))
    found: np.ndarray = np.argsort(rows)[space.find(b[:, None] + a[None])]
    return found


_HEAD = "GT_APART void {}(const Number* a, const Number* g, Number* __restrict r) {{\n"


def _straight(space: Space, name: str, left: int, right: int, products: np.ndarray) -> str:
    i, lines = space.first[left], []
    for j, row in enumerate(products.tolist()):
        terms = " + ".join(f"a[{i + n}] * g[{k}]" for n, k in enumerate(row))
        lines.append(f"r[{space.first[right] + j}] += {terms};")
    return f"{_HEAD.format(name)}{chr(10).join(lines)}\n}}\n"


def _tabled(space: Space, name: str, left: int, right: int, products: np.ndarray) -> str:
    count, width = products.shape
    table = f"GT_CONSTANT int ROWS_{name}[{products.size}] = {{{', '.join(map(str, products.ravel().tolist()))}}};\n"
    body = (
        f"for (int j = 0; j < {count}; ++j) {{\n"
        f"Number sum = broadcast(0.0);\n"
        f"for (int i = 0; i < {width}; ++i) sum += a[{space.first[left]} + i] * g[ROWS_{name}[j * {width} + i]];\n"
        f"r[{space.first[right]} + j] += sum;\n}}\n"
    )
    return f"{table}{_HEAD.format(name)}{body}}}\n"
