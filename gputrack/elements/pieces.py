"""Pieces of elements that are cut, by parameters that are integrated over the length and by maps in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def piece_of(p: Mapping[str, Any], begin: float, end: Any, *names: str) -> Mapping[str, Any]:
    """Parameters of the piece of a body from `begin` to `end`: its share of those called `names`, all of the others."""
    part = end - begin
    if isinstance(part, float) and part == 1.0:
        return p
    shares = {n: [part * v for v in p[n]] if isinstance(p[n], list) else part * p[n] for n in names}
    return {**p, **shares}


def holds_middle(begin: float, end: float) -> bool:
    """Whether the middle of an element, where thin maps act, is in the piece from `begin` to `end`."""
    return begin < 0.5 <= end
