"""Parts of benchmarks/device.py for space charge, beam-beam collisions, and power series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import beam_beam as collisions
import numpy as np
import space_charge as charges
from device_facts import kernel_line
from tpsa import coefficients

import gputrack as gt
from gputrack.backends.cuda import pipe_modes as collective_cuda
from gputrack.elements.collective_map import Bunch
from gputrack.tpsa import Map, Series, Space

if TYPE_CHECKING:
    from device_setup import Setup

MODES = (12, 32)
BEAM_SLICES = 11


def space_charge(setup: Setup) -> Iterator[str]:
    """Kick of a spectral solver in a pipe, and its adjoint, which undoes it."""
    cupy = setup.facts.cupy
    for modes in MODES:
        for name in ("pipe_deposit", "pipe_kick", "pipe_deposit_adjoint", "pipe_kick_adjoint"):
            kernel = collective_cuda.module(modes, modes).get_function(name)
            yield f"{modes} x {modes} {name}: {kernel_line(setup.facts, kernel, collective_cuda.THREADS)}"
    yield f"{'modes':>8} {'particles':>10} {'kick ns/particle':>17} {'adjoint':>9} {'ratio':>6} {'of bandwidth':>13}"
    for modes in MODES:
        op, kernel = charges.op_of(modes), collective_cuda.PipeKick()
        for n in setup.options.charges:
            coordinates, bar = cupy.asarray(charges.particles(n)), cupy.ones((6, n))
            bunch = Bunch(coordinates, cupy.ones(n), float(n))

            def kick(bunch: Any = bunch, op: Any = op, kernel: Any = kernel) -> None:
                kernel.step(bunch, op, charges.VALUES, False)

            def back(bunch: Any = bunch, op: Any = op, kernel: Any = kernel, bar: Any = bar) -> None:
                kernel.undo_adjoint(bunch, op, charges.VALUES, bar)

            ahead, behind = setup.seconds(kick), setup.seconds(back)
            # read twice: x, y, weight; px, py, delta and more once, px, py written
            moved = "-" if not setup.bandwidth else f"{100.0 * 80 * n / ahead / setup.bandwidth:.3g} %"
            first, second = (1e9 * seconds / n for seconds in (ahead, behind))
            yield f"{modes:>8} {n:>10} {first:>17.3f} {second:>9.3f} {behind / ahead:>6.2f} {moved:>13}"


def beam_beam(setup: Setup) -> Iterator[str]:
    """Weak-strong collisions in slices, and with the gradient of an emittance."""
    yield f"{BEAM_SLICES} slices; {'bunch':>20} {'particles':>10} {'ns/particle/slice':>18} {'with gradient':>14}"
    for name, element in collisions.collisions(BEAM_SLICES).items():
        line = gt.Lattice([element], collisions.REFERENCE)
        knobs = line.knobs("ip.particles", "ip.emit_x", "ip.emit_y", "ip.beta_x", "ip.beta_y")
        for n in setup.options.charges:
            beam = gt.Beam(collisions.start_of(element, n), collisions.REFERENCE).to_device("cupy")

            def objective(values: Any, line: Any = line, knobs: Any = knobs, beam: Any = beam) -> Any:
                return gt.track(line.with_knobs(knobs, values), beam).emittance("x")

            both = gt.value_and_grad(objective)
            ahead = setup.seconds(lambda line=line, beam=beam: gt.track(line, beam))
            back = setup.seconds(lambda both=both, knobs=knobs: both(knobs.values))
            unit = 1e9 / (n * BEAM_SLICES)
            yield f"{'':>10} {name:>20} {n:>10} {unit * ahead:>18.3f} {unit * back:>14.3f}"


def tpsa(setup: Setup) -> Iterator[str]:
    """Power series in 6 variables of many maps, and one-turn maps of many orbits; ns per map."""
    cupy, batch = setup.facts.cupy, setup.options.maps
    yield f"{batch} maps, ns each"
    yield "".join(f"{name:>11}" for name in ("order", "product", "quotient", "exp", "sin, cos", "compose"))
    for order in setup.options.orders:
        space = Space(6, order)
        a, b = (coefficients(space, batch, seed) for seed in (1, 2))
        maps = [Map.of(space, cupy.asarray(c)) for c in (a, b)]
        x, y = (Series.of(space, cupy.asarray(np.ascontiguousarray(c[:, 0]))) + 1.3 for c in (a, b))
        works = (
            lambda x=x, y=y: x * y, lambda x=x, y=y: x / y, lambda x=x: x.exp(), lambda x=x: x.sin_cos(),
            lambda m=maps: m[0] @ m[1],
        )  # fmt: skip
        yield f"{order:>11}" + "".join(f"{1e9 * setup.seconds(work) / batch:>11.1f}" for work in works)
    orbits = 1e-5 * np.random.default_rng(1).normal(size=(batch, 6))
    for order in setup.options.orders[:2]:
        seconds = setup.seconds(lambda order=order: gt.transfer_map(setup.ring, order, cupy.asarray(orbits)))
        yield f"maps of the ring about {batch} orbits, order {order}: {1e6 * seconds / batch:.2f} us each"
