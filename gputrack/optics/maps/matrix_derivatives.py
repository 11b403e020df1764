"""How transfer matrices change where the orbit is displaced, as one primitive of autograd.

Chromaticity and all that follows from the first derivatives of matrices with respect to momentum needs J'[d], the
derivative of the matrices along the dispersive orbit d. See kernels/host/matrix_derivatives.h.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from autograd.extend import defvjp_argnums

from gputrack.autodiff.second_derivatives import require_first_derivatives
from gputrack.backends.host.matrix_derivatives import Parts, pass_rates, sweep_rates
from gputrack.backends.protocol import Launch, make_records
from gputrack.base.arrays import is_traced
from gputrack.base.errors import InputError
from gputrack.base.primitive import primitive
from gputrack.elements.map import MAPS
from gputrack.lattice.knob_trace import traced_values
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program

_LIMIT = 1e100


def matrix_rates(lattice: Lattice, program: Program, orbit: Any, direction: Any, columns: int = 6) -> Any:
    """Derivatives of the first columns of the matrices from the start, along a displacement of the orbit there.

    Parameters
    ----------
    lattice : Lattice
        Knobs that are being differentiated, and a traced reference, are followed.
    program : Program
        Of the lattice, and its knobs in it: with a record after every element, or none.
    orbit, direction : (6,) arrays
        At the start; may be traced.
    columns : int

    Returns
    -------
    array (places, 6, columns)
        At the records, or at the end alone where the program has none. Traced where an argument is.

    Raises
    ------
    InputError
        The orbit does not reach the end.
    """
    run = _Rates(lattice, program, columns)
    arguments = [orbit, direction, traced_values(lattice, program)]
    if any(map(is_traced, arguments)):
        return _rates(run, *arguments)
    return run.forward(np.asarray(orbit, dtype=float), np.asarray(direction, dtype=float))


class _Rates:
    """A passage forwards, remembered for its sweep."""

    def __init__(self, lattice: Lattice, program: Program, columns: int) -> None:
        self.lattice = lattice.with_reference(lattice.require_reference().plain)
        self.program, self.columns = program, columns
        self.places = len(lattice) if (program.ops[:, 0] == MAPS["record"].code).any() else 0

    def _launch(self) -> Launch:
        shapes = [(1, self.places)] if self.places else []
        records = make_records(shapes, self.columns, np)
        return Launch(self.program, self.lattice.require_reference(), 0, 1, _LIMIT, records)

    def forward(self, orbit: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Rates (places, 6, columns)."""
        spread = np.ones(self.columns)
        parts = Parts(
            np.outer(orbit, spread), np.eye(6)[:, : self.columns].copy(), np.outer(direction, spread),
            np.zeros((6, self.columns)),
        )  # fmt: skip
        records = pass_rates(parts, self._launch())
        if not all(np.isfinite(part).all() for part in (parts.orbits, parts.rates)):
            raise InputError(f"Lattice {self.lattice.name!r}: the orbit {orbit.tolist()} does not reach the end")
        self.parts = parts
        return records.reshape(self.places, 6, self.columns) if self.places else parts.rates[None].copy()

    def backward(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives with respect to the orbit, to the direction, and to constants and the reference's values."""
        bar = np.ascontiguousarray(bar)
        at_end = np.zeros((6, self.columns)) if self.places else bar[0]
        found = sweep_rates(self.parts.copied(), self._launch(), at_end, bar.reshape(-1) if self.places else None)
        return found.orbits.sum(axis=1), found.along.sum(axis=1), found.constants


@primitive
def _rates(run: _Rates, orbit: Any, direction: Any, values: Any) -> np.ndarray:
    return run.forward(np.array(orbit, dtype=float), np.array(direction, dtype=float))


def _pull_back(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    run: _Rates = arguments[0]

    def pull(bar: Any) -> tuple[Any, ...]:
        require_first_derivatives(bar, *arguments[1:])
        bars = [None, *run.backward(np.asarray(bar))]
        return tuple(bars[i] for i in argnums)

    return pull


defvjp_argnums(_rates, _pull_back)
