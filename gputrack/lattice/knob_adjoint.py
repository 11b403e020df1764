"""Derivatives with respect to elements' parameters from those with respect to a program's constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad

from gputrack.base.arrays import is_traced
from gputrack.base.cache import Entry, Identity
from gputrack.base.errors import InputError
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.program import LoweredGroup, Program

_DRIVEN: Entry[list[DrivenRows]] = Entry("rows that knobs drive", most=8)


def knob_gradient(program: Program, constants_bar: np.ndarray, knobs: Knobs) -> np.ndarray:
    """Derivatives with respect to knobs, shape (n,): sums over the parameters that each one drives.

    Only groups of driven elements are differentiated, with respect to their driven parameters.
    """
    driven: dict[int, list[tuple[str, np.ndarray, np.ndarray]]] = {}
    for number, parameter, rows, driving in driven_rows(program, knobs):
        driven.setdefault(number, []).append((parameter, rows, driving))
    total = np.zeros(len(knobs))
    for number, parts in driven.items():
        names = parameter_table(program.groups[number])[0]
        for parameter, _, driving in parts:
            if parameter not in names:
                raise InputError(f"knob {knobs[int(driving[0])].handle!r}: parameter {parameter!r} is not in the maps")
        bars = group_adjoint(program.groups[number], constants_bar, [parameter for parameter, _, _ in parts])
        for parameter, rows, driving in parts:
            np.add.at(total, driving, bars[parameter][rows])
    return total


class DrivenRows(NamedTuple):
    """Rows of one group in which knobs drive one parameter.

    Attributes
    ----------
    group : int
    parameter : str
        ``"k1"`` or ``"knl[2]"``.
    rows : (m,) int array
    driving : (m,) int array
        Numbers of the knobs.
    """

    group: int
    parameter: str
    rows: np.ndarray
    driving: np.ndarray


def driven_rows(program: Program, knobs: Knobs) -> list[DrivenRows]:
    """Rows of a program's groups that knobs drive; they do not depend on its constants."""
    return program.layout.get(_DRIVEN, lambda: list(_driven_rows(program, knobs)), Identity(knobs))


def _driven_rows(program: Program, knobs: Knobs) -> Iterator[DrivenRows]:
    numbers, rows = program.rows
    for parameter, (places, driving) in knobs.driven.items():
        groups = numbers[places]
        for number in np.unique(groups):
            here = groups == number
            yield DrivenRows(int(number), parameter, rows[places[here]], driving[here])


def group_adjoint(
    group: LoweredGroup, constants_bar: np.ndarray, wanted: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Derivatives with respect to parameters of a group (all by default), by name or ``"knl[2]"``, (elements,) each.

    Lowering is array mathematics: autograd pulls the cotangents of all elements back at once.
    """
    names, table = parameter_table(group)
    wanted = names if wanted is None else wanted
    if not wanted or not group.calls:
        return {name: np.zeros(len(group.places)) for name in wanted}
    bars = [constants_bar[places] for places in group.constants]
    rows = [names.index(name) for name in wanted]
    gradient = grad(lambda values: _contracted(group, names, [*table], rows, values, bars))(table[rows])
    return dict(zip(wanted, gradient, strict=True))


def parameter_table(group: LoweredGroup) -> tuple[list[str], np.ndarray]:
    """Names of a group's parameters, and their values (parameters, elements)."""
    names: list[str] = []
    rows: list[np.ndarray] = []
    for name, value in group.parameters.items():
        if isinstance(value, list):
            names += [f"{name}[{n}]" for n in range(len(value))]
            rows += value
        else:
            names.append(name)
            rows.append(value)
    return names, np.array(rows)


def _contracted(
    group: LoweredGroup, names: list[str], table: list[Any], rows: list[int], values: Any, bars: list[np.ndarray]
) -> Any:
    """Sum of the constants that depend on some rows of the parameters, times their cotangents."""
    for i, row in enumerate(rows):
        table[row] = values[i]
    columns, weights = [], []
    for call, bar in zip(lowered_columns(group, names, table), bars, strict=True):
        for i, column in enumerate(call):
            if is_traced(column):
                columns.append(column)
                weights.append(bar[:, i])
    return anp.sum(anp.array(columns) * np.array(weights)) if columns else 0.0 * anp.sum(values)


def lowered_columns(group: LoweredGroup, names: list[str], values: Any) -> list[list[Any]]:
    """Constants of each call of a group, each a number or an array over its elements, from the parameters."""
    p: dict[str, Any] = {name: [] for name, value in group.parameters.items() if isinstance(value, list)}
    for i, name in enumerate(names):
        series, bracket, _ = name.partition("[")
        if bracket:
            p[series].append(values[i])
        else:
            p[name] = values[i]
    columns = []
    for call in group.lower(p):
        scalars = [call.constants[key] for key in call.kind.constants]
        columns.append([*scalars, *(column for key in call.kind.series for column in call.series[key])])
    return columns
