"""Tracking inside PyTorch and JAX: their own checks of gradients, and the gradients that gputrack gives."""

import subprocess
import sys

import autograd.numpy as anp
import numpy as np
import pytest
from support.cases import SPECIES
from support.rings import scraping_ring, small_ring, wide_beam

import gputrack as gt
from gputrack.base.errors import InputError

RING = small_ring().with_reference(SPECIES["proton"])
KNOBS = RING.knobs("qf.k1", "s.k2", "rf.voltage", "reference.p0c")
MONITORS = [gt.Monitor("bpm*", every=2), gt.Monitor("m")]
TURNS = 3
START = np.array(wide_beam(6).coordinates)


def torch_modules():
    """PyTorch and our module for it, or a skip."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import gputrack.interop.torch as ours

    return torch, ours


def jax_modules():
    """JAX in its 64-bit mode and our module for it, or a skip."""
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    import gputrack.interop.jax as ours

    return jax, ours


def weighted(out, xp):
    """A scalar of coordinates and records."""
    first, second = out.records
    return xp.sum(out.coordinates**2) + xp.sum(first[..., 0, :] * second[0, 0, 2, :]) + xp.sum(xp.sin(second))


def own(values, coordinates):
    """The same scalar by gputrack alone."""
    changed = RING.with_knobs(KNOBS, values)
    out = gt.track(changed, gt.Beam(coordinates, changed.reference), TURNS, monitors=MONITORS)
    return weighted(type("", (), dict(coordinates=out.coordinates, records=[r.coordinates for r in out.records])), anp)


@pytest.fixture(scope="module")
def expected():
    """Value and both gradients by gputrack alone."""
    value, by_values = gt.value_and_grad(own)(KNOBS.values, START)
    return value, by_values, gt.grad(own, 1)(KNOBS.values, START)


# -- PyTorch -----------------------------------------------------------------------------------------------------------


def test_torch_gives_our_gradients(expected):
    torch, ours = torch_modules()
    values = torch.tensor(KNOBS.values, requires_grad=True)
    coordinates = torch.tensor(START, requires_grad=True)
    out = ours.track(RING, KNOBS, values, coordinates, TURNS, monitors=MONITORS)
    value = weighted(out, torch)
    value.backward()
    assert value.item() == pytest.approx(expected[0], rel=1e-14)
    assert values.grad.numpy() == pytest.approx(expected[1], rel=1e-12)
    assert coordinates.grad.numpy() == pytest.approx(expected[2], rel=1e-12)
    assert [tuple(r.shape) for r in out.records] == [(2, 2, 6, 6), (3, 1, 6, 6)]
    assert out.loss_code.dtype == torch.int32 and not out.loss_code.any()


def test_torch_checks_the_gradient_by_differences():
    torch, ours = torch_modules()
    scales = torch.tensor([1.0, 10.0, 1e5, SPECIES["proton"].p0c], dtype=torch.float64)
    sizes = torch.tensor(np.std(START, axis=1)[:, None])

    def function(values, coordinates):
        out = ours.track(RING, KNOBS, values * scales, coordinates * sizes, 2, monitors=MONITORS)
        return out.coordinates / sizes, out.records[0] / sizes

    inputs = torch.tensor(KNOBS.values) / scales, torch.tensor(START) / sizes
    assert torch.autograd.gradcheck(function, [i.requires_grad_() for i in inputs], eps=1e-5, atol=1e-7, rtol=1e-6)


def test_torch_trains_and_is_differentiated_on_request_only():
    torch, ours = torch_modules()
    knobs = RING.knobs("qf.k1")
    values = torch.tensor(1.1 * knobs.values, requires_grad=True)
    start = torch.tensor(START)
    goal = ours.track(RING, knobs, torch.tensor(knobs.values), start).coordinates
    assert not goal.requires_grad
    with torch.no_grad():
        assert not ours.track(RING, knobs, values, start).coordinates.requires_grad
    optimiser = torch.optim.LBFGS([values], max_iter=50, tolerance_grad=1e-20, tolerance_change=1e-20)

    def closure():
        optimiser.zero_grad()
        loss = 1e6 * torch.sum((ours.track(RING, knobs, values, start).coordinates - goal) ** 2)
        loss.backward()
        return loss

    for _ in range(5):
        optimiser.step(closure)
    assert values.detach().numpy() == pytest.approx(knobs.values, rel=1e-9)


def test_torch_with_losses_and_without_knobs():
    torch, ours = torch_modules()
    ring = scraping_ring()
    beam = wide_beam(40)
    out = gt.track(ring, beam, 3)
    coordinates = torch.tensor(np.array(beam.coordinates), requires_grad=True)
    found = ours.track(ring, ring.knobs(), torch.zeros(0, dtype=torch.float64), coordinates, 3)
    assert out.n_lost > 0 and np.array_equal(found.loss_code.numpy(), out.loss_code)
    assert np.array_equal(found.coordinates.detach().numpy(), out.coordinates)
    alive = found.loss_code == 0
    torch.sum(found.coordinates[0, alive] ** 2).backward()
    by_us = gt.grad(lambda c: anp.sum(gt.track(ring, beam.replaced(coordinates=c), 3).x[out.alive] ** 2))
    assert coordinates.grad.numpy() == pytest.approx(by_us(np.array(beam.coordinates)), rel=1e-13)


def test_torch_refuses_wrong_arguments():
    torch, ours = torch_modules()
    values, start = torch.tensor(KNOBS.values), torch.tensor(START)

    def second():
        knobs = RING.knobs("qf.k1")
        v = torch.tensor(knobs.values, requires_grad=True)
        first = torch.autograd.grad(
            ours.track(RING, knobs, v, start).coordinates.sum(), v, create_graph=True
        )[0]  # fmt: skip
        first.sum().backward()

    wrong = {
        "values must be a float64 tensor": lambda: ours.track(RING, KNOBS, values.float(), start),
        "coordinates must be a float64 tensor": lambda: ours.track(RING, KNOBS, values, START),
        "4 knobs need values": lambda: ours.track(RING, KNOBS, values[:2], start),
        r"must have shape \(6, n\)": lambda: ours.track(RING, KNOBS, values, start[:4]),
        "knobs must be": lambda: ours.track(RING, "qf.k1", values, start),
        "lattice must be": lambda: ours.track("ring", KNOBS, values, start),
        "turns must be": lambda: ours.track(RING, KNOBS, values, start, -1),
        "drop moments": lambda: ours.track(RING, KNOBS, values, start, monitors=[gt.Monitor("m", moments=True)]),
    }
    for words, function in wrong.items():
        with pytest.raises(InputError, match=words):
            function()
    with pytest.raises(InputError, match="second derivatives"):
        second()


# -- JAX ---------------------------------------------------------------------------------------------------------------


def jax_scalar(ours, jnp):
    def scalar(values, coordinates):
        return weighted(ours.track(RING, KNOBS, values, coordinates, TURNS, monitors=MONITORS), jnp)

    return scalar


@pytest.mark.parametrize("compiled", [False, True])
def test_jax_gives_our_gradients(expected, compiled):
    jax, ours = jax_modules()
    function = jax.value_and_grad(jax_scalar(ours, jax.numpy), argnums=(0, 1))
    function = jax.jit(function) if compiled else function
    for _ in range(2):
        value, (by_values, by_coordinates) = function(KNOBS.values, START)
        assert float(value) == pytest.approx(expected[0], rel=1e-14)
        assert np.asarray(by_values) == pytest.approx(expected[1], rel=1e-12)
        assert np.asarray(by_coordinates) == pytest.approx(expected[2], rel=1e-12)


def test_jax_checks_the_gradient_by_differences():
    _, ours = jax_modules()
    from jax.test_util import check_grads

    scales = np.array([1.0, 10.0, 1e5, SPECIES["proton"].p0c])
    sizes = np.std(START, axis=1)[:, None]

    def function(values, coordinates):
        out = ours.track(RING, KNOBS, values * scales, coordinates * sizes, 2, monitors=MONITORS)
        return out.coordinates / sizes, out.records[1] / sizes

    inputs = KNOBS.values / scales, START / sizes
    check_grads(function, inputs, order=1, modes=["rev"], eps=1e-5, atol=1e-7, rtol=1e-6)


def test_jax_tracks_once_for_value_and_gradient(monkeypatch):
    jax, ours = jax_modules()
    calls = []
    run = ours.Pass.run
    monkeypatch.setattr(ours.Pass, "run", lambda *a: calls.append(1) or run(*a))
    jax.block_until_ready(jax.jit(jax.grad(jax_scalar(ours, jax.numpy)))(KNOBS.values, START))
    assert len(calls) == 1


def test_jax_jacobian_and_vmap():
    jax, ours = jax_modules()
    knobs = RING.knobs("qf.k1", "s.k2")

    def means(values):
        return ours.track(RING, knobs, values, START, 2).coordinates.mean(axis=1)

    def by_us(values):
        out = gt.track(RING.with_knobs(knobs, values), gt.Beam(START, RING.reference), 2)
        return anp.mean(out.coordinates, axis=1)

    found = np.asarray(jax.jit(jax.jacrev(means))(knobs.values))
    assert found == pytest.approx(gt.jacobian(by_us)(knobs.values), rel=1e-11, abs=1e-16)
    several = np.stack([knobs.values, 1.01 * knobs.values])
    assert np.asarray(jax.vmap(means)(several)) == pytest.approx(np.stack([by_us(v) for v in several]), rel=1e-14)


def test_jax_of_many_particles_under_jit():
    """Large arrays cross to the host and back without a deadlock of JAX's own threads."""
    jax, ours = jax_modules()
    knobs = RING.knobs("qf.k1")
    start = np.tile(START, (1, 10_000))

    @jax.jit
    def gradient(values, coordinates):
        return jax.grad(lambda v: (ours.track(RING, knobs, v, coordinates).coordinates[0] ** 2).sum())(values)

    once = np.asarray(gradient(knobs.values, START))
    assert np.asarray(gradient(knobs.values, start)) == pytest.approx(10_000 * once, rel=1e-10)


def test_jax_refuses_wrong_arguments():
    jax, ours = jax_modules()
    wrong = {
        "4 knobs need values": lambda: ours.track(RING, KNOBS, KNOBS.values[:2], START),
        r"must have shape \(6, n\)": lambda: jax.jit(lambda c: ours.track(RING, KNOBS, KNOBS.values, c))(START[:4]),
        "knobs must be": lambda: ours.track(RING, KNOBS[0], KNOBS.values, START),
    }
    for words, function in wrong.items():
        with pytest.raises(InputError, match=words):
            function()
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(InputError, match="jax_enable_x64"):
        ours.track(RING, KNOBS, KNOBS.values, START)
    jax.config.update("jax_enable_x64", True)


def test_package_imports_neither():
    """They are optional: importing gputrack does not import them."""
    code = "import sys, gputrack; sys.exit(any(name in sys.modules for name in ('torch', 'jax')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
