"""The program of a lattice for other values of knobs: only what these drive is lowered anew, as arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gputrack.lattice.knob_adjoint import driven_rows
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.program import LoweredGroup, Program, call_constants


def retuned(program: Program, knobs: Knobs, numbers: np.ndarray) -> Program | None:
    """A program with other values of knobs; None where they need maps of another form.

    Parameters
    ----------
    program : Program
        In which the knobs' parameters are, whatever their values.
    knobs : Knobs
    numbers : (n,) array
        Values that elements admit, see `gputrack.lattice.knobs`.
    """
    tables: dict[int, dict[str, object]] = {}
    for number, parameter, rows, driving in driven_rows(program, knobs):
        table = tables.setdefault(number, dict(program.groups[number].parameters))
        _set(table, parameter, rows, numbers[driving])
    groups, constants = list(program.groups), program.constants.copy()
    for number, table in tables.items():
        group = groups[number]
        if not group.same_maps(table):
            return None
        groups[number] = _lowered(group, table, constants)
    changed = replace(program, constants=constants, groups=tuple(groups))
    changed.__dict__["rows"] = program.rows
    return changed


def _set(table: dict[str, object], parameter: str, rows: np.ndarray, values: np.ndarray) -> None:
    """Values in rows of a parameter, ``"k1"`` or ``"knl[2]"``, in arrays of their own."""
    series, bracket, order = parameter.partition("[")
    column = np.array(table[series][int(order[:-1])] if bracket else table[parameter])  # type: ignore[index]
    column[rows] = values
    if bracket:
        columns = list(table[series])  # type: ignore[call-overload]
        columns[int(order[:-1])] = column
        table[series] = columns
    else:
        table[parameter] = column


def _lowered(group: LoweredGroup, table: dict[str, object], constants: np.ndarray) -> LoweredGroup:
    """A group with other parameters, its constants put into their places."""
    calls = group.lower(table)
    for call, where in zip(calls, group.constants, strict=True):
        constants[where] = call_constants(call, len(group.places))
    return replace(group, parameters=table, calls=calls)
