"""Compiled kernels of power series against array mathematics: by tables, and as text without loops."""

from __future__ import annotations

import numpy as np
import pytest

from gputrack.tpsa import Space
from gputrack.tpsa import array_operations as reference
from gputrack.tpsa.host import Kernels
from gputrack.tpsa.kernel_source import is_straight

#: space, whether its kernels are built for it alone
CASES = [
    (Space(6, 3), True), (Space(3, 4, 2, 1), True), (Space(6, 3), False), (Space(2, 7), False), (Space(6, 5), False),
    (Space(1, 3), False), (Space(3, 0), False),
]  # fmt: skip
#: tiles, lanes
SHAPES = [(1, 1), (2, 8)]
FUNCTIONS = ("product", "quotient", "product_adjoint", "exp", "square_root", "sine_cosine")


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{'straight' if case[1] else 'tables'}", scope="module")
def kernels(request):
    return Kernels(*request.param)


def random_data(space, kind, shape, order, seed, count=None):
    rng = np.random.default_rng(seed)
    full = (*(() if count is None else (count,)), shape[0], space.rows(order), shape[1])
    data = rng.uniform(-0.5, 0.5, full) + (0.0 if kind == "real" else 1j * rng.uniform(-0.5, 0.5, full))
    data[..., 0, :] += 1.5
    return data


def assert_same(ours, theirs):
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    assert np.abs(ours - theirs).max() <= 4e-14 * np.abs(theirs).max()


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("shape", SHAPES, ids=["one map", "tiles"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations(kernels, name, shape, kind):
    """All orders of operands, results up to all orders."""
    space = kernels.space
    for orders in {(space.order, space.order), (1, space.order), (space.order, 1), (2, 1), (0, 2), (2, 0)}:
        a, b = (random_data(space, kind, shape, min(o, space.order), i) for i, o in enumerate(orders))
        arguments = (a, b) if name in FUNCTIONS[:3] else (a, -1) if name == "sine_cosine" else (a,)
        for order in {space.order, min(1, space.order)}:
            ours, theirs = getattr(kernels, name)(*arguments, order), getattr(reference, name)(space, *arguments, order)
            for x, y in zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]:
                assert_same(x, y)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("shape", SHAPES, ids=["one map", "tiles"])
@pytest.mark.parametrize("name", ["compose", "compose_adjoint"])
def test_composition(kernels, name, shape, kind):
    space = kernels.space
    if space.size > 400:
        pytest.skip("array mathematics takes long; smaller spaces run the same code")
    for outer, inner, order in {(space.order, space.order, space.order), (1, 2, space.order), (3, 1, 2), (2, 3, 2)}:
        a = random_data(space, kind, shape, outer, 1, 3)
        a[0, :, 1:] = 0.0  # some that do not occur
        b = random_data(space, kind, shape, inner, 2, space.dimensions)
        order = min(order, space.order)
        for constant in (0.0, 0.1):
            b[:, :, 0] *= constant
            assert_same(getattr(kernels, name)(a, b, order), getattr(reference, name)(space, a, b, order))


def test_many_series_at_once():
    """More than are taken through the tree at a time."""
    space = Space(2, 3)
    a, b = random_data(space, "real", (1, 1), 3, 1, 150), random_data(space, "real", (1, 1), 3, 2, 2)
    assert_same(Kernels(space, False).compose(a, b, 3), reference.compose(space, a, b, 3))


def test_arrays_that_lie_otherwise():
    space = Space(3, 3)
    data = random_data(space, "real", (8, 2), 3, 1)
    turned = data.transpose(2, 1, 0)
    kernels = Kernels(space, False)
    np.testing.assert_array_equal(kernels.product(turned, turned, 3), kernels.product(turned.copy(), turned.copy(), 3))
    mixed = kernels.product(data[:1], 1j * data[:1], 3) if data.shape[2] == 8 else None
    assert mixed is None or mixed.dtype == complex


def test_which_spaces_are_straight(monkeypatch):
    monkeypatch.delenv("GPUTRACK_TPSA_PRODUCTS", raising=False)
    assert is_straight(Space(6, 6)) and not is_straight(Space(6, 7))
    monkeypatch.setenv("GPUTRACK_TPSA_PRODUCTS", "91")
    assert is_straight(Space(6, 2)) and not is_straight(Space(6, 3))
