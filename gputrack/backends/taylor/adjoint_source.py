"""Text that cotangents of power series need for one space: transposed products, by the degree of the series."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from gputrack.backends.taylor.products_source import STRAIGHT_TERMS, kept_rows
from gputrack.tpsa.space import Space

_ARGUMENTS = "int top, const Number* a, const Number* g, Number* __restrict r"


def series_adjoint_text(space: Space) -> str:
    """What g, a functional on products, is on one factor alone, from the terms of each degree of the other factor."""
    parts, cases = [], []
    for degree in range(1, space.order + 1):
        terms = pulled_terms(space, degree)
        parts.append((_straight if len(terms) <= STRAIGHT_TERMS else _tabled)(space, degree, terms))
        cases.append(f"case {degree}: return pull_{degree}(top, a, g, r);")
    parts.append(
        "// r_j += sum of a_i g_{i+j} over the monomials i of one degree, at least 1; g is zero above degree `top`.\n"
        f"GT_FUNCTION void pull_degree(int degree, {_ARGUMENTS}) {{ switch (degree) {{ {' '.join(cases)} }} }}\n"
    )
    return "".join(parts)


def pulled_terms(space: Space, degree: int) -> np.ndarray:
    """(n, 3) Rows j, i, i + j, in the kernels' order, for monomials i of one degree; by these."""
    rows = kept_rows(space)
    place, exponents = np.argsort(rows), space.exponents[rows]
    i = np.arange(space.first[degree], space.first[degree + 1])
    j = np.arange(space.rows(space.order - degree))
    products = space.find(exponents[j][:, None] + exponents[i][None])
    found = np.stack([np.repeat(j, len(i)), np.tile(i, len(j)), place[products.ravel()]], axis=1)
    return found[products.ravel() >= 0]


def _straight(space: Space, degree: int, terms: np.ndarray) -> str:
    """A line for each row."""
    lines, reached = [], 0
    for j, row in groupby(terms.tolist(), key=lambda term: term[0]):
        if space.first[reached + 1] == j:
            reached += 1
            lines.append(f"if (top < {degree + reached}) return;\n")
        lines.append(f"r[{j}] += {' + '.join(f'a[{i}] * g[{k}]' for _, i, k in row)};\n")
    return f"GT_APART void pull_{degree}({_ARGUMENTS}) {{\n{''.join(lines)}}}\n"


def _tabled(space: Space, degree: int, terms: np.ndarray) -> str:
    """Through tables of the factors, and of where in these each row begins."""
    starts = np.searchsorted(terms[:, 0], np.arange(space.rows(space.order - degree) + 1))
    tables = "".join(
        f"GT_CONSTANT int {name}_{degree}[{len(values)}] = {{{', '.join(map(str, values.tolist()))}}};\n"
        for name, values in (("FACTOR", terms[:, 1]), ("PRODUCT", terms[:, 2]), ("PULLED", starts))
    )
    return (
        f"{tables}GT_APART void pull_{degree}({_ARGUMENTS}) {{\n"
        f"for (int j = 0; j < SERIES_FIRST[top - {degree} + 1]; ++j) {{\n"
        "Number sum = r[j];\n"
        f"for (int t = PULLED_{degree}[j]; t < PULLED_{degree}[j + 1]; ++t)\n"
        f"sum += a[FACTOR_{degree}[t]] * g[PRODUCT_{degree}[t]];\n"
        "r[j] = sum;\n}\n}\n"
    )
