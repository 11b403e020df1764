"""Kernel files: where they are, and their flattening into one source text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_INCLUDE = re.compile(r'^\s*#include\s+"([^"]+)"\s*$')


@cache
def kernel_folder() -> Path:
    """Folder of the kernel sources: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "kernels", package.parent / "kernels"):
        if (folder / "target.h").is_file():
            return folder
    raise FileNotFoundError(f"kernel sources not found beside {package}; reinstall gputrack")


def flatten(path: Path, seen: set[Path]) -> str:
    """Text of a kernel file with its includes in place, each file once; ``#line`` directives name the files.

    An include is a file beside it, or one in the folder of the kernels.
    """
    path = path.resolve()
    if path in seen:
        return ""
    seen.add(path)
    folder = kernel_folder().resolve()
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    out = [f'#line 1 "{name}"\n']
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        match = _INCLUDE.match(line)
        if match:
            beside = path.parent / match[1]
            out.append(flatten(beside if beside.is_file() else folder / match[1], seen))
            out.append(f'#line {number + 1} "{name}"\n')
        elif line.strip() != "#pragma once":
            out.append(line)
        else:
            out.append("\n")
    return "".join(out)
