"""Derivatives of transfer matrices along displaced orbits, as a primitive of autograd.

Chromaticity and other first derivatives of the optics with respect to momentum need J'[d], the derivative of the
matrices along the dispersive orbit d. See `gputrack.backends.derivatives.MatrixRates`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from autograd.extend import defvjp_argnums

from gputrack.autodiff.second_derivatives import require_first_derivatives
from gputrack.backends import Choice
from gputrack.base.arrays import is_traced
from gputrack.base.primitive import primitive
from gputrack.elements.map import MAPS
from gputrack.lattice.knob_trace import traced_values
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program
from gputrack.optics.maps.single_pass import Pass


def matrix_rates(
    lattice: Lattice, program: Program, orbit: Any, along: Any, columns: int = 6, backend: Choice = None
) -> Any:
    """Derivatives of the first columns of the matrices from the start, along a displacement of the orbit there.

    Parameters
    ----------
    lattice : Lattice
        Its knobs and reference may be traced.
    program : Program
        Program of the lattice, with its knobs in the maps, and with a record after every element or none.
    orbit, along : (6,) arrays
        Orbit and displacement at the start; may be traced.
    columns : int
    backend : str or Streamed, optional
        See `gputrack.backends.choose_backend`.

    Returns
    -------
    array (places, 6, columns)
        At the records, or only at the end if the program has none. Traced if an argument is.

    Raises
    ------
    InputError
        A particle on the orbit is lost before the end.
    """
    recorded = bool((program.ops[:, 0] == MAPS["record"].code).any())
    run = _Rates(Pass(lattice, program, len(lattice) if recorded else 0, backend), columns)
    arguments = [orbit, along, traced_values(lattice, program)]
    if any(map(is_traced, arguments)):
        return _rates(run, *arguments)
    return run.forward(np.asarray(orbit, dtype=float), np.asarray(along, dtype=float))


class _Rates:
    """Forward pass, with its final state for the backward sweep."""

    def __init__(self, single: Pass, columns: int) -> None:
        self.single, self.columns = single, columns

    def forward(self, orbit: np.ndarray, along: np.ndarray) -> np.ndarray:
        """Rates (places, 6, columns)."""
        recorded, self.end = self.single.rates(orbit, along, self.columns)
        return recorded if self.single.places else np.array(self.end.rates)[None]

    def backward(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives with respect to the orbit, the displacement, and constants and reference."""
        if self.single.places:
            return self.single.rates_adjoint(self.end, np.zeros((6, self.columns)), bar)
        return self.single.rates_adjoint(self.end, bar[0])


@primitive
def _rates(run: _Rates, orbit: Any, along: Any, values: Any) -> np.ndarray:
    return run.forward(np.array(orbit, dtype=float), np.array(along, dtype=float))


def _pull_back(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    run: _Rates = arguments[0]

    def pull(bar: Any) -> tuple[Any, ...]:
        require_first_derivatives(bar, *arguments[1:])
        bars = [None, *run.backward(np.asarray(bar))]
        return tuple(bars[i] for i in argnums)

    return pull


defvjp_argnums(_rates, _pull_back)
