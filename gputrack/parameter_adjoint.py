"""From derivatives with respect to a program's constants to those with respect to elements' parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad

from gputrack.errors import InputError
from gputrack.lattice import Knob
from gputrack.program import LoweredGroup, Program


def knob_gradient(program: Program, constants_bar: np.ndarray, knobs: Sequence[Knob]) -> np.ndarray:
    """Derivatives with respect to knobs, shape (n,): sums over the parameters that each one drives.

    Only the groups of elements that a knob drives are differentiated.
    """
    where = rows_of(program, {place for knob in knobs for place in knob.places})
    numbers = {number for number, _ in where.values()}
    bars = {number: group_adjoint(program.groups[number], constants_bar) for number in numbers}
    total = np.zeros(len(knobs))
    for i, knob in enumerate(knobs):
        for place in knob.places:
            number, row = where[place]
            if knob.parameter not in bars[number]:
                raise InputError(f"knob {knob.handle!r}: parameter {knob.parameter!r} is not in the maps")
            total[i] += bars[number][knob.parameter][row]
    return total


def rows_of(program: Program, wanted: set[int]) -> dict[int, tuple[int, int]]:
    """For each place in the lattice, the group and the row in it."""
    found = {}
    for number, group in enumerate(program.groups):
        for row, place in enumerate(group.places):
            if place in wanted:
                found[place] = (number, row)
    return found


def group_adjoint(group: LoweredGroup, constants_bar: np.ndarray) -> dict[str, np.ndarray]:
    """Derivatives for all parameters of a group: name, or ``"knl[2]"``, to an array over its elements.

    The lowering is array mathematics, so autograd pulls the cotangents of all elements back at once.
    """
    names, table = parameter_table(group)
    if not names or not group.calls:
        return {name: np.zeros(len(group.places)) for name in names}
    bars = [constants_bar[places] for places in group.constants]
    gradient = grad(lambda values: _contracted(group, names, values, bars))(table)
    return dict(zip(names, gradient, strict=True))


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


def _contracted(group: LoweredGroup, names: list[str], values: Any, bars: list[np.ndarray]) -> Any:
    """Sum of all constants times their cotangents, as a function of the parameters."""
    total = 0.0 * anp.sum(values)
    for columns, bar in zip(lowered_columns(group, names, values), bars, strict=True):
        for i, column in enumerate(columns):
            total = total + anp.sum(column * bar[:, i])
    return total


def lowered_columns(group: LoweredGroup, names: list[str], values: Any) -> list[list[Any]]:
    """For each call of a group its constants, each a number or an array over the elements, from the parameters."""
    p: dict[str, Any] = {name: [] for name, value in group.parameters.items() if isinstance(value, list)}
    for i, name in enumerate(names):
        series, bracket, _ = name.partition("[")
        if bracket:
            p[series].append(values[i])
        else:
            p[name] = values[i]
    columns = []
    for call in group.kind.lower(p, group.statics):
        scalars = [call.constants[key] for key in call.kind.constants]
        columns.append([*scalars, *(column for key in call.kind.series for column in call.series[key])])
    return columns
