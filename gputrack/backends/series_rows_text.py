"""Text that the series number type needs for one space on a GPU: sizes, and the terms of products row by row."""

from __future__ import annotations

import numpy as np

from gputrack.backends.series_text import degree_terms, sizes_text
from gputrack.tpsa.space import Space


def series_rows_text(space: Space) -> str:
    """Constants and tables of `space` for kernels/series_rows.h."""
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
