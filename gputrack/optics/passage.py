"""A few particles once through a lattice, in array mathematics; no apertures, no losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.elements.map import ReferenceValues, State, make_state
from gputrack.lattice import Lattice
from gputrack.program import Program, compile_program


def passage(lattice: Lattice, coordinates: np.ndarray, program: Program | None = None) -> np.ndarray:
    """Coordinates at the entrance of every element and at the end, shape (len(lattice) + 1, 6, n).

    Parameters
    ----------
    lattice : Lattice
    coordinates : (6, n) array
        At the entrance of the lattice; a particle that no map can carry on becomes NaN.
    program : Program, optional
        The compiled lattice, for whoever passes through it many times.
    """
    program = program or compile_program(lattice)
    ref = ReferenceValues.of(lattice.require_reference())
    seen = np.empty((len(lattice) + 1, *coordinates.shape))
    state = make_state(coordinates, ref)
    reached = 0
    with np.errstate(all="ignore"):
        for (kind, op), element in zip(program.calls, program.elements.tolist(), strict=True):
            seen[reached : element + 1] = _coordinates(state)
            reached = element + 1
            state = kind.forward(state, op, ref)
    seen[reached:] = _coordinates(state)
    return seen


def _coordinates(state: State) -> Any:
    return np.stack(state[:6])
