"""Maps of a lattice as power series by the array maps on `gputrack.tpsa.Series`: the reference of the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.elements.map import MapKind, ReferenceValues, make_state
from gputrack.lattice.program import Program
from gputrack.tpsa.series import Series
from gputrack.tpsa.space import Space


def run_series_arrays(
    space: Space,
    programs: Sequence[Program],
    reference: np.ndarray,
    maps: np.ndarray,
    places: int = 0,
    slopes: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Carry maps once through programs, one after the other; twin of `gputrack.backends.taylor.host.run_series`."""
    members = ReferenceValues(*_numbers(space, reference[:, 0], reference[:, 1:]))
    final, at = np.empty(maps.shape), np.empty((len(maps), places, *maps.shape[1:]))
    for i, one in enumerate(maps):
        program = programs[i % len(programs)]
        rates = np.zeros((len(program.constants), space.parameters))
        if slopes is not None:
            rates = slopes if slopes.ndim == 2 else slopes[i % len(slopes)]
        constants = _numbers(space, program.constants, rates)
        final[i], records = pass_arrays(space, program, constants, members, one, places)
        if places:
            at[i] = records
    return final, at


def pass_arrays(
    space: Space, program: Program, constants: Sequence[Any], members: ReferenceValues, maps: Any, places: int
) -> tuple[Any, Any]:
    """Carry maps through a program; anything but the program may be traced by autograd.

    Parameters
    ----------
    space : Space
    program : Program
    constants : sequence
        In place of those of the program: numbers or series.
    members : ReferenceValues
        Of numbers or series.
    maps : array (6, space.size)
        Coefficients of the incoming coordinates.
    places : int
        Number of places of the program's monitor.

    Returns
    -------
    (array (6, size), array (places, 6, size) or None)
        Outgoing maps, and those at the monitor's places.
    """
    state = make_state([Series.of(space, maps[i]) for i in range(6)], members)
    records: list[Any] = [None] * places
    for row in program.ops.tolist():
        kind = program.kind_of[row[0]]
        if kind.name == "record":
            records[row[2 + kind.integers.index("place")]] = _coefficients(state)
        elif kind.name != "aperture":
            state = kind.forward(state, _op(kind, row, constants), members)
    return _coefficients(state), anp.stack(records) if places else None


def _coefficients(state: Any) -> Any:
    return anp.stack([value.coefficients for value in state[:6]])


def _op(kind: MapKind, row: list[int], constants: Sequence[Any]) -> SimpleNamespace:
    """Integers and constants of an op as attributes."""
    values: dict[str, Any] = dict(zip(kind.integers, row[2:], strict=False))
    place = row[1]
    for name in kind.constants:
        values[name] = constants[place]
        place += 1
    for name, count in kind.series.items():
        values[name] = [constants[place + i] for i in range(values[count])]
        place += values[count]
    return SimpleNamespace(**values)


def _numbers(space: Space, values: np.ndarray, slopes: np.ndarray) -> list[Any]:
    """Numbers (n,) as they are without parameters, else as series with slopes (n, parameters)."""
    if not space.parameters:
        return list(map(float, values))
    coefficients = np.zeros((len(values), space.first[2]))
    coefficients[:, 0], coefficients[:, 1 + space.variables :] = values, slopes
    return [Series.of(space, row) for row in coefficients]
