"""Helpers of many tests: particles through the maps of one element, and paths of the reference lattices."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gputrack.base.reference import ReferenceParticle
from gputrack.elements import Element
from gputrack.elements.map import MapCall, ReferenceValues, State, make_state
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameters_of


def map_calls(element: Element, model: Model) -> list[MapCall]:
    """The maps that one element is made of, with plain numbers as constants."""
    return element.form(element.model or model).lower(parameters_of(element))


def coordinates_of(s: State) -> np.ndarray:
    """The six coordinates of a state, shape (6, ...)."""
    return np.array(np.broadcast_arrays(s.x, s.px, s.y, s.py, s.z, s.delta))


def push(element: Element, coordinates: Any, reference: ReferenceParticle, model: Model | None = None) -> np.ndarray:
    """Coordinates (6, n) after one element, by its array maps."""
    ref = ReferenceValues.of(reference)
    s = make_state(np.asarray(coordinates, dtype=float), ref)
    for call in map_calls(element, model or Model()):
        s = call.forward(s, ref)
    return coordinates_of(s)


def pull(element: Element, coordinates: Any, reference: ReferenceParticle, model: Model | None = None) -> np.ndarray:
    """Coordinates (6, n) before one element, by the inverse maps in opposite order."""
    ref = ReferenceValues.of(reference)
    s = make_state(np.asarray(coordinates, dtype=float), ref)
    for call in reversed(map_calls(element, model or Model())):
        s = call.inverse(s, ref)
    return coordinates_of(s)


def richardson(function: Callable[[float], float], step: float) -> float:
    """Derivative at 0 by central differences of sixth order."""
    d = [(function(k * step) - function(-k * step)) / (2.0 * k * step) for k in (1, 2, 3)]
    return (15.0 * d[0] - 6.0 * d[1] + d[2]) / 10.0


def shared_lattice(name: str) -> Path:
    """Path of a reference lattice; the test is skipped, by name, where it is not at hand."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "lattices"
    path = Path(os.environ.get("GPUTRACK_LATTICES", beside)) / name
    if not path.is_file():
        pytest.skip(f"reference lattice {name} is not at hand; set GPUTRACK_LATTICES to its folder")
    return path
