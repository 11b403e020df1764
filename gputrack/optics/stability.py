"""What is said of motion that grows."""

from __future__ import annotations

import numpy as np

from gputrack.errors import InputError
from gputrack.lattice import Lattice

PLANES = ("horizontal", "vertical", "longitudinal")
#: a trace nearer to 2 than this is that of a plane at the edge
_EDGE = 1e-9


def unstable(lattice: Lattice, matrix: np.ndarray) -> InputError:
    """Name the plane and its trace; planes that are each stable are unstable together."""
    traces = [float(np.trace(matrix[i : i + 2, i : i + 2])) for i in range(0, len(matrix), 2)]
    named = list(zip(PLANES, traces, strict=False))
    bad = [(plane, trace) for plane, trace in named if not abs(trace) < 2.0 - _EDGE]
    if bad:
        what = " and ".join(f"{plane} motion is unstable (trace {trace:.6g})" for plane, trace in bad)
    else:
        listed = ", ".join(f"{plane} {trace:.6g}" for plane, trace in named)
        what = f"coupled motion is unstable (traces {listed})"
    mend = "; check the lag of the cavities" if [plane for plane, _ in bad] == ["longitudinal"] else ""
    return InputError(f"Lattice {lattice.name!r}: {what}; stable rings have traces between -2 and 2{mend}")
