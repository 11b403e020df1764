"""Program: a lattice as op codes and a packed table of constants, for the backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from gputrack.base.arrays import Array
from gputrack.base.cache import Cache, Entry
from gputrack.elements import Element
from gputrack.elements.collective_map import collective_kind
from gputrack.elements.form import ElementForm
from gputrack.elements.magnet import Magnet
from gputrack.elements.map import MapCall, MapKind
from gputrack.elements.observation import PARTS, ObservationPoints, ObservedForm
from gputrack.elements.parameters import parameter_names, series_names
from gputrack.elements.record import record_call
from gputrack.elements.reference_motion import ReferenceMotion
from gputrack.lattice.lattice import Lattice

OP_INTEGERS = 10
_ROWS: Entry[tuple[np.ndarray, np.ndarray]] = Entry("rows of places in groups")


@dataclass(frozen=True, eq=False)
class Program:
    """Ops in beam order.

    Attributes
    ----------
    ops : int32 array (n_ops, 10)
        Op code, place of the first constant, and the op's integers.
    constants : float64 array
        Constants of all ops, one after the other.
    elements : int32 array (n_ops,)
        Place in the lattice of the element that each op belongs to.
    kinds : frozenset of MapKind
        Maps that occur, without those of the whole beam.
    groups : tuple of LoweredGroup
        Elements that were lowered together, with the places of their constants.
    effects : tuple
        Collective effects; the first integer of a collective op is an index in it.
    layout : Cache
        Results that depend on ops and groups, but not on constants and records; shared by programs that differ only
        in these.
    """

    ops: np.ndarray
    constants: np.ndarray
    elements: np.ndarray
    kinds: frozenset[MapKind]
    groups: tuple[LoweredGroup, ...] = ()
    effects: tuple[Any, ...] = ()
    layout: Cache = field(default_factory=Cache)

    @cached_property
    def cuts(self) -> list[int]:
        """Numbers of the collective ops."""
        return np.flatnonzero(self.ops[:, 0] < 0).tolist()

    def __len__(self) -> int:
        return len(self.ops)

    @cached_property
    def kind_of(self) -> dict[int, MapKind]:
        """Maps by their op codes."""
        return {kind.code: kind for kind in self.kinds}

    @cached_property
    def build_kinds(self) -> frozenset[MapKind]:
        """Maps for which a library is built: none for the one of all maps of gputrack, else those that occur."""
        return frozenset() if all(kind.built_in for kind in self.kinds) else self.kinds

    @cached_property
    def calls(self) -> list[tuple[Any, SimpleNamespace]]:
        """Map of each op, and its attributes for the array maps."""
        return [
            self.collective(number) if row[0] < 0 else _unpacked(self.kind_of[row[0]], row, self.constants)
            for number, row in enumerate(self.ops.tolist())
        ]

    def collective(self, number: int) -> tuple[Any, SimpleNamespace]:
        """Map and attributes of a collective op."""
        row = self.ops[number].tolist()
        kind, effect = collective_kind(row[0]), self.effects[row[2]]
        values = _constants(kind, row[1], self.constants, lambda name: int(getattr(effect, name)))
        return kind, SimpleNamespace(effect=effect, number=number, **values)

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of the group of each element, and its row there."""
        return self.layout.get(_ROWS, self._rows)

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        count = 1 + max((max(group.places) for group in self.groups), default=-1)
        numbers, rows = np.zeros((2, count), dtype=int)
        for number, group in enumerate(self.groups):
            numbers[group.places] = number
            rows[group.places] = np.arange(len(group.places))
        return numbers, rows


def _unpacked(kind: MapKind, row: list[int], constants: np.ndarray) -> tuple[MapKind, SimpleNamespace]:
    integers = dict(zip(kind.integers, row[2:], strict=False))
    return kind, SimpleNamespace(**integers, **_constants(kind, row[1], constants, integers.__getitem__))


def _constants(kind: Any, place: int, constants: np.ndarray, count: Callable[[str], int]) -> dict[str, Any]:
    """Constants by name: scalars, and series with ``count(name)`` entries."""
    values: dict[str, Any] = {}
    for name in kind.constants:
        values[name] = float(constants[place])
        place += 1
    for name, counter in kind.series.items():
        size = count(counter)
        values[name] = constants[place : place + size].tolist()
        place += size
    return values


@dataclass(frozen=True, eq=False)
class LoweredGroup:
    """Elements of the same form, lowered together.

    Attributes
    ----------
    form : ElementForm, or ObservedForm
    places : list of int
        Indices of the elements in the lattice.
    parameters : dict
        Their parameters as arrays (n,), series as lists of arrays.
    calls : list of MapCall
    constants : list of int arrays (n, number of constants)
        Indices of the constants of each call in the program's table.
    """

    form: ElementForm | ObservedForm
    places: list[int]
    parameters: dict[str, Any]
    calls: list[MapCall]
    constants: list[np.ndarray] = field(default_factory=list)

    @property
    def kind(self) -> type[Element]:
        """Class of the elements."""
        return self.form.kind

    def lower(self, parameters: Mapping[str, Any]) -> list[MapCall]:
        """Map calls for given values of the parameters, which may be traced."""
        return self.form.lower(parameters)

    def same_maps(self, parameters: Mapping[str, Any]) -> bool:
        """Whether the form of the maps is the same for other values of free parameters."""
        return self.form.same_maps(parameters)

    def arc_length(self) -> Array:
        """(n,) Length of the reference orbit in the elements [m]."""
        return self.form.arc_length(self.parameters)

    def magnet(self) -> Magnet | None:
        """Fields for linear optics and driving terms; None for elements other than magnets."""
        return self.form.magnet(self.parameters)

    def reference_motion(self) -> ReferenceMotion:
        """Motion of the reference frame through the elements."""
        return self.form.reference_motion(self.parameters)


def compile_program(
    lattice: Lattice,
    monitors: Sequence[tuple[int, Sequence[int]]] = (),
    active: Mapping[int, frozenset[str]] | None = None,
    points: ObservationPoints | None = None,
) -> Program:
    """Lower a lattice.

    Parameters
    ----------
    lattice : Lattice
    monitors : sequence of (every, places)
        For each monitor: its interval in turns, and the indices of the elements at whose exits it records.
    active : mapping of place to parameter names, optional
        Parameters included in the maps even if they are zero.
    points : ObservationPoints, optional
        Points inside elements; these and all exits are recorded, by a single monitor.
    """
    assert points is None or not monitors
    groups = _lower_groups(lattice, active or {}, points)
    records = _record_calls(monitors) if points is None else _exit_records(points)
    pieces: list[tuple[list[int], list[MapCall]]] = [(group.places, group.calls) for group in groups]
    pieces += [([place], calls) for place, calls in records.items()]
    return _packed(pieces, len(lattice), tuple(groups))


def _lower_groups(
    lattice: Lattice, active: Mapping[int, frozenset[str]], points: ObservationPoints | None
) -> list[LoweredGroup]:
    members: dict[tuple[ElementForm, int], list[int]] = {}
    known: dict[tuple[int, frozenset[str], int], list[int]] = {}  # by element, to compute each form once
    none: frozenset[str] = frozenset()
    elements = lattice.elements
    for place, element in enumerate(elements):
        number = 0 if points is None else points.number[place]
        key = id(element), active.get(place, none), number
        places = known.get(key)
        if places is None:
            form = element.form(element.model or lattice.model, key[1])
            places = known[key] = members.setdefault((form, number), [])
        places.append(place)
    return [
        _lower(form, places, [elements[i] for i in places], points if number else None)
        for (form, number), places in members.items()
    ]


def _lower(
    form: ElementForm, places: list[int], elements: Sequence[Element], points: ObservationPoints | None
) -> LoweredGroup:
    p = gather_parameters(form.kind, elements)
    if points is None:
        return LoweredGroup(form, places, p, form.lower(p))
    rows, p[PARTS] = points.of(places)
    observed = ObservedForm(form, rows, points.total)
    return LoweredGroup(observed, places, p, observed.lower(p))


def gather_parameters(kind: type[Element], elements: Sequence[Element]) -> dict[str, Any]:
    """Parameters of elements of one class as arrays (n,), series as lists of arrays, padded with zeros."""
    p: dict[str, Any] = {}
    for name in parameter_names(kind):
        p[name] = np.array([getattr(e, name) or 0.0 for e in elements], dtype=float)
    for name in series_names(kind):
        size = max(len(getattr(e, name)) for e in elements)
        rows = [getattr(e, name) + (0.0,) * (size - len(getattr(e, name))) for e in elements]
        p[name] = list(np.array(rows, dtype=float).reshape(len(elements), size).T)
    return p


def _record_calls(monitors: Sequence[tuple[int, Sequence[int]]]) -> dict[int, list[MapCall]]:
    calls: dict[int, list[MapCall]] = {}
    for number, (every, places) in enumerate(monitors):
        for row, place in enumerate(places):
            calls.setdefault(place, []).append(record_call(number, every, len(places), row))
    return calls


def _exit_records(points: ObservationPoints) -> dict[int, list[MapCall]]:
    return {place: [record_call(0, 1, points.total, row)] for place, row in enumerate(points.exits.tolist())}


def _packed(
    pieces: list[tuple[list[int], list[MapCall]]], length: int, groups: tuple[LoweredGroup, ...]
) -> Program:
    """Ops sorted by element; records follow the element's own ops (they are the later pieces)."""
    ops_per_element = np.zeros(length, dtype=np.int64)
    for places, calls in pieces:
        ops_per_element[places] += len(calls)
    next_op = np.concatenate([[0], np.cumsum(ops_per_element)])
    total = int(next_op[-1])
    ops = np.zeros((total, OP_INTEGERS), dtype=np.int32)
    elements = np.repeat(np.arange(length, dtype=np.int32), ops_per_element)
    sizes = np.zeros(total, dtype=np.int64)
    blocks: list[tuple[np.ndarray, np.ndarray]] = []
    effects: list[Any] = []
    free = next_op[:-1].copy()
    for places, calls in pieces:
        where = np.asarray(places)
        for call in calls:
            rows = free[where]
            free[where] += 1
            values = call_constants(call, len(places))
            ops[rows, 0] = call.kind.code
            if call.effect is not None:
                ops[rows, 2] = len(effects)
                effects.append(call.effect)
            for column, name in enumerate(call.kind.integers):
                ops[rows, 2 + column] = call.integers[name]
            sizes[rows] = values.shape[1]
            blocks.append((rows, values))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    constants = np.zeros(int(starts[-1]))
    where_all = [starts[rows][:, None] + np.arange(values.shape[1]) for rows, values in blocks]
    for places_of, (_, values) in zip(where_all, blocks, strict=True):
        constants[places_of] = values
    remaining = iter(where_all)  # the groups come first, in their order
    for group in groups:
        group.constants.extend(next(remaining) for _ in group.calls)
    ops[:, 1] = starts[:-1]
    kinds = frozenset(call.kind for _, calls in pieces for call in calls if call.effect is None)
    return Program(ops, constants, elements, kinds, groups, tuple(effects))


def call_constants(call: MapCall, count: int) -> np.ndarray:
    """Constants of one call for `count` elements, shape (count, number of constants)."""
    columns = [call.constants[name] for name in call.kind.constants]
    for name in call.kind.series:
        columns += call.series[name]
    table = np.empty((count, len(columns)))
    for i, column in enumerate(columns):
        table[:, i] = column
    return table
