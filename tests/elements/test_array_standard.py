"""Array maps on arrays that have nothing but the array API standard, and on read-only ones.

`array_api_strict` computes with NumPy: results agree with NumPy's to the bit.
"""

import array_api_strict as strict
import numpy as np
import pytest
from support.battery import PAIRS, all_species, backward, forward, lowered
from support.cases import CASES, SPECIES

from gputrack.elements.map import ReferenceValues

DIRECTIONS = {"forward": forward, "inverse": backward}
MODELS = {case: model for case, model, _ in reversed(PAIRS)}  # one of each case
both_directions = pytest.mark.parametrize("direction", DIRECTIONS)


def compare(case, model, ref, direction, coordinates):
    """Results of strict arrays are strict arrays, and those of read-only NumPy arrays."""
    calls, apply = lowered(case, model), DIRECTIONS[direction]
    values = [values for values in (coordinates, *ref) if isinstance(values, np.ndarray)]
    for array in values:
        array.setflags(write=False)
    expected = apply(calls, coordinates, ref)
    of_standard = [strict.asarray(row) for row in coordinates]
    ref_of_standard = (strict.asarray(value) if isinstance(value, np.ndarray) else value for value in ref)
    found = apply(calls, of_standard, ReferenceValues(*ref_of_standard))
    for name, value in expected._asdict().items():
        assert type(getattr(found, name)) is type(of_standard[0]), name
        np.testing.assert_array_equal(np.asarray(getattr(found, name)), value, err_msg=name)


def representatives():
    """Pairs with a map that does not occur with these integers in the pairs before: the others repeat its branches."""
    known = set()
    for case, model, which in PAIRS:
        if which == "usual":
            found = {(call.kind.name, *call.integers.items(), *call.series) for call in lowered(case, model)}
            if found - known:
                known |= found
                yield case, model


@both_directions
@pytest.mark.parametrize(("case", "model"), [*representatives()])
def test_maps_need_nothing_but_the_standard(case, model, direction):
    coordinates, ref = all_species("usual")
    compare(case, model, ReferenceValues(*map(np.copy, ref)), direction, coordinates.copy())


@both_directions
@pytest.mark.parametrize("case", CASES)
def test_maps_take_numbers_of_one_reference_particle(case, direction):
    coordinates, _ = all_species("usual")
    compare(case, MODELS[case], ReferenceValues.of(SPECIES["gold"]), direction, coordinates.copy())
