"""Elements with stops inside: places where a record is taken on the way, without a change of the way.

From its entrance faces a particle goes a part of the body, is recorded in the lattice's frame, and goes the same
part back: steps over negative lengths undo those over positive ones. The whole body then follows as ever, so that what
leaves the element does not depend on the stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gputrack.elements.element import Element
from gputrack.elements.map import MapCall
from gputrack.elements.record import RECORD

#: name beside an element's parameters of the parts of its body, 0 to 1, at which it stops: a list of arrays
PARTS = "parts"


@dataclass(frozen=True, eq=False)
class Stops:
    """Places inside the elements of a lattice.

    Parameters
    ----------
    count : int
        Elements of the lattice.
    places : (m,) int array
        Elements that have stops, in their order; one of them as often as it has stops.
    parts : (m,) array
        Parts of their length at which they stop, between 0 and 1, rising in each element.
    """

    count: int
    places: np.ndarray
    parts: np.ndarray

    @property
    def total(self) -> int:
        """Rows of the monitor: all stops and exits in the order of passage."""
        return self.count + len(self.places)

    @cached_property
    def number(self) -> list[int]:
        """Stops of each element."""
        counts: list[int] = np.bincount(self.places, minlength=self.count).tolist()
        return counts

    @cached_property
    def exits(self) -> np.ndarray:
        """(count,) Rows of the exits."""
        rows: np.ndarray = np.arange(self.count) + np.cumsum(self.number)
        return rows

    @cached_property
    def elements(self) -> np.ndarray:
        """(1 + total,) Element at whose entrance, or in which, a row stands, the start first; `count` at the end."""
        inside = np.searchsorted(self.exits, np.arange(self.total))
        inside[self.exits] += 1
        return np.concatenate([[0], inside])

    def along(self, ends: Any) -> Any:
        """(1 + total,) Positions of all rows, from those of entrances and end (count + 1,), which may be traced."""
        parts = np.zeros(1 + self.total)
        parts[1 + self.places + np.arange(len(self.places))] = self.parts
        after = np.minimum(self.elements + 1, self.count)
        return ends[self.elements] + parts * (ends[after] - ends[self.elements])

    def of(self, places: Sequence[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """For each stop of some elements with equal numbers of stops: rows and parts, (elements,) each."""
        first = np.searchsorted(self.places, places)
        stops = [first + k for k in range(self.number[places[0]])]
        return [self.places[stop] + stop for stop in stops], [self.parts[stop] for stop in stops]


@dataclass(frozen=True, eq=False)
class Stopping:
    """Elements of one class that are lowered together, each with the same number of stops.

    Attributes
    ----------
    kind : class
    rows : list of (elements,) int arrays
        For each stop, where its record stands in the only monitor.
    places : int
        Rows of that monitor.
    """

    kind: type[Element]
    rows: Sequence[np.ndarray]
    places: int

    def lower(self, p: Mapping[str, Any], statics: Any) -> list[MapCall]:
        """Map calls, as of `Element.lower`, for parameters that have `PARTS` among them."""
        aligned, aperture, body, kicks, radiation = statics
        assert aperture is None and kicks is None, "optics have no apertures and no collective effects"
        assert radiation is None, "Twiss parameters are those of motion without radiation"
        calls = self.kind.lower(p, statics)
        first = (1 if aligned else 0) + len(self.kind._lower_faces(p, body)[0])
        stops: list[MapCall] = []
        for part, rows in zip(p[PARTS], self.rows, strict=True):
            there, back = self.kind._lower_until(p, body, part)
            leave, enter = self.kind._align_inside(p, part) if aligned else ([], [])
            stops += [*there, *leave, self._record(rows), *enter, *back]
        return [*calls[:first], *stops, *calls[first:]]

    def _record(self, rows: np.ndarray) -> MapCall:
        return MapCall(RECORD, dict(monitor=0, every=1, places=self.places, place=rows))  # type: ignore[dict-item]
