"""Kernel text of truncated power series, for a host compiler or NVRTC: one source, includes resolved."""

from __future__ import annotations

from gputrack.backends.sources import kernel_folder
from gputrack.tpsa.space import Space
from gputrack.tpsa.straight_text import straight_text

_FILES = ("tpsa/sums.h", "tpsa/rules.h", "tpsa/compose.h", "tpsa/inverse.h")
#: how a compiler is told to keep a function by itself
_SEPARATE = {
    "tpsa/tpsa_host.h": "static __attribute__((noinline))",
    "tpsa/tpsa_cuda.h": "static __device__ __noinline__",
}


def kernel_text(entry: str, space: Space | None) -> str:
    """Source with an entry file such as ``tpsa/tpsa_host.h``, for one space or (None) for all that use tables."""
    words = f"#define GT_PARTS (8 / WIDTH)\n#define GT_SEPARATE {_SEPARATE[entry]}\n"
    parts = [words, _file("target.h"), straight_text(space)]
    return "".join([*parts, *map(_file, (*_FILES, entry))])


def _file(name: str) -> str:
    """Text of one file under its own name in messages; what it includes is there already."""
    lines = (kernel_folder() / name).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = ("\n" if line.startswith(('#include "', "#pragma once")) else line for line in lines)
    return f'#line 1 "{name}"\n' + "".join(kept)
