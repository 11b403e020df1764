"""Source text of the kernels of power series: straight-line code for one space, or tables for all spaces."""

from __future__ import annotations

import os
from pathlib import Path

from gputrack.base.c_struct import struct_texts
from gputrack.base.kernel_files import flatten, kernel_folder
from gputrack.tpsa.space import Space
from gputrack.tpsa.structs import STRUCTS
from gputrack.tpsa.sums_source import Sums
from gputrack.tpsa.tables import product_terms

#: largest number of products in straight-line code: 6 variables have 6188 at order 5 (some seconds to build), 18564 at
#: order 6 (15 s, once, for products three to four times as fast)
MOST_PRODUCTS = 20000
#: the same on GPUs, where every warp reloads code that exceeds the instruction cache (not measured)
MOST_GPU_PRODUCTS = 500


def is_straight(space: Space) -> bool:
    """Whether the kernels of a space are built for it as straight-line code, instead of using tables.

    True up to `MOST_PRODUCTS` products, or ``$GPUTRACK_TPSA_PRODUCTS``; 0 disables straight-line code.
    """
    most = int(os.environ.get("GPUTRACK_TPSA_PRODUCTS", MOST_PRODUCTS))
    return len(product_terms(space).left) <= most


def kernel_text(entry: str, space: Space | None) -> str:
    """Source with an entry file such as ``host/tpsa.h``, for one space, or (None) for all spaces with tables."""
    seen: set[Path] = set()
    target, own = (flatten(kernel_folder() / name, seen) for name in ("target.h", entry))
    text = _straight_text(space) + own
    return "".join(["#define GT_PARTS (8 / WIDTH)\n", target, struct_texts(STRUCTS, text), text])


def _straight_text(space: Space | None) -> str:
    """Text of ``straight_sums``, and of the constant STRAIGHT, true if it exists."""
    if space is None:
        return (
            "constexpr bool STRAIGHT = false;\n"
            "template <class... Arguments> GT_INLINE void straight_sums(const Arguments&...) {}\n"
        )
    sums = Sums("straight_sums", space, product_terms(space))
    degrees = range(space.order + 1)
    functions = "".join(map(sums.straight, degrees))
    return f"constexpr bool STRAIGHT = true;\n{functions}{sums.switch({d: sums.call(d) for d in degrees})}"
