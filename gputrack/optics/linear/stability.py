"""Error messages for unstable motion and for rings without a closed orbit."""

from __future__ import annotations

import numpy as np

from gputrack.base.errors import InputError
from gputrack.base.planes import EDGE, instability, traces, unstable_planes
from gputrack.lattice.lattice import Lattice

_AT_EDGE = {
    2.0: "a trace of 2 means a tune at an integer, or no focusing",
    -2.0: "a trace of -2 means a tune at a half-integer",
}


def unstable(lattice: Lattice, matrix: np.ndarray) -> InputError:
    """Error for a one-turn matrix (4, 4) or (6, 6) without stable modes, with the unstable planes and their traces."""
    by_plane = traces(matrix)
    planes = unstable_planes(by_plane)
    if planes:
        text = "; ".join([instability(planes), "stable motion has traces between -2 and 2", *_causes(planes)])
    else:
        text = f"coupled motion is unstable; traces of the planes, each of which is stable: {_listed(by_plane)}"
    return InputError(f"Lattice {lattice.name!r}: {text}")


def no_closed_orbit(lattice: Lattice, delta: float, matrix: np.ndarray | None, free: int) -> InputError:
    """Error for an unsuccessful search for the closed orbit.

    Parameters
    ----------
    lattice : Lattice
    delta : float
    matrix : (6, 6) array or None
        One-turn matrix about the first orbit; None if a particle on it is lost.
    free : int
        Number of coordinates that must be periodic: 6 with cavities, else 4.
    """
    if matrix is None:
        reasons = ["the particle on the first orbit of the search is lost before the end"]
    else:
        by_plane = traces(matrix[:free, :free])
        planes = unstable_planes(by_plane)
        motion = instability(planes) if planes else f"motion is stable, with traces {_listed(by_plane)}"
        reasons = [f"about the first orbit of the search {motion}", *_causes(planes)]
    if free == 6 and lattice.first_radiating is not None:
        reasons.append("the cavities may not restore the energy lost by radiation")
    reasons.append("if there is a closed orbit, start the search closer to it")
    return InputError(f"Lattice {lattice.name!r}: no closed orbit found at delta = {delta:g}; {'; '.join(reasons)}")


def _listed(by_plane: dict[str, float]) -> str:
    return ", ".join(f"{plane} {trace:.6g}" for plane, trace in by_plane.items())


def _causes(planes: dict[str, float]) -> list[str]:
    """Explanations of the traces of unstable planes."""
    causes = [text for edge, text in _AT_EDGE.items() if any(abs(t - edge) <= EDGE for t in planes.values())]
    if planes.get("z", 0.0) > 2.0 + EDGE:
        causes.append("the cavities defocus in z: change their lag")
    elif planes.get("z", 0.0) < -2.0 - EDGE:
        causes.append("the cavities focus too strongly in z: reduce their voltage")
    return causes


def require_length(lattice: Lattice, length: float) -> None:
    """Require a length > 0, without which a ring has no revolution time."""
    if not length > 0.0:
        raise InputError(f"Lattice {lattice.name!r}: a ring must be longer than 0 m, got {length:g} m")
