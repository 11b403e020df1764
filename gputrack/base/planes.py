"""Traces of the planes of one-turn matrices, and a description of the planes in which motion is unstable."""

from __future__ import annotations

import numpy as np

PLANES = ("x", "y", "z")
_NAMES = {"x": "horizontal", "y": "vertical", "z": "longitudinal"}
#: traces closer to 2 or -2 than this are at the limit of stability
EDGE = 1e-9


def traces(matrix: np.ndarray) -> dict[str, float]:
    """Traces of the planes of a matrix, (2 n, 2 n), by name."""
    blocks = (matrix[i : i + 2, i : i + 2] for i in range(0, len(matrix), 2))
    return {plane: float(np.trace(block)) for plane, block in zip(PLANES, blocks, strict=False)}


def unstable_planes(by_plane: dict[str, float]) -> dict[str, float]:
    """Planes with traces that are not between -2 and 2."""
    return {plane: trace for plane, trace in by_plane.items() if not abs(trace) < 2.0 - EDGE}


def instability(planes: dict[str, float]) -> str:
    """Description of unstable planes with their traces."""
    values = " and ".join(f"{trace:.6g}" for trace in planes.values())
    names = " and ".join(_NAMES[plane] for plane in planes)
    return f"{names} motion is unstable in {' and '.join(planes)}: trace{'s' if len(planes) > 1 else ''} {values}"
