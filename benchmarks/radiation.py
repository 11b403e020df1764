"""Tracking with radiation, its gradient, damping and envelope, compared with pyAT in one run.

    python benchmarks/radiation.py [--peers at] [--particles 2000] [--turns 5]

The ring is the bundled one, with its cavity; one thread for both codes. gputrack uses its default maps: exact, bends as
single arcs between kicks. pyAT uses its radiating passes with its default number of slices, 10; its envelope is
`ohmi_envelope`, which includes radiation and the closed orbit as in gputrack. Times are minima of repeated calls.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import heading

import gputrack as gt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.peers import at_optics, at_peer


def seconds(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    found, times = call(), []
    for _ in range(repeats):
        start = time.perf_counter()
        found = call()
        times.append(time.perf_counter() - start)
    return min(times), found


def beam_of(ring: gt.Lattice, particles: int) -> gt.Beam:
    sizes = np.array([1e-4, 1e-5, 1e-5, 1e-6, 4e-3, 1e-3])[:, None]
    return gt.Beam(np.random.default_rng(1).normal(size=(6, particles)) * sizes, ring.require_reference())


def ours(particles: int, turns: int, repeats: int) -> list[str]:
    plain = gt.demo_ring()
    ring, beam = plain.with_radiation(), beam_of(plain, particles)
    knobs = ring.knobs("q*.k1", "sd.*.k2", "sf.*.k2", each=True)

    def tracked(lattice: gt.Lattice) -> float:
        return 1e6 / (particles * turns) * seconds(lambda: gt.track(lattice, beam, turns, threads=1), repeats)[0]

    def emittance(values: Any) -> Any:
        return gt.track(ring.with_knobs(knobs, values), beam, turns, threads=1).emittance("x")

    both = 1e6 / (particles * turns) * seconds(lambda: gt.value_and_grad(emittance)(knobs.values), repeats)[0]
    off, on = tracked(plain), tracked(ring)
    damping, _ = seconds(lambda: gt.damping(plain.with_radiation()), repeats)
    envelope, found = seconds(lambda: gt.envelope(plain.with_radiation()), repeats)
    return [
        f"gputrack  track {off:8.2f} us per particle and turn without radiation, {on:8.2f} with it",
        f"          value and gradient with respect to {len(knobs)} magnets, with radiation {both:8.2f}",
        f"          damping {1e3 * damping:8.1f} ms, envelope {1e3 * envelope:8.1f} ms; emittances "
        f"{found.emittance[0]:.6e} {found.emittance[2]:.6e} m, U0 {float(found.damping.energy_loss):.3f} eV",
    ]


def at_ring() -> Any:
    at, ring = at_peer.module(), gt.demo_ring()
    energy = ring.require_reference().energy
    elements = []
    for element in ring:
        own = at_optics.element_of(element, 10)
        if isinstance(element, gt.RFCavity):
            own = at.RFCavity("rf", element.length, element.voltage, element.frequency, 400, energy)
        elements.append(own)
    theirs = at.Lattice(elements, energy=energy, periodicity=1)
    theirs.enable_6d()
    theirs.set_cavity_phase()
    return theirs


def theirs(particles: int, turns: int, repeats: int) -> list[str]:
    at, radiating = at_peer.module(), at_ring()
    quiet = radiating.disable_6d(copy=True)
    start = at_peer.rows_of(beam_of(gt.demo_ring(), particles).coordinates)

    def tracked(lattice: Any) -> float:
        call = lambda: lattice.track(np.asfortranarray(start), nturns=turns, in_place=False)  # noqa: E731
        return 1e6 / (particles * turns) * seconds(call, repeats)[0]

    envelope, (_, found, _) = seconds(lambda: at.ohmi_envelope(radiating), repeats)
    loss = radiating.get_energy_loss()
    off, on = tracked(quiet), tracked(radiating)
    return [
        f"pyAT      track {off:8.2f} us per particle and turn without radiation, {on:8.2f} with it",
        f"          envelope {1e3 * envelope:8.1f} ms; emittances "
        f"{found['mode_emittances'][0]:.6e} {found['mode_emittances'][2]:.6e} m, U0 {loss:.3f} eV",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", default="at", help="at, or nothing")
    parser.add_argument("--particles", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    size = arguments.particles, arguments.turns, arguments.repeats
    print(heading())
    print(f"{size[0]} particles, {size[1]} turns, minima of {size[2]}")
    for line in ours(*size) + (theirs(*size) if "at" in arguments.peers else []):
        print(line)


if __name__ == "__main__":
    main()
