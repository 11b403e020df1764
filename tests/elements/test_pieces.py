"""Elements that are cut: the pieces together are the element."""

import numpy as np
import pytest
from support.battery import forward
from support.cases import CASES
from support.helpers import coordinates_of

from gputrack.base.reference import ReferenceParticle
from gputrack.elements.element import Element
from gputrack.elements.map import ReferenceValues
from gputrack.elements.models import DriftKick, Exact, MatrixKick, Model
from gputrack.elements.parameters import parameters_of

REFERENCE = ReferenceValues.of(ReferenceParticle.proton(kinetic=3e8))
COORDINATES = 1e-3 * np.random.default_rng(5).uniform(-1.0, 1.0, (6, 8))
MODELS = {"matrix": Model(MatrixKick(6, 16), Exact()), "kick": Model(DriftKick(6, 40), Exact())}


def pieces(element: Element, model: Model, cuts: tuple[float, ...]):
    return element.form(model).lower_pieces(parameters_of(element), cuts)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", CASES)
def test_pieces_together_are_the_element(case, model):
    """To the error of splitting, which shorter pieces make smaller; cut where nothing is symmetric."""
    element = CASES[case].element
    element = element.replaced(model=None)
    whole = pieces(element, MODELS[model], ())
    cut = pieces(element, MODELS[model], (0.13, 0.5, 0.71))
    assert len(whole) == 1 and len(cut) == 4
    expected = coordinates_of(forward(whole[0], COORDINATES, REFERENCE))
    found = coordinates_of(forward([call for piece in cut for call in piece], COORDINATES, REFERENCE))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-11)


def test_faces_are_at_the_ends_only():
    """A bend cut in three has one entrance and one exit."""
    element = CASES["sector_faces"].element
    first, middle, last = pieces(element, MODELS["matrix"], (0.3, 0.6))
    assert len(first) > 1 and len(middle) == 1 and len(last) > 1
    assert {call.kind.name for call in middle} == {first[-1].kind.name} == {last[0].kind.name}
