"""Text that the series number type of the kernels needs for one space: sizes, and products degree by degree."""

from __future__ import annotations

import numpy as np

from gputrack.tpsa.space import Space

#: products of two blocks with more terms than this go through tables, not through straight code
STRAIGHT_TERMS = 600


def series_text(space: Space) -> str:
    """Constants and block products of `space`; straight code where it is short, else tables."""
    order = space.order
    firsts = ", ".join(str(i) for i in space.first)
    parts = [
        f"constexpr int SERIES_ORDER = {order}, SERIES_SIZE = {space.size}, SERIES_VARIABLES = {space.variables};\n"
        f"constexpr int SERIES_PARAMETERS = {space.parameters};\n"
        f"GT_CONSTANT int SERIES_FIRST[{order + 2}] = {{{firsts}}};\n",
        _delta_text(space),
    ]
    cases = []
    for left in range(1, order):
        for right in range(1, order - left + 1):
            i, j, k = block_terms(space, left, right)
            straight = len(i) <= STRAIGHT_TERMS
            parts.append((_straight if straight else _tabled)(f"block_{left}_{right}", i, j, k))
            cases.append(f"case {left * (order + 1) + right}: return block_{left}_{right}(a, b, c);")
    parts.append(
        "// c += a b for the monomials of two degrees, both at least 1.\n"
        "static void add_block(int left, int right, const Number* a, const Number* b, Number* c) "
        f"{{ switch (left * {order + 1} + right) {{ {' '.join(cases)} }} }}\n"
    )
    return "".join(parts)


def _delta_text(space: Space) -> str:
    """Rows of the powers of the last variable, and of all monomials times these."""
    delta = np.eye(space.dimensions, dtype=np.int64)[space.variables - 1]
    powers = [space.row((d * delta).tolist()) for d in range(space.order + 1)]
    shifts = [space.find(space.exponents + d * delta).tolist() for d in range(space.order + 1)]
    rows = ", ".join("{" + ", ".join(str(i) for i in shift) + "}" for shift in shifts)
    return (
        f"GT_CONSTANT int SERIES_POWER[{space.order + 1}] = {{{', '.join(str(i) for i in powers)}}};\n"
        f"GT_CONSTANT int SERIES_SHIFT[{space.order + 1}][{space.size}] = {{{rows}}};\n"
    )


def block_terms(space: Space, left: int, right: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (i, j, k) of products of monomials of two degrees, by k."""
    a = np.arange(space.first[left], space.first[left + 1])
    b = np.arange(space.first[right], space.first[right + 1])
    i, j = np.repeat(a, len(b)), np.tile(b, len(a))
    k = space.find(space.exponents[i] + space.exponents[j])
    i, j, k = i[k >= 0], j[k >= 0], k[k >= 0]
    rank = np.argsort(k, kind="stable")
    return i[rank], j[rank], k[rank]


_HEAD = "GT_APART void {}(const Number* a, const Number* b, Number* __restrict c) {{\n"


def _straight(name: str, i: np.ndarray, j: np.ndarray, k: np.ndarray) -> str:
    lines = []
    rows, starts = np.unique(k, return_index=True)
    for row, begin, end in zip(rows, starts, [*starts[1:], len(k)], strict=True):
        terms = " + ".join(f"a[{p}] * b[{q}]" for p, q in zip(i[begin:end], j[begin:end], strict=True))
        lines.append(f"c[{row}] += {terms};")
    return f"{_HEAD.format(name)}{chr(10).join(lines)}\n}}\n"


def _tabled(name: str, i: np.ndarray, j: np.ndarray, k: np.ndarray) -> str:
    rows, starts = np.unique(k, return_index=True)
    lists = {"I": i.tolist(), "J": j.tolist(), "K": rows.tolist(), "S": [*starts.tolist(), len(k)]}
    tables = "".join(
        f"GT_CONSTANT int {name}_{letter}[{len(values)}] = {{{', '.join(str(v) for v in values)}}};\n"
        for letter, values in lists.items()
    )
    body = (
        f"for (int r = 0; r < {len(rows)}; ++r) {{\n"
        f"Number sum = c[{name}_K[r]];\n"
        f"for (int t = {name}_S[r]; t < {name}_S[r + 1]; ++t) sum += a[{name}_I[t]] * b[{name}_J[t]];\n"
        f"c[{name}_K[r]] = sum;\n}}\n"
    )
    return f"{tables}{_HEAD.format(name)}{body}}}\n"
