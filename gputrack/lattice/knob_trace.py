"""Parameters of elements and constants of programs as arrays traced through knobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp_argnums

from gputrack.autodiff.second_derivatives import require_first_derivatives
from gputrack.base.arrays import is_traced, untraced
from gputrack.base.cache import Entry, Identity
from gputrack.base.primitive import primitive
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.knob_adjoint import driven_rows, knob_gradient
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import LoweredGroup, Program
from gputrack.lattice.setting import parameters_of, without_parameters

_VALUES: Entry[Any] = Entry("traced constants", most=4)
_EFFECTIVE: Entry[list[Knobs]] = Entry("traced knobs", most=8)


def traced_groups(program: Program, traces: Sequence[tuple[Knobs, Any]]) -> tuple[LoweredGroup, ...]:
    """Groups of a program with traced values for the parameters that knobs drive; the form of the maps is unchanged.

    Parameters
    ----------
    program : Program
        With the knobs' parameters in its maps.
    traces : sequence of (Knobs, traced array (n,))
        See `gputrack.lattice.knob_trace.effective_traces`.
    """
    tables: dict[int, dict[str, Any]] = {}
    for knobs, box in traces:
        values = anp.reshape(box, (-1,))
        for number, parameter, rows, driving in driven_rows(program, knobs):
            table = tables.setdefault(number, _copied(program.groups[number].parameters))
            _drive(table, parameter, rows, values[driving])
    return tuple(
        replace(group, parameters=tables[number]) if number in tables else group
        for number, group in enumerate(program.groups)
    )


def _copied(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: [*value] if isinstance(value, list) else value for name, value in parameters.items()}


def _drive(table: dict[str, Any], parameter: str, rows: np.ndarray, values: Any) -> None:
    """Put traced values into rows of a parameter, ``"k1"`` or ``"knl[2]"``."""
    series, bracket, order = parameter.partition("[")
    if bracket:
        table[series][int(order[:-1])] = _placed(table[series][int(order[:-1])], rows, values)
    else:
        table[parameter] = _placed(table[parameter], rows, values)


def _placed(column: Any, rows: np.ndarray, values: Any) -> Any:
    """Column with other values in some rows."""
    source, chosen = np.zeros(len(column), dtype=int), np.zeros(len(column), dtype=bool)
    source[rows], chosen[rows] = np.arange(len(rows)), True
    return anp.where(chosen, values[source], column)


def traced_values(lattice: Lattice, program: Program) -> Any:
    """Constants of a lattice's program, then the members of `ReferenceValues`, traced if the lattice is.

    All results computed from them share one node of the trace, so that the lowering is differentiated once.
    """
    return lattice.cache.get(_VALUES, lambda: _values(lattice, program), Identity(program.constants))


def _values(lattice: Lattice, program: Program) -> Any:
    reference = anp.array(list(ReferenceValues.of(lattice.require_reference())))
    traces = effective_traces(lattice)
    traced = _constants(program, [knobs for knobs, _ in traces], *(box for _, box in traces))
    return anp.concatenate([traced, reference])


@primitive
def _constants(program: Program, knobs: Sequence[Knobs], *values: Any) -> np.ndarray:
    return program.constants


def _pull_constants(argnums: Sequence[int], answer: Any, arguments: Any, _: Any) -> Callable[[Any], tuple[Any, ...]]:
    program, knobs, *values = arguments

    def pull(bar: Any) -> tuple[Any, ...]:
        require_first_derivatives(bar, *values)
        shapes = [np.shape(untraced(value)) for value in values]
        bars = [knob_gradient(program, np.asarray(bar), own).reshape(s) for own, s in zip(knobs, shapes, strict=True)]
        return tuple(bars[i - 2] for i in argnums)

    return pull


defvjp_argnums(_constants, _pull_constants)


def effective_traces(lattice: Lattice) -> list[tuple[Knobs, Any]]:
    """Traced knobs of a lattice with their values, each without the parameters overridden by later settings."""
    if not lattice.traces:
        return []
    key = tuple((Identity(knobs), is_traced(box)) for knobs, box in lattice.traces)
    effective = lattice.origin.cache.get(_EFFECTIVE, lambda: _effective(lattice.traces), *key)
    boxes = [box for _, box in lattice.traces if is_traced(box)]
    return list(zip(effective, boxes, strict=True))


def _effective(traces: Sequence[tuple[Knobs, Any]]) -> list[Knobs]:
    taken: set[tuple[int, str]] = set()
    found: list[Knobs] = []
    for knobs, box in reversed(traces):
        driven = parameters_of(knobs)
        if is_traced(box):
            found.append(without_parameters(knobs, taken) if taken & driven else knobs)
        taken |= driven
    return found[::-1]
