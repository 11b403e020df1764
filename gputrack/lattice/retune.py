"""Programs of lattices for other values of knobs: only driven elements are lowered again, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from gputrack.base.cache import Entry, Identity
from gputrack.lattice.knob_adjoint import driven_rows
from gputrack.lattice.knob_trace import effective_traces
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import LoweredGroup, Program, call_constants
from gputrack.lattice.setting import Driven

#: parameters included in the maps even if they are zero, by place in the lattice
Active = Mapping[int, frozenset[str]]
#: ``compile(lattice, active)``
Compiler = Callable[[Lattice, Active], Program]
_ACTIVE: Entry[tuple[Active, frozenset[Any]]] = Entry("parameters that change the form of maps", most=32)


def program_for(lattice: Lattice, entry: Entry[Program], make: Compiler, *key: Hashable) -> Program:
    """Program of a lattice; with a setting of knobs, that of its origin with other constants.

    Programs are cached on the origin, so that they are shared by all values of the knobs.

    Parameters
    ----------
    lattice : Lattice
        Traced parameters are included in the maps.
    entry : Entry
        Cache entry of the programs.
    make : callable
        See `Compiler`.
    key : hashable
        Further data on which the program depends.
    """
    tuned = retuned_program(lattice, entry, make, *key)
    return _compiled(lattice, None, _traced(lattice), entry, make, *key) if tuned is None else tuned


def retuned_program(lattice: Lattice, entry: Entry[Program], make: Compiler, *key: Hashable) -> Program | None:
    """Program of the origin with other constants; None without a setting, or if the form of the maps changes."""
    setting = lattice.setting
    if setting is None:
        return None
    form = setting.form()
    program = _compiled(cast(Lattice, form.lattice), form.others, _traced(lattice), entry, make, *key)
    return retuned(program, setting.knobs, setting.numbers)


def _traced(lattice: Lattice) -> list[Knobs]:
    return [knobs for knobs, _ in effective_traces(lattice)]


def _compiled(
    lattice: Lattice, others: Driven | None, traced: Sequence[Knobs], entry: Entry[Program], make: Compiler,
    *key: Hashable,
) -> Program:  # fmt: skip
    """Program of a lattice of elements, with some parameters included in the maps."""
    sets = (others, *map(Identity, traced))
    active, form = lattice.cache.get(_ACTIVE, lambda: _activity(lattice, others, traced), *sets)
    return lattice.cache.get(entry, lambda: make(lattice, active), form, *key)


def _activity(lattice: Lattice, others: Driven | None, traced: Sequence[Knobs]) -> tuple[Active, frozenset[Any]]:
    """Parameters that the present form of the maps lacks."""
    none: frozenset[str] = frozenset()
    wanted = driven_by(traced)
    for place, parameter in others.parameters() if others else ():
        wanted[place] = wanted.get(place, none) | {parameter}
    active, elements = {}, lattice.elements
    for place, names in wanted.items():
        element, model = elements[place], elements[place].model or lattice.model
        if element.form(model, names) != element.form(model):
            active[place] = names
    return active, frozenset(active.items())


def driven_by(sets: Sequence[Knobs]) -> dict[int, frozenset[str]]:
    """Parameters of knobs, by place."""
    active: dict[int, frozenset[str]] = {}
    for knobs in sets:
        for parameter, (places, _) in knobs.driven.items():
            for place in places.tolist():
                active[place] = active.get(place, frozenset()) | {parameter}
    return active


def retuned(program: Program, knobs: Knobs, numbers: np.ndarray) -> Program | None:
    """Program with other values of knobs; None if the form of the maps changes.

    Parameters
    ----------
    program : Program
        With the knobs' parameters in its maps.
    knobs : Knobs
    numbers : (n,) array
        Valid values, see `gputrack.lattice.knobs`.
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
    return replace(program, constants=constants, groups=tuple(groups))


def _set(table: dict[str, object], parameter: str, rows: np.ndarray, values: np.ndarray) -> None:
    """Put values into rows of a parameter, ``"k1"`` or ``"knl[2]"``, of a copied column."""
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
    """Group with other parameters; its constants are written to the table."""
    calls = group.lower(table)
    for call, where in zip(calls, group.constants, strict=True):
        constants[where] = call_constants(call, len(group.places))
    return replace(group, parameters=table, calls=calls)
