"""Validation of the argument `lattice` of public functions."""

from __future__ import annotations

import os
from typing import Any

from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.lattice.lattice import Lattice


def LATTICE(owner: str, name: str, value: Any) -> None:
    """Raise `InputError` if a value is not a lattice; see `gputrack.base.arguments`."""
    if not isinstance(value, Lattice):
        hint = "; read a file with gputrack.load" if isinstance(value, (str, os.PathLike)) else ""
        raise InputError(f"{owner}: {name} must be a gputrack.Lattice, got {short(value)}{hint}")
