"""Tangents of a program's constants from those of elements' parameters; twin of knob_adjoint.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gputrack.autodiff.forward_trace import pushed_forward
from gputrack.base.errors import InputError
from gputrack.lattice.knob_adjoint import driven_rows, lowered_columns, parameter_table
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.program import LoweredGroup, Program


def constants_tangent(program: Program, directions: Sequence[tuple[Knobs, Any]]) -> np.ndarray:
    """Tangents of all constants, (n_constants,), for knobs with tangents (n_knobs,).

    Only groups of driven elements are differentiated.
    """
    tables: dict[int, np.ndarray] = {}
    for knobs, tangent in directions:
        _add_parameters(program, knobs, np.reshape(tangent, -1), tables)
    total = np.zeros(len(program.constants))
    for number, table in tables.items():
        group = program.groups[number]
        for places, rates in zip(group.constants, group_tangent(group, table), strict=True):
            total[places] = rates
    return total


def _add_parameters(program: Program, knobs: Knobs, tangent: np.ndarray, tables: dict[int, np.ndarray]) -> None:
    """Add knobs' tangents to those of the parameters that they drive, a table for each group."""
    if tangent.shape != (len(knobs),):
        raise InputError(f"{len(knobs)} knobs need as many tangents, got {tangent.size}")
    names: dict[int, list[str]] = {}
    for number, parameter, rows, driving in driven_rows(program, knobs):
        if number not in names:
            names[number], values = parameter_table(program.groups[number])
            tables.setdefault(number, np.zeros(values.shape))
        if parameter not in names[number]:
            raise InputError(f"knob {knobs[int(driving[0])].handle!r}: parameter {parameter!r} is not in the maps")
        np.add.at(tables[number][names[number].index(parameter)], rows, tangent[driving])


def group_tangent(group: LoweredGroup, table_tangent: np.ndarray) -> list[np.ndarray]:
    """Tangents of the constants of each call of a group, (elements, constants).

    Parameters
    ----------
    group : LoweredGroup
    table_tangent : array (parameters, elements)
        In the order of `parameter_table`.
    """
    names, table = parameter_table(group)
    _, rates = pushed_forward(lambda values: lowered_columns(group, names, values), (table,), (table_tangent,))
    return [_beside(columns, len(group.places)) for columns in rates]


def _beside(columns: Sequence[Any], rows: int) -> np.ndarray:
    """Columns, each a number or an array (rows,), as a table."""
    table = np.empty((rows, len(columns)))
    for i, column in enumerate(columns):
        table[:, i] = column
    return table
