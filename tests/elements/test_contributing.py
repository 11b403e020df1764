"""The element of CONTRIBUTING.md is one: it is declared, lowered, tracked back and forth, and differentiated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support.helpers import map_calls, pull, push
from support.rings import ELECTRON

import gputrack as gt
from gputrack import elements
from gputrack.elements import ELEMENT_TYPES, Role
from gputrack.elements.map import MAPS
from gputrack.elements.parameters import free_parameters
from gputrack.elements.symbol import RED

TEXT = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAMES = {"Any": Any, "ClassVar": ClassVar, "Mapping": Mapping, "RED": RED, "dataclass": dataclass}


@pytest.fixture
def lens():
    """The class of the example; its registration is removed afterwards."""
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1].replace("\n   ", "\n")
    names = NAMES | {name: getattr(elements, name) for name in elements.__all__}
    try:
        exec(compile(code.removeprefix("   "), "CONTRIBUTING.md", "exec", dont_inherit=True), names)
        yield names["Lens"]
    finally:
        MAPS.pop("lens", None), ELEMENT_TYPES.pop("Lens", None)


def test_the_example_is_an_element(lens):
    element = lens("l", strength=0.5, dx=1e-3)
    start = 1e-3 * np.arange(1.0, 7.0)[:, None]
    moved = push(element, start, ELECTRON)
    np.testing.assert_allclose(moved[1], start[1] - 0.5 * (start[0] - 1e-3), rtol=1e-15)
    np.testing.assert_allclose(moved[3], start[3] - 0.5 * start[2], rtol=1e-15)
    np.testing.assert_allclose(pull(element, moved, ELECTRON), start, rtol=1e-15)
    assert [call.role for call in map_calls(element, gt.Model())] == [Role.ENTER, Role.BODY, Role.LEAVE]
    assert {"strength", "dx", "dy", "tilt"} == {*free_parameters(element)}
    with pytest.raises(gt.errors.InputError, match="Lens 'l': strength must be finite"):
        lens("l", strength=np.nan)


def test_knobs_and_gradients_of_the_example(lens):
    ring = gt.Lattice([lens("l", strength=0.5), gt.Drift("d", length=2.0)], ELECTRON)
    knobs, beam = ring.knobs("l.strength"), gt.Beam(1e-3 * np.ones((6, 1)), ELECTRON)

    def end(values):
        return gt.track(ring.with_knobs(knobs, values), beam, 1, backend="array").coordinates[0, 0]

    slope = (end(np.array([0.5 + 1e-4])) - end(np.array([0.5 - 1e-4]))) / 2e-4
    assert gt.grad(end)(knobs.values) == pytest.approx([slope], rel=1e-7)
