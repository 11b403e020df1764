"""Record: where a monitor writes down coordinates; identity on particles."""

from __future__ import annotations

from typing import Any

from gputrack.elements.map import MapCall, MapKind, ReferenceValues, State


def record(s: State, op: Any, ref: ReferenceValues) -> State:
    """Identity: the loop over maps writes the coordinates down."""
    return s


RECORD = MapKind("record", "record", record, record, integers=("monitor", "every", "places", "place"))


def record_call(monitor: int, every: int, places: int, place: int) -> MapCall:
    """Record number `place` of `places` of a monitor, every so many turns."""
    return MapCall(RECORD, dict(monitor=monitor, every=every, places=places, place=place))
