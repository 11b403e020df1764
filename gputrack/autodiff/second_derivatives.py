"""Derivatives of derivatives, which sweeps by kernels do not give."""

from __future__ import annotations

from typing import Any

from gputrack.base.arrays import is_traced
from gputrack.base.errors import InputError


def require_first_derivatives(*values: Any) -> None:
    """An error where what a sweep is given, or was computed from, is being differentiated once more."""
    if any(map(is_traced, values)):
        raise InputError("optics and maps: second derivatives by reverse mode over reverse mode are not available")
