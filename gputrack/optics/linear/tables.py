"""Twiss tables as text, in comma-separated values and in MAD-X's TFS format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from gputrack.base.errors import InputError
from gputrack.optics.linear.twiss_columns import Twiss


def csv_text(optics: Twiss) -> str:
    """Table of all columns as comma-separated values, with their names in the first line."""
    rows = zip(*optics.columns.values(), strict=True)
    lines = [",".join(optics.columns), *(",".join(_plain(value) for value in row) for row in rows)]
    return "\n".join(lines) + "\n"


def tfs_text(optics: Twiss) -> str:
    """Table in MAD-X's TFS format: summary in lines with "@", names of columns after "*", their formats after "$".

    Rows are at the entrances of elements and, the last one, at the end, as in `Twiss`.
    """
    heads: Mapping[str, Any] = {"NAME": "TWISS", "TYPE": "TWISS", "SEQUENCE": optics.lattice.name, **optics.summary}
    lines = [_head(name.upper(), value) for name, value in heads.items()]
    names, formats = list(optics.columns), ["%s", *["%le"] * (len(optics.columns) - 1)]
    lines.append("* " + " ".join(f"{name.upper():>24}" for name in names))
    lines.append("$ " + " ".join(f"{form:>24}" for form in formats))
    for name, *values in zip(*optics.columns.values(), strict=True):
        lines.append("  " + " ".join([f'"{name}"'.rjust(24), *(f"{float(v):>24.16e}" for v in values)]))
    return "\n".join(lines) + "\n"


def write(text: str, path: str | os.PathLike[str]) -> None:
    """Write a table to a file.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"cannot write the table {path}: {error}") from error


def _head(name: str, value: Any) -> str:
    if isinstance(value, str):
        return f'@ {name:<20} %{len(value):02d}s "{value}"'
    return f"@ {name:<20} %le {float(value):.16e}"


def _plain(value: Any) -> str:
    """Shortest text that represents a number exactly; names with commas or quotes are quoted."""
    if not isinstance(value, str):
        return repr(float(np.asarray(value)))
    quoted = value.replace('"', '""')
    return f'"{quoted}"' if quoted != value or "," in value else value
