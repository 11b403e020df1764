"""Text that the series number type of the kernels needs for one space: sizes, and sums of products degree by degree.

The kernels keep monomials in an order of their own: within a degree, powers of delta fall first. So delta times all
monomials of one degree are the first ones of the next, and products with series in delta alone need no tables.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np

from gputrack.tpsa.space import Space

#: sums for one degree with more products than this go through tables, not through straight code
STRAIGHT_TERMS = 1500
#: rows whose sums stay in registers together
GROUP = 16

_ARGUMENTS = "unsigned pairs, const Number& factor, bool fresh, const Number* a, const Number* b, Number* c"


def series_text(space: Space) -> str:
    """Constants and sums of products of `space`; straight code where it is short, else tables."""
    order = space.order
    parts = [sizes_text(space)]
    for degree in range(2, order + 1):
        terms = degree_terms(space, degree)
        straight = len(terms) <= STRAIGHT_TERMS
        parts.append((_straight if straight else _tabled)(space, degree, terms))
    for name in ("sums", "squares"):
        cases = " ".join(f"case {d}: return {name}_{d}(pairs, factor, fresh, a, b, c);" for d in range(2, order + 1))
        parts.append(f"GT_FUNCTION void add_{name}(int degree, {_ARGUMENTS}) {{ switch (degree) {{ {cases} }} }}\n")
    return "".join(parts)


def sizes_text(space: Space) -> str:
    """Sizes, where degrees begin, and which rows of the space the kernels' rows are."""
    firsts, rows = (", ".join(str(i) for i in values) for values in (space.first, kept_rows(space).tolist()))
    return (
        f"constexpr int SERIES_ORDER = {space.order}, SERIES_SIZE = {space.size};\n"
        f"constexpr int SERIES_VARIABLES = {space.variables}, SERIES_PARAMETERS = {space.parameters};\n"
        f"GT_CONSTANT int SERIES_FIRST[{space.order + 2}] = {{{firsts}}};\n"
        f"GT_CONSTANT int SERIES_ROW[{space.size}] = {{{rows}}};\n"
    )


@cache
def kept_rows(space: Space) -> np.ndarray:
    """(size,) Row in the space of each of the kernels' rows."""
    last = space.variables - 1
    mixed = -space.exponents[:, [last, *range(last), *range(last + 1, space.dimensions)]]
    return np.lexsort((*mixed.T[::-1], space.degrees))


def degree_terms(space: Space, degree: int) -> np.ndarray:
    """(n, 4) Products whose sums are of one degree: output, degree of the left factor, left, right; by these.

    Both factors are at least of degree 1.
    """
    rows = kept_rows(space)
    place = np.argsort(rows)
    exponents = space.exponents[rows]
    found = []
    for left in range(1, degree):
        a = np.arange(space.first[left], space.first[left + 1])
        b = np.arange(space.first[degree - left], space.first[degree - left + 1])
        i, j = np.repeat(a, len(b)), np.tile(b, len(a))
        k = space.find(exponents[i] + exponents[j])
        i, j, k = i[k >= 0], j[k >= 0], place[k[k >= 0]]
        found.append(np.stack([k, np.full_like(k, left), i, j], axis=1))
    terms = np.concatenate(found)
    return terms[np.lexsort(terms.T[::-1])]


def _straight(space: Space, degree: int, terms: np.ndarray) -> str:
    """Sums, and those of a series with itself: each pair of unlike factors once, half of each square, then doubled."""
    first, end = space.first[degree], space.first[degree + 1]
    groups = [range(k, min(k + GROUP, end)) for k in range(first, end, GROUP)]
    half = terms[terms[:, 2] <= terms[:, 3]]
    both = "".join(_group(rows, terms, "factor") for rows in groups)
    own = "".join(_group(rows, half, "twice") for rows in groups)
    return (
        f"GT_APART void sums_{degree}({_ARGUMENTS}) {{\n{both}}}\n"
        f"GT_APART void squares_{degree}({_ARGUMENTS}) {{\nconst Number twice = 2.0 * factor;\n{own}}}\n"
    )


def _group(rows: range, terms: np.ndarray, factor: str) -> str:
    """A few rows: a left factor is loaded once for all of them that it divides."""
    steps: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for k, d, i, j in terms[(terms[:, 0] >= rows.start) & (terms[:, 0] < rows.stop)].tolist():
        left = f"0.5 * a[{i}]" if i == j and factor == "twice" else f"a[{i}]"
        steps[d][left].append(f"s{k - rows.start} += v * b[{j}];")
    sums = ", ".join(f"s{n} = broadcast(0.0)" for n in range(len(rows)))
    lines = [f"{{ Number {sums};\n"]
    for d, factors in sorted(steps.items()):
        body = "".join(f"{{ const Number v = {left}; {' '.join(adds)} }}\n" for left, adds in factors.items())
        lines.append(f"if (pairs >> {d} & 1u) {{\n{body}}}\n")
    for condition, by in (("if (fresh)", "="), (" else", "+=")):
        stores = " ".join(f"c[{k}] {by} {factor} * s{n};" for n, k in enumerate(rows))
        lines.append(f"{condition} {{ {stores} }}")
    return "".join(lines) + " }\n"


def _tabled(space: Space, degree: int, terms: np.ndarray) -> str:
    """The same through tables of the factors, and of where in these each row's left factors of a degree begin."""
    rows = np.arange(space.first[degree], space.first[degree + 1])
    keys = terms[:, 0] * (degree + 1) + terms[:, 1]
    starts = np.searchsorted(keys, rows[:, None] * (degree + 1) + np.arange(1, degree + 1))
    tables = "".join(
        f"GT_CONSTANT int {name}_{degree}[{values.size}] = {{{', '.join(map(str, values.ravel().tolist()))}}};\n"
        for name, values in (("LEFT", terms[:, 2]), ("RIGHT", terms[:, 3]), ("START", starts))
    )
    return (
        f"{tables}GT_APART void sums_{degree}({_ARGUMENTS}) {{\n"
        f"for (int r = 0; r < {len(rows)}; ++r) {{\n"
        f"Number sum = broadcast(0.0);\n"
        f"for (int d = 1; d < {degree}; ++d) {{\n"
        f"if (!(pairs >> d & 1u)) continue;\n"
        f"for (int t = START_{degree}[r * {degree} + d - 1]; t < START_{degree}[r * {degree} + d]; ++t)\n"
        f"sum += a[LEFT_{degree}[t]] * b[RIGHT_{degree}[t]];\n}}\n"
        f"if (fresh) c[{rows[0]} + r] = factor * sum;\nelse c[{rows[0]} + r] += factor * sum;\n}}\n}}\n"
        f"GT_INLINE void squares_{degree}({_ARGUMENTS}) {{ sums_{degree}(pairs, factor, fresh, a, b, c); }}\n"
    )


def series_rows_text(space: Space) -> str:
    """Constants and tables of `space` for kernels/taylor/products_by_rows.h."""
    terms = np.concatenate([np.zeros((0, 4), int), *(degree_terms(space, d) for d in range(2, space.order + 1))])
    width = space.order + 1
    starts = np.searchsorted(terms[:, 0] * width + terms[:, 1], np.arange(space.size * width + 1))
    row = "unsigned short" if space.size <= 1 << 16 else "int"
    return sizes_text(space) + "".join(
        f"GT_CONSTANT {kind} {name}[{max(1, len(values))}] = {{{', '.join(map(str, values.tolist()))}}};\n"
        for kind, name, values in (
            ("int", "SERIES_STARTS", starts), (row, "SERIES_LEFT", terms[:, 2]), (row, "SERIES_RIGHT", terms[:, 3]),
        )
    )  # fmt: skip
