"""The beam as a value: arrays, losses, moments over survivors, devices, gradients."""

from __future__ import annotations

from typing import Any

import autograd
import numpy as np
import pytest

import gputrack as gt
from gputrack.base.errors import BackendError, InputError
from gputrack.base.losses import LossCode
from gputrack.beam import moments
from gputrack.beam.beam import Beam

ELECTRON = gt.ReferenceParticle.electron(total=18e9)
PROTON = gt.ReferenceParticle.proton(kinetic=50e6)
ION = gt.ReferenceParticle.ion(nucleons=238, charge=92, kinetic=238 * 11.4e6)
COORDINATES = np.random.default_rng(0).normal(size=(6, 40)) * 1e-3


def beam(**changes: Any) -> Beam:
    return Beam(COORDINATES, PROTON, **changes)


@pytest.fixture(params=["numpy", "cupy"])
def xp(request: pytest.FixtureRequest) -> str:
    if request.param == "cupy":
        cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
        try:
            cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError:
            pytest.skip("there is no CUDA device")
    return str(request.param)


def test_defaults() -> None:
    b = beam()
    assert (b.n, len(b), b.n_lost, b.turn, b.transmission) == (40, 40, 0, 0, 1.0)
    assert np.array_equal(b.coordinates, COORDINATES)
    assert [str(a.dtype) for a in (b.weights, b.loss_code, b.loss_turn, b.loss_element)] == [
        "float64", "int32", "int64", "int32",
    ]  # fmt: skip
    assert np.all(b.weights == 1.0) and np.all(b.loss_turn == -1) and np.all(b.loss_element == -1)
    rows = [getattr(b, name) for name in moments.COORDINATES]
    assert np.array_equal(np.stack(rows), COORDINATES)


def test_the_beam_keeps_its_own_copy() -> None:
    mine, weights = COORDINATES.copy(), np.ones(40)
    b = Beam(mine, PROTON, weights=weights)
    mine[:] = weights[:] = 7.0
    assert np.array_equal(b.coordinates, COORDINATES) and np.all(b.weights == 1.0)
    for name in ("coordinates", "weights", "loss_code", "loss_turn", "loss_element"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(b, name)[...] = 0
    view = np.asarray(memoryview(bytearray(8 * 240))).view(float).reshape(6, 40)
    view.flags.writeable = False  # read-only, but its owner may still write
    assert not np.shares_memory(Beam(view, PROTON).coordinates, view)


def test_changed_beams_share_unchanged_arrays() -> None:
    b = beam()
    moved = b.replaced(turn=5)
    assert moved.turn == 5 and b.turn == 0
    assert moved.coordinates is b.coordinates and moved.weights is b.weights
    with pytest.raises(AttributeError, match=r"beam\.replaced\(turn=\.\.\.\)"):
        b.turn = 3
    with pytest.raises(InputError, match="no field 'colour'"):
        b.replaced(colour=1)


def test_losses_leave_the_moments() -> None:
    code = np.zeros(40, dtype=np.int32)
    code[[3, 5, 8]] = LossCode.APERTURE, LossCode.APERTURE, LossCode.NOT_FINITE
    place = np.where(code > 0, 12, -1)
    place[8] = 4
    bad = COORDINATES.copy()
    bad[:, 8] = np.nan
    b = Beam(bad, PROTON, weights=np.arange(1.0, 41.0), loss_code=code, loss_element=place, loss_turn=code * 2 - 1)
    kept = code == 0
    only = Beam(bad[:, kept], PROTON, weights=np.arange(1.0, 41.0)[kept])
    assert np.array_equal(b.alive, kept) and np.array_equal(b.lost, ~kept) and b.n_lost == 3
    assert b.transmission == pytest.approx(1.0 - (4 + 6 + 9) / 820)
    assert b.sigma == pytest.approx(only.sigma, rel=1e-13) and b.mean == pytest.approx(only.mean, rel=1e-13)
    losses = b.losses()
    assert losses.by_code == {LossCode.APERTURE: 2, LossCode.NOT_FINITE: 1}
    assert losses.by_element == {12: 2, 4: 1} and losses.total == 3
    assert "2  APERTURE: outside the aperture of an element" in str(losses)
    assert all(code.description for code in LossCode)


def test_all_lost_is_an_error_only_for_averages() -> None:
    b = beam(loss_code=np.full(40, LossCode.LIMIT))
    assert b.transmission == 0.0 and "40 lost" in repr(b)
    for ask in (lambda: b.mean, lambda: b.emittance("x"), b.eigen_emittances, lambda: b.size("x")):
        with pytest.raises(InputError, match="all 40 particles are lost"):
            ask()


def test_duplicating_a_particle_is_doubling_its_weight() -> None:
    weights = np.ones(40)
    weights[11] = 2.0
    doubled = Beam(np.concatenate([COORDINATES, COORDINATES[:, 11:12]], axis=1), PROTON)
    weighted = beam(weights=weights)
    for plane in "xyz":
        assert weighted.emittance(plane) == pytest.approx(doubled.emittance(plane), rel=1e-13)
    assert weighted.eigen_emittances() == pytest.approx(doubled.eigen_emittances(), rel=1e-12)


@pytest.mark.parametrize("reference", [ELECTRON, PROTON, ION], ids=["electron", "proton", "ion"])
def test_normalized_emittance(reference: gt.ReferenceParticle) -> None:
    b = Beam(COORDINATES, reference)
    factor = reference.beta0 * reference.gamma0
    for plane in "xyz":
        assert b.emittance(plane, normalized=True) == pytest.approx(factor * b.emittance(plane), rel=1e-13)
    assert b.eigen_emittances(normalized=True) == pytest.approx(factor * b.eigen_emittances(), rel=1e-13)


def test_named_moments() -> None:
    b = beam()
    assert b.centroid("px") == b.mean[1] == pytest.approx(COORDINATES[1].mean(), rel=1e-12)
    assert b.size("delta") == pytest.approx(COORDINATES[5].std(), rel=1e-13)
    assert isinstance(b.size("x"), float) and isinstance(b.emittance("x"), float)
    with pytest.raises(ValueError, match="read-only"):
        b.sigma[0, 0] = 1.0


def test_repr() -> None:
    text = repr(beam(turn=12))
    for part in ("40 particles (0 lost)", "turn 12", "numpy", "charge +1 e", "p0c 3.10366e+08 eV"):
        assert part in text
    assert "\n" not in text


def test_devices(xp: str) -> None:
    b = beam().to_device(xp)
    assert type(b.coordinates).__module__.split(".")[0] == xp
    back = b.to_device("numpy")
    assert np.array_equal(back.coordinates, COORDINATES)
    assert isinstance(b.sigma, np.ndarray) and b.sigma == pytest.approx(beam().sigma, rel=1e-13)
    assert b.losses().total == 0 and xp in repr(b)
    made = Beam.gaussian(
        50, PROTON, emit=(1e-6, 1e-6), twiss=gt.InitialTwiss(1, 0, 1, 0), sigma_z=0, sigma_delta=0, seed=3, xp=xp
    )
    same = Beam.gaussian(
        50, PROTON, emit=(1e-6, 1e-6), twiss=gt.InitialTwiss(1, 0, 1, 0), sigma_z=0, sigma_delta=0, seed=3
    )
    assert np.array_equal(made.to_device("numpy").coordinates, same.coordinates)


def test_cupy_where_there_is_none() -> None:
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(BackendError, match=r"install gputrack\[cuda12\]"):
            beam().to_device("cupy")
    with pytest.raises(InputError, match="xp must be 'numpy' or 'cupy', got 'torch'"):
        beam().to_device("torch")


def test_gradients_flow_through_a_beam() -> None:
    code = np.zeros(40, dtype=np.int32)
    code[4] = LossCode.APERTURE
    start = COORDINATES.copy()
    start[:, 4] = np.nan

    def growth(kick: float) -> float:
        mixed = np.zeros((6, 40))
        mixed[1] = np.nan_to_num(start[0] ** 2)
        out = Beam(start + kick * mixed, PROTON, loss_code=code)
        return 1e6 * out.emittance("x") + 1e3 * out.size("px") + out.centroid("px")

    slope = (growth(1.0 + 1e-4) - growth(1.0 - 1e-4)) / 2e-4
    assert autograd.grad(growth)(1.0) == pytest.approx(slope, rel=1e-7)


MALFORMED = {
    "coordinates must have shape (6, n)": lambda: Beam(COORDINATES.T, PROTON),
    "coordinates must be real numbers, got dtype complex128": lambda: Beam(1j * COORDINATES, PROTON),
    "reference must be a gputrack.ReferenceParticle, got 'electron'": lambda: Beam(COORDINATES, "electron"),
    "turn must be an integer, got 1.5": lambda: beam(turn=1.5),
    "weights must have shape (40,), one per particle, got (39,)": lambda: beam(weights=np.ones(39)),
    "weights must be finite and > 0, particle 2 has 0.0": lambda: beam(
        weights=np.where(np.arange(40) == 2, 0.0, 1.0)
    ),
    "weights must be finite and > 0, particle 0 has nan": lambda: beam(weights=np.nan),
    "weights must be numbers, got dtype <U3": lambda: beam(weights=["one"] * 40),
    "loss_code must be 0 to 5, got 9": lambda: beam(loss_code=np.full(40, 9)),
    "loss_code must be integers, got dtype float64": lambda: beam(loss_code=np.zeros(40)),
    "loss_element must fit int32, got 4294967296": lambda: beam(loss_element=np.full(40, 2**32)),
    "loss_turn must be 40 numbers": lambda: beam(loss_turn=[[1], [2, 3]]),
    "coordinates of particle 39 are not finite": lambda: Beam(
        np.where(np.arange(240).reshape(6, 40) == 239, np.inf, COORDINATES), PROTON
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", MALFORMED)
def test_malformed_input_is_named(message: str) -> None:
    with pytest.raises(InputError) as caught:
        MALFORMED[message]()
    assert message in str(caught.value) and "\n" not in str(caught.value)
