"""Structs passed to the kernels of power series: tables of their members."""

from __future__ import annotations

from gputrack.base.c_struct import INT, INTEGER, Member, Struct, pointer

_INTS = pointer("const int")

TABLES = Struct(
    "Tables",
    "Tables of a space, see gputrack/tpsa/tables.py.",
    Member("order", INT),
    Member("dimensions", INT),
    Member("first", _INTS, "rows below each degree, 0 to order + 1"),
    Member("degrees", _INTS, "of each row"),
    Member("by_length", _INTS, "rows of each degree, sorted by number of terms for predictable loops"),
    Member("starts", _INTS, "first term of row k and degree d at k (order + 2) + d"),
    Member("left", _INTS),
    Member("right", _INTS),
    Member("adjoint_starts", _INTS, "the same for the adjoint of a product"),
    Member("adjoint_left", _INTS),
    Member("adjoint_right", _INTS),
    Member("tree_rows", _INTS, "monomials depth first"),
    Member("tree_lasts", _INTS, "their last variables"),
)

OPERATION = Struct(
    "SeriesOperation",
    "Operation on series of many maps on a GPU, rows of coefficients (rows, maps).",
    Member("tables", pointer("const Tables", "struct Tables;")),
    Member("maps", INTEGER),
    Member("orders", INTEGER, "of a, b and c, a byte each, lowest first"),
    Member("a", pointer("const double")),
    Member("b", pointer("const double")),
    Member("c", pointer("double"), "result"),
    Member("d", pointer("double"), "second result"),
)

#: both structs; their C text is generated for kernels that use them, never written by hand
STRUCTS = (TABLES, OPERATION)
