"""The symplectic form S of pairs of positions and momenta."""

from __future__ import annotations

from functools import cache

import numpy as np


@cache
def symplectic_form(size: int) -> np.ndarray:
    """Read-only S (size, size) for alternating positions and momenta: S[q, p] = 1 = -S[p, q] for each pair."""
    form = np.kron(np.eye(size // 2), np.array([[0.0, 1.0], [-1.0, 0.0]]))
    form.flags.writeable = False
    return form
