"""Generated text for the series type of the kernels, for one space: sizes, products and their adjoints.

Tracking orders the variables of a space as (delta, x, px, y, py, z), followed by parameters; monomials of these are
in the order of `gputrack.tpsa.space`. Then delta times all monomials of one degree are the first ones of the next
degree, and the frequent products with series in delta alone need no tables.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from gputrack.tpsa.space import Space
from gputrack.tpsa.sums_source import Sums, terms_text
from gputrack.tpsa.tables import adjoint_terms, product_terms

#: largest number of terms of one degree in straight-line code; beyond it, loops over tables compile faster
STRAIGHT_TERMS = 1500
#: rows with sums in registers at the same time: of products, of maps side by side in sixteen registers, of adjoints
GROUP, ADJOINT_GROUP = 12, 8


def series_text(space: Space) -> str:
    """Sizes, and products of terms of degrees >= 1 of both factors, for kernels/taylor/products_by_blocks.h."""
    sums = Sums("series_sums", space, product_terms(space), GROUP, least_left=1, least_right=1)
    squares = Sums("series_squares", space, sums.terms, GROUP, least_left=1, least_right=1, squares=True)
    degrees = range(2, space.order + 1)
    straight = [d for d in degrees if sums.count(d) <= STRAIGHT_TERMS]
    return (
        f"{sizes_text(space)}constexpr int SERIES_SQUARES = {max(straight, default=1)};\n"
        f"{_functions(sums, degrees, straight)}{_functions(squares, straight, straight)}"
    )


def series_adjoint_text(space: Space) -> str:
    """Adjoints of products with terms of degrees >= 1, for kernels/taylor/functional.h."""
    sums = Sums("pulled_sums", space, adjoint_terms(space), ADJOINT_GROUP, least_left=1)
    degrees = range(space.order)
    return _functions(sums, degrees, [d for d in degrees if sums.count(d) <= STRAIGHT_TERMS])


def series_rows_text(space: Space) -> str:
    """Sizes and tables for kernels/taylor/products_by_rows.h."""
    kind = "unsigned short" if space.size <= 1 << 16 else "int"
    return sizes_text(space) + terms_text("SERIES", product_terms(space), kind)


def sizes_text(space: Space) -> str:
    """Sizes, the first row of each degree, and the row in the space for each row of a series."""
    firsts, rows = (", ".join(str(i) for i in values) for values in (space.first, space_rows(space).tolist()))
    return (
        f"constexpr int SERIES_ORDER = {space.order}, SERIES_SIZE = {space.size};\n"
        f"constexpr int SERIES_VARIABLES = {space.variables}, SERIES_PARAMETERS = {space.parameters};\n"
        f"GT_CONSTANT int SERIES_FIRST[{space.order + 2}] = {{{firsts}}};\n"
        f"GT_CONSTANT int SERIES_ROW[{space.size}] = {{{rows}}};\n"
    )


@cache
def space_rows(space: Space) -> np.ndarray:
    """(size,) Row of the monomials of (delta, x, px, ...) among those of (x, px, ..., delta)."""
    last = space.variables - 1
    return space.find(space.exponents[:, [*range(1, last + 1), 0, *range(last + 1, space.dimensions)]])


def _functions(sums: Sums, degrees: range | list[int], straight: list[int]) -> str:
    """Sums of some degrees: straight-line code, or loops over tables named as the sums, in capitals."""
    prefix = sums.name.upper()
    bodies = {d: sums.call(d) if d in straight else sums.table_call(d, prefix) for d in degrees}
    tables = terms_text(prefix, sums.terms) if len(straight) < len(degrees) else ""
    return "".join([tables, *map(sums.straight, straight), sums.switch(bodies)])
