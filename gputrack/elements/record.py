"""Record: a monitor stores coordinates; identity on particles."""

from __future__ import annotations

from typing import Any

from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State
from gputrack.elements.roles import Role


def record(s: State, op: Any, ref: ReferenceValues) -> State:
    """Identity: the loop over maps stores the coordinates."""
    return s


RECORD = MapKind("record", "record", record, record, integers=("monitor", "every", "places", "place"))


def record_call(monitor: int, every: int, places: int, place: Any) -> MapCall:
    """Record number `place` (or an array of them, over elements) of `places` of a monitor, every so many turns."""
    return MapCall(RECORD, dict(monitor=monitor, every=every, places=places, place=place), role=Role.RECORD)
