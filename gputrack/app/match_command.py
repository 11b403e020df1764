"""The command `match`: targets, bounds and initial values from text, reports of steps and tables of results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from gputrack.app.tables import match_tables
from gputrack.base.errors import InputError
from gputrack.beam.initial_twiss import SCALARS, InitialTwiss
from gputrack.io.load import save
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics import Match, Range, Target
from gputrack.optics.matching.match import match

_TARGET = re.compile(r"\s*(?P<figure>\w+)\s*(@(?P<place>.+?))?\s*(?P<relation><=|>=|=)\s*(?P<value>[^<>=]+?)\s*")
_KEYWORDS = {"=": "value", "<=": "maximum", ">=": "minimum"}


def targets_of(texts: Sequence[str]) -> list[Target]:
    """Targets from text: ``qx=14.2``, ``betx@bpm*<=20``, ``dx@q1/q9=0``."""
    return [_target(text) for text in texts]


def _target(text: str) -> Target:
    parts = _TARGET.fullmatch(text)
    if parts is None:
        raise InputError(f"--target {text!r}: write FIGURE=VALUE, FIGURE@PLACE=VALUE, or <= or >= in place of =")
    place: Any = parts["place"]
    if place is not None and "/" in place:
        place = Range(*(part.strip() for part in place.split("/", 1)))
    try:
        values = {_KEYWORDS[parts["relation"]]: _number(f"--target {text!r}", parts["value"])}
        return Target(parts["figure"], at=place, **values)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith("--") else f"--target {text!r}: {error}") from None


def knobs_of(ring: Lattice, texts: Sequence[str]) -> Knobs:
    """Knobs from handles separated by commas."""
    handles = [handle.strip() for text in texts for handle in text.split(",") if handle.strip()]
    if not handles:
        raise InputError("--vary: give handles of knobs, as 'qf.k1,qd.k1'")
    return ring.knobs(*handles)


def bounds_of(knobs: Knobs, texts: Sequence[str]) -> list[tuple[float, float]] | None:
    """Bounds from ``qf.k1=1.5,1.9``; an empty side is not bounded."""
    found = {knob.handle: (float("-inf"), float("inf")) for knob in knobs}
    for text in texts:
        handle, equals, values = (part.strip() for part in text.partition("="))
        sides = values.split(",")
        if not equals or len(sides) != 2:
            raise InputError(f"--bound {text!r}: write KNOB=LOWER,UPPER; a side without bound is empty")
        if handle not in found:
            raise InputError(f"--bound {text!r}: {handle!r} is not one of the knobs, {', '.join(found)}")
        low, high = (
            _number(f"--bound {text!r}", side) if side.strip() else end
            for side, end in zip(sides, found[handle], strict=True)
        )
        found[handle] = low, high
    return list(found.values()) if texts else None


def initial_of(text: str | None) -> InitialTwiss | None:
    """Initial values of a beam line from ``betx=5,bety=7,alfx=0.1``; None if there is no text."""
    if text is None:
        return None
    values: dict[str, float] = {"alfx": 0.0, "alfy": 0.0}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in SCALARS:
            known = ", ".join(SCALARS)
            raise InputError(f"--initial {text!r}: write NAME=VALUE, separated by commas; names are {known}")
        values[name] = _number(f"--initial {text!r}", value)
    if not {"betx", "bety"} <= values.keys():
        raise InputError(f"--initial {text!r}: betx and bety are required")
    return InitialTwiss(**values)


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{option}: {text.strip()!r} is not a number") from None


def run_match(
    out: Console, ring: Lattice, knobs: Knobs, targets: Sequence[Target], bounds: Any, start: InitialTwiss | None,
    delta: float, tolerance: float, steps: int, output: Path | None,
) -> Match:  # fmt: skip
    """Match, print each step and the tables, and write the lattice, also after an unsuccessful match."""

    def report(step: Any) -> None:
        out.print(str(step), highlight=False, markup=False, soft_wrap=True)

    found = match(
        ring, knobs, targets, start=start, delta=delta, bounds=bounds, tolerance=tolerance, steps=steps, report=report
    )
    for table in match_tables(found):
        out.print(table)
    if output is not None:
        save(found.lattice, output)
        out.print(f"written: {output}", soft_wrap=True, markup=False, highlight=False)
    return found
