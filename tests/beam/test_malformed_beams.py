"""Anything at all as an argument ends in a beam or in a one-line InputError."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gputrack as gt
from gputrack.base.errors import BackendError, InputError
from gputrack.beam.beam import Beam

PROTON = gt.ReferenceParticle.proton(kinetic=50e6)
TWISS = gt.InitialTwiss(1.0, 0.0, 2.0, 0.5)
SHAPE: dict[str, Any] = dict(emit=(1e-6, 1e-6), twiss=TWISS, sigma_z=0.1, sigma_delta=1e-3, seed=1)

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(max_size=9),
    st.binary(max_size=9), st.just(object), st.just({}), st.just(1e308), st.just(PROTON), st.just(TWISS),
)  # fmt: skip
ARRAYS = hnp.arrays(
    st.sampled_from(["f8", "f4", "i8", "u8", "i1", "c16", "bool", "U3", "O", "M8[s]"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7),
)
ANYTHING = st.one_of(SCALARS, st.lists(SCALARS, max_size=7), st.tuples(SCALARS, SCALARS, SCALARS), ARRAYS)

MAKERS: dict[str, tuple[Callable[..., Beam], dict[str, Any]]] = {
    "Beam": (Beam, dict(
        coordinates=np.zeros((6, 5)), reference=PROTON, weights=1.0, loss_code=None, loss_turn=None,
        loss_element=None, turn=0,
    )),
    "gaussian": (Beam.gaussian, dict(
        n=8, reference=PROTON, **SHAPE, centroid=None, cut=None, exact_moments=False, xp="numpy",
    )),
    "from_sigma": (Beam.from_sigma, dict(n=8, reference=PROTON, sigma=np.eye(6), seed=1, centroid=None, cut=None)),
    "kv": (Beam.kv, dict(n=8, reference=PROTON, **SHAPE)),
    "waterbag": (Beam.waterbag, dict(n=8, reference=PROTON, dimensions=6, **SHAPE)),
    "grid": (Beam.grid, dict(reference=PROTON, x=(0, 1, 2), y=(0, 1, 2), delta=0.0)),
    "polar_grid": (Beam.polar_grid, dict(reference=PROTON, radius=1, n_radii=2, n_angles=2, angles=(0, 1), px=0.0)),
    "single": (Beam.single, dict(reference=PROTON, x=0.0, xp="numpy")),
    "replaced": (Beam(np.zeros((6, 5)), PROTON).replaced, dict(weights=1.0, turn=3)),
    "InitialTwiss": (gt.InitialTwiss, dict(betx=1, alfx=0, bety=1, alfy=0, dx=0, dpx=0, dy=0, dpy=0)),
}  # fmt: skip


def result(maker: Callable[..., Any], arguments: dict[str, Any]) -> tuple[Any, str]:
    """The result, or the error."""
    try:
        return maker(**arguments), ""
    except (InputError, BackendError) as error:
        return None, str(error)


def asks_for_much(value: Any) -> bool:
    """Whether an integer in an argument would be a sound number of particles, and more than a test should make."""
    members = np.ravel(value).tolist() if isinstance(value, np.ndarray) else value
    if isinstance(members, (list, tuple)):
        return any(asks_for_much(member) for member in members)
    return isinstance(members, int) and 10**5 < members <= 10**10


@settings(max_examples=1000, deadline=None)
@given(data=st.data())
def test_anything_as_an_argument(data: st.DataObject) -> None:
    maker, arguments = MAKERS[data.draw(st.sampled_from(sorted(MAKERS)))]
    name = data.draw(st.sampled_from(sorted(arguments)))
    value = data.draw(ANYTHING)
    if asks_for_much(value):
        return
    made, message = result(maker, arguments | {name: value})
    if made is None:
        assert "\n" not in message and re.search(f"{name}|overflow", message)
    else:
        assert isinstance(made, (Beam, gt.InitialTwiss))
        assert not isinstance(made, Beam) or np.all(np.isfinite(made.coordinates[:, made.alive]))
