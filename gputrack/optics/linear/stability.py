"""What is said of motion that grows."""

from __future__ import annotations

import numpy as np

from gputrack.base.errors import InputError
from gputrack.lattice.lattice import Lattice

PLANES = ("horizontal", "vertical", "longitudinal")
#: a trace nearer to 2 than this is that of a plane at the edge
_EDGE = 1e-9
_AT_EDGE = {
    2.0: "; a trace of 2 is that of a tune on an integer, or without focusing",
    -2.0: "; a trace of -2 is that of a tune on a half-integer",
}


def unstable(lattice: Lattice, matrix: np.ndarray) -> InputError:
    """Name the plane and its trace; planes that are each stable are unstable together."""
    named = traces(matrix)
    bad = {plane: trace for plane, trace in named.items() if not abs(trace) < 2.0 - _EDGE}
    if bad:
        what = " and ".join(f"{plane} motion is unstable (trace {trace:.6g})" for plane, trace in bad.items())
    else:
        listed = ", ".join(f"{plane} {trace:.6g}" for plane, trace in named.items())
        what = f"coupled motion is unstable (traces {listed})"
    hints = "".join(hint for edge, hint in _AT_EDGE.items() if any(abs(t - edge) <= _EDGE for t in bad.values()))
    mend = "; check the lag of the cavities" if [*bad] == ["longitudinal"] else ""
    return InputError(f"Lattice {lattice.name!r}: {what}; stable rings have traces between -2 and 2{hints}{mend}")


def traces(matrix: np.ndarray) -> dict[str, float]:
    """Traces of the planes of a matrix, (4, 4) or (6, 6), by name."""
    blocks = (matrix[i : i + 2, i : i + 2] for i in range(0, len(matrix), 2))
    return {plane: float(np.trace(block)) for plane, block in zip(PLANES, blocks, strict=False)}


def no_closed_orbit(lattice: Lattice, delta: float, matrix: np.ndarray | None, free: int) -> InputError:
    """Name the planes and their traces around the first orbit that was tried; None where it did not reach the end."""
    if matrix is None:
        what = "an orbit that was tried did not reach the end"
    else:
        listed = ", ".join(f"{plane} {trace:.6g}" for plane, trace in traces(matrix[:free, :free]).items())
        what = f"traces around the first orbit: {listed}"
        if any(abs(trace - 2.0) <= _EDGE for trace in traces(matrix[:free, :free]).values()):
            what += _AT_EDGE[2.0]
    mend = "kicks may be too strong, or it is a beam line" if free == 4 else "check the lag and voltage of the cavities"
    return InputError(f"Lattice {lattice.name!r}: no closed orbit found at delta = {delta:g}; {what}; {mend}")


def require_length(lattice: Lattice, length: float) -> None:
    """Refuse a ring without length, which has no revolution time."""
    if not length > 0.0:
        raise InputError(f"Lattice {lattice.name!r}: a ring must be longer than 0 m, got {length:g} m")
