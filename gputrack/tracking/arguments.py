"""Argument validation of `track`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError
from gputrack.base.interruption import Progress, require_progress
from gputrack.beam.beam import Beam
from gputrack.lattice.lattice import Lattice
from gputrack.tracking.monitor import Monitor


def check_arguments(
    lattice: Lattice, beam: Beam, turns: int, monitors: Sequence[Monitor], progress: Progress, limit: float
) -> int:
    """Validate the arguments of `track`; return the number of turns."""
    _check(lattice, beam, limit)
    _check_monitors(monitors, progress)
    return require_integer("track", "turns", turns, at_least=0)


def _check(lattice: Lattice, beam: Beam, limit: float) -> None:
    if not isinstance(lattice, Lattice):
        raise InputError(f"track: lattice must be a Lattice, got {type(lattice).__name__}")
    if not isinstance(beam, Beam):
        raise InputError(f"track: beam must be a Beam, got {type(beam).__name__}")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 < limit <= math.inf:
        raise InputError(f"track: limit must be > 0 m, got {short(limit)}")
    if isinstance(limit, int) and limit > 2**1000:
        raise InputError(f"track: limit must be a floating-point number [m], got {short(limit)}")
    reference = lattice.require_reference()
    if reference is not beam.reference and reference != beam.reference:
        raise InputError(
            f"track: the beam's reference {beam.reference} differs from the lattice's "
            f"{lattice.reference}; make the beam with lattice.reference"
        )


def _check_monitors(monitors: Sequence[Monitor], progress: Progress) -> None:
    if isinstance(monitors, (Monitor, str)) or not isinstance(monitors, Sequence):
        raise InputError(f"track: monitors must be a list of gputrack.Monitor, got {short(monitors)}")
    for monitor in monitors:
        if not isinstance(monitor, Monitor):
            raise InputError(f"track: each of the monitors must be a gputrack.Monitor, got {short(monitor)}")
    require_progress("track", progress)
