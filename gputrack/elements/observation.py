"""Observation points inside elements; tracking results are unchanged.

From the entrance face a particle is tracked through a part of the body, recorded in the frame of the lattice, and
tracked back: steps over negative lengths undo those over positive ones. The whole body then follows, so that the
outgoing coordinates do not depend on the observation points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gputrack.base.arrays import Array
from gputrack.elements.element import Element
from gputrack.elements.form import ElementForm
from gputrack.elements.lowering import lower_until, through_lattice_frame
from gputrack.elements.magnet import Magnet
from gputrack.elements.map import MapCall
from gputrack.elements.record import record_call
from gputrack.elements.reference_motion import ReferenceMotion
from gputrack.elements.roles import Role

#: additional name among the parameters, for the fractions of the length at which elements are observed: list of arrays
PARTS = "parts"


@dataclass(frozen=True, eq=False)
class ObservationPoints:
    """Places inside the elements of a lattice at which particles are recorded.

    Parameters
    ----------
    count : int
        Elements of the lattice.
    places : (m,) int array
        Element of each observation point, in order.
    parts : (m,) array
        Fractions of the element's length, between 0 and 1, ascending in each element.
    """

    count: int
    places: np.ndarray
    parts: np.ndarray

    @property
    def total(self) -> int:
        """Rows of the monitor: all observation points and exits in the order of passage."""
        return self.count + len(self.places)

    @cached_property
    def number(self) -> list[int]:
        """Observation points in each element."""
        counts: list[int] = np.bincount(self.places, minlength=self.count).tolist()
        return counts

    @cached_property
    def exits(self) -> np.ndarray:
        """(count,) Rows of the exits."""
        rows: np.ndarray = np.arange(self.count) + np.cumsum(self.number)
        return rows

    @cached_property
    def elements(self) -> np.ndarray:
        """(1 + total,) Element at whose entrance, or in which, a row is, the start first; `count` at the end."""
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
        """Rows and parts, (elements,) each, of every observation point of elements with equal numbers of points."""
        first = np.searchsorted(self.places, places)
        points = [first + k for k in range(self.number[places[0]])]
        return [self.places[point] + point for point in points], [self.parts[point] for point in points]


@dataclass(frozen=True, eq=False)
class ObservedForm:
    """Form of elements with equal numbers of observation points inside; used like an `ElementForm`.

    Attributes
    ----------
    form : ElementForm
    rows : list of (elements,) int arrays
        Rows of the records in the only monitor, for each observation point.
    total : int
        Rows of that monitor.
    """

    form: ElementForm
    rows: Sequence[np.ndarray]
    total: int

    @property
    def kind(self) -> type[Element]:
        """Class of the elements."""
        return self.form.kind

    def lower(self, p: Mapping[str, Any]) -> list[MapCall]:
        """Map calls as for `ElementForm`, for parameters that include `PARTS`."""
        calls = self.form.lower(p)
        assert not any(call.role in (Role.CHECK, Role.KICK) for call in calls), (
            "optics are those of particles without apertures, collective effects and radiation"
        )
        begin = next((i for i, call in enumerate(calls) if call.role not in (Role.ENTER, Role.FACE)), len(calls))
        observed = [
            call for part, rows in zip(p[PARTS], self.rows, strict=True) for call in self._observe(p, part, rows)
        ]
        return [*calls[:begin], *observed, *calls[begin:]]

    def _observe(self, p: Mapping[str, Any], part: Any, rows: np.ndarray) -> list[MapCall]:
        """Map calls to a part of the length, the record there, and back."""
        there, back = lower_until(self.kind, p, self.form.statics, part)
        record = record_call(0, 1, self.total, rows)
        return [*there, *through_lattice_frame(self.kind, p, self.form.statics, part, record), *back]

    def same_maps(self, p: Mapping[str, Any]) -> bool:
        """As of `ElementForm`."""
        return self.form.same_maps(p)

    def arc_length(self, p: Mapping[str, Any]) -> Array:
        """As of `ElementForm`."""
        return self.form.arc_length(p)

    def magnet(self, p: Mapping[str, Any]) -> Magnet | None:
        """As of `ElementForm`."""
        return self.form.magnet(p)

    def reference_motion(self, p: Mapping[str, Any]) -> ReferenceMotion:
        """As of `ElementForm`."""
        return self.form.reference_motion(p)
