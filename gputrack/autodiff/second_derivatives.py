"""Detection of second derivatives, which the adjoint kernels do not provide."""

from __future__ import annotations

from typing import Any

from gputrack.base.arrays import is_traced
from gputrack.base.errors import InputError


def require_first_derivatives(*values: Any) -> None:
    """Raise `InputError` if an input of a backward sweep is itself being differentiated."""
    if any(map(is_traced, values)):
        raise InputError("optics and maps: second derivatives (reverse over reverse mode) are not available")
