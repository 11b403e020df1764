"""Sums of products as text without loops or tables, for spaces with few products.

Outputs are taken `GROUP` at a time: their sums stay in registers, and a left factor is loaded once for all of
them that it divides.
"""

from __future__ import annotations

import os
from collections import defaultdict

from gputrack.base.c_struct import struct_texts
from gputrack.base.kernel_files import kernel_folder
from gputrack.tpsa.space import Space
from gputrack.tpsa.structs import STRUCTS
from gputrack.tpsa.tables import product_terms

GROUP = 8
#: most products for which text is written: 6 variables have 6188 at order 5 (some seconds to build), 18564 at order 6
#: (15 s, once, for products three to four times as fast)
MOST_PRODUCTS = 20000
#: the same on GPUs, where text of more than the instruction cache holds is read again by every warp (not measured)
MOST_GPU_PRODUCTS = 500

_ARGUMENTS = "const A& at, const double* x, const double* y, double* out, int from, int to"


def is_straight(space: Space) -> bool:
    """Whether the kernels of a space are built for it alone, rather than read its tables.

    So it is up to `MOST_PRODUCTS` products, or ``$GPUTRACK_TPSA_PRODUCTS``; 0 builds none.
    """
    most = int(os.environ.get("GPUTRACK_TPSA_PRODUCTS", MOST_PRODUCTS))
    return len(product_terms(space).left) <= most


def straight_text(space: Space | None) -> str:
    """``straight_sums``, a function template over the access to coefficients; None stands for kernels with tables."""
    head = f"constexpr bool STRAIGHT = {'false' if space is None else 'true'};\n"
    if space is None:
        return head + (
            "template <class A> GT_INLINE void straight_sums(const A&, int, const double*, const double*, double*, "
            "int, int) {}\n"
        )
    degrees = range(space.order + 1)
    cases = " ".join(f"case {d}: straight_sums_{d}(at, x, y, out, from, to); break;" for d in degrees)
    arguments = _ARGUMENTS.replace("at,", "at, int degree,")
    last = f"template <class A> GT_INLINE void straight_sums({arguments}) {{ switch (degree) {{ {cases} }} }}\n"
    return head + "".join(_degree(space, d) for d in degrees) + last


def _degree(space: Space, degree: int) -> str:
    """Function for the rows of one degree."""
    first, end = space.first[degree], space.first[degree + 1]
    groups = "".join(_group(space, range(k, min(k + GROUP, end))) for k in range(first, end, GROUP))
    return f"template <class A> GT_SEPARATE void straight_sums_{degree}({_ARGUMENTS}) {{\n{groups}}}\n"


def _group(space: Space, rows: range) -> str:
    """A few rows; the terms with a left factor of a given degree can be left out."""
    terms = product_terms(space)
    ends = terms.starts[:, -1]
    steps: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for place, k in enumerate(rows):
        for t in range(terms.starts[k, 0], ends[k]):
            left, right = int(terms.left[t]), int(terms.right[t])
            steps[int(space.degrees[left])][left].append(f"s{place} += v * at.load(y, {right});")
    sums = ", ".join(f"s{place} = at.zero()" for place in range(len(rows)))
    lines = [f" {{ typename A::Value {sums};\n"]
    for degree, factors in sorted(steps.items()):
        body = "".join(
            f"   {{ const typename A::Value v = at.load(x, {left}); {' '.join(adds)} }}\n"
            for left, adds in sorted(factors.items())
        )
        lines.append(f"  if (from <= {degree} && {degree} <= to) {{\n{body}  }}\n")
    stores = " ".join(f"at.store(out, {k}, s{place});" for place, k in enumerate(rows))
    return "".join(lines) + f"  {stores} }}\n"


_FILES = ("tpsa/sums.h", "tpsa/rules.h", "tpsa/compose.h", "tpsa/inverse.h")
#: how a compiler is told to keep a function by itself
_SEPARATE = {
    "host/tpsa.h": "static __attribute__((noinline))",
    "cuda/tpsa.h": "static __device__ __noinline__",
}


def kernel_text(entry: str, space: Space | None) -> str:
    """Source with an entry file such as ``host/tpsa.h``, for one space or (None) for all that use tables."""
    words = f"#define GT_PARTS (8 / WIDTH)\n#define GT_SEPARATE {_SEPARATE[entry]}\n"
    text = "".join([straight_text(space), *map(_file, (*_FILES, entry))])
    return words + _file("target.h") + struct_texts(STRUCTS, text) + text


def _file(name: str) -> str:
    """Text of one file under its own name in messages; what it includes is there already."""
    lines = (kernel_folder() / name).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = ("\n" if line.startswith(('#include "', "#pragma once")) else line for line in lines)
    return f'#line 1 "{name}"\n' + "".join(kept)
