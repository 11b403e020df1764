"""Tables of programs for power-series maps, common to all maps or for each: ops, constants, slopes, reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gputrack.base.errors import InputError
from gputrack.lattice.program import Program
from gputrack.tpsa.space import Space


@dataclass(frozen=True)
class SeriesTables:
    """Tables of programs that differ only in their constants.

    Attributes
    ----------
    ops : int32 array (n_ops, 10)
    constants : float64 array (1, n_constants) or (n, n_constants)
        For all maps, or for each.
    slopes : float64 array (1, n_constants, parameters) or (n, n_constants, parameters)
        Derivatives of the constants along the parameters.
    members : float64 array (5 + 5 parameters,)
        Members of `ReferenceValues`, then their derivatives.
    most : int
        Largest number of constants of an op.
    """

    ops: np.ndarray
    constants: np.ndarray
    slopes: np.ndarray
    members: np.ndarray
    most: int

    @classmethod
    def of(
        cls, space: Space, programs: Sequence[Program], reference: np.ndarray, slopes: np.ndarray | None
    ) -> SeriesTables:
        """See `gputrack.backends.taylor.host.run_series` for the arguments."""
        first = programs[0]
        if any(not np.array_equal(p.ops, first.ops) for p in programs[1:]):
            raise InputError("series: the lattices must have the same elements and models; give one at a time")
        count = len(first.constants)
        rates = np.zeros((count, space.parameters)) if slopes is None else np.ascontiguousarray(slopes)
        ends = np.append(first.ops[1:, 1], count) if len(first) else np.zeros(0, dtype=int)
        return cls(
            np.ascontiguousarray(first.ops),
            np.stack([p.constants for p in programs]),
            rates[None] if rates.ndim == 2 else rates,
            np.concatenate([reference[:, 0], reference[:, 1:].reshape(-1)]),
            int(np.max(ends - first.ops[:, 1], initial=0)),
        )

    @property
    def own_constants(self) -> int:
        """Stride of the constants from map to map; 0 if all share them."""
        return self.constants.shape[1] if len(self.constants) > 1 else 0

    @property
    def own_slopes(self) -> int:
        """Stride of the slopes from map to map; 0 if all share them."""
        return self.slopes[0].size if len(self.slopes) > 1 else 0
