"""Numerical changes of elements' parameters, expressed as knobs and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gputrack.base.cache import Entry
from gputrack.elements import Element
from gputrack.lattice.knobs import Knob, Knobs

if TYPE_CHECKING:
    from gputrack.lattice.places import LatticePlaces

_LARGEST = 2**1023  # integers below it are floating-point numbers
_CHANGES: Entry[Knobs | None] = Entry("knobs of changed parameters", most=32)


def knobs_of_changes(
    lattice: LatticePlaces, select: str, changes: Mapping[str, Any]
) -> tuple[Knobs, np.ndarray] | None:
    """Knobs and values equivalent to a call of `Lattice.with_changes`.

    None if a change is not numerical, or changes the number of entries of a series.

    Parameters
    ----------
    lattice : lattice
        Made of elements.
    select : str
        Glob.
    changes : mapping of parameters to values
    """
    if not isinstance(select, str):
        return None  # refused by `Lattice.indices`
    counts: list[tuple[str, int | None]] = []
    numbers: list[float] = []
    for name, value in changes.items():
        given = value.tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
        series = isinstance(given, (tuple, list))
        entries = list(given) if series else [given]
        if not all(map(_is_number, entries)):
            return None
        counts.append((name, len(entries) if series else None))
        numbers += map(float, entries)
    knobs = lattice.cache.get(_CHANGES, lambda: _knobs_of_counts(lattice, select, counts), select, *counts)
    return None if knobs is None else (knobs, np.array(numbers))


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _LARGEST
    return isinstance(value, (float, np.integer, np.floating))


def _knobs_of_counts(lattice: LatticePlaces, select: str, counts: Sequence[tuple[str, int | None]]) -> Knobs | None:
    """Knobs for numbers, and for entries of series; None if the number of entries of a series differs."""
    places = tuple(lattice.indices(select))
    knobs: list[Knob] = []
    for name, count in counts:
        if count is not None and any(_entries(lattice.elements[place], name) != count for place in places):
            return None
        entries = [name] if count is None else [f"{name}[{n}]" for n in range(count)]
        knobs += [Knob(f"{select}.{entry}", places, entry, 0.0) for entry in entries]
    return Knobs(tuple(knobs))


def _entries(element: Element, name: str) -> int | None:
    """Number of entries of a series; None if the element has no such series."""
    value = getattr(element, name, None)
    return len(value) if isinstance(value, tuple) else None
