"""A bunch and its own wake: the head drives the tail, and chromaticity determines the head-tail stability.

    python examples/wakefield.py [--particles 1000] [--turns 600] [--device cuda] [--picture wakefield.png]

A short bunch with a small offset circulates in a storage ring with a broad-band dipolar wake (a resonator). First
without synchrotron motion: the head oscillates freely, and the amplitude grows from head to tail, in agreement with the
linear motion of all pairs of particles. Then with synchrotron motion and two chromaticities: above transition the
centroid is damped for positive chromaticity and grows for negative chromaticity (head-tail instability).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ndtri

import gputrack as gt
from gputrack.base.constants import ELEMENTARY_CHARGE, SPEED_OF_LIGHT

SIGMA, OFFSET = 5e-3, 1e-5  # m
PASSES = (0, 10, 20, 30)
SHUNT, FREQUENCY, QUALITY = 2e6, 5e9, 1.0  # ohm/m, Hz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=600)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--picture", type=Path, default=Path("wakefield.png"))
    arguments = parser.parse_args()
    ring = gt.demo_ring()
    least = math.ceil(2.0 / gt.twiss(ring).qs)
    if arguments.turns < least:
        parser.error(f"--turns must be at least {least}, two synchrotron periods, got {arguments.turns}")
    real = 2e10
    wake = gt.ResonatorWake(
        "wake", slicing=gt.UniformBins(121, (-6 * SIGMA, 6 * SIGMA)), component="dipolar_x", shunt_impedance=(SHUNT,),
        frequency=(FREQUENCY,), quality=(QUALITY,),
    )  # fmt: skip
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
    show_tail(left, ring, wake, arguments, real)
    show_centroids(right, ring, wake, arguments, 0.1 * real)
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.picture, dpi=130)
    print(f"picture: {arguments.picture}")


def with_wake(ring: gt.Lattice, wake: gt.ResonatorWake) -> gt.Lattice:
    """The ring with the wake at its end."""
    return gt.Lattice([*ring, wake], ring.reference, name=ring.name, model=ring.model)


def placed(beam: gt.Beam, device: str) -> gt.Beam:
    return beam.to_device("cupy") if device == "cuda" else beam


def show_tail(axis: Any, ring: gt.Lattice, wake: gt.ResonatorWake, arguments: Any, real: float) -> None:
    """Draw the amplitude along the bunch after some turns, and the linear motion of all pairs of particles."""
    coasting = ring.with_changes("rf*", voltage=0.0)
    tw = gt.twiss(coasting)
    n = arguments.particles
    coordinates = np.zeros((6, n))
    coordinates[0], coordinates[1] = OFFSET, -tw.alfx[0] / tw.betx[0] * OFFSET
    coordinates[4] = SIGMA * ndtri((np.arange(n) + 0.5) / n)
    beam = placed(gt.Beam(coordinates, ring.reference, weights=real / n), arguments.device)
    line = with_wake(coasting, wake)
    matrix = wake_matrix(ring, tw.betx[0], coordinates[4], real)
    for passes in PASSES:
        out = gt.track(line, beam, turns=passes).to_device("numpy").coordinates
        amplitude = np.hypot(out[0], tw.betx[0] * out[1] + tw.alfx[0] * out[0]) / OFFSET
        expected = linear_amplitudes(matrix, tw.qx, passes)
        worst = np.max(abs(amplitude - expected))
        print(f"after {passes:3d} turns: amplitude of the tail {amplitude.max():.4f}, theory {expected.max():.4f}")
        assert worst <= 0.01 * expected.max(), f"after {passes} turns {worst} off linear theory"
        axis.plot(1e3 * coordinates[4], amplitude, label=f"{passes} turns")
        axis.plot(1e3 * coordinates[4], expected, "k:", linewidth=1.0)
    axis.plot([], [], "k:", label="pairs of particles, linear")
    axis.set(xlabel="z [mm], the head is right", ylabel="amplitude / offset of the bunch", xlim=(-15, 15))
    axis.set_title("without synchrotron motion")
    axis.legend(frameon=False)


def wake_matrix(ring: gt.Lattice, beta: float, zeta: np.ndarray, real: float) -> np.ndarray:
    """Change of beta px of each particle by the offsets of all others: beta q^2/(p c) N W(z_j - z), pair by pair."""
    w = 2.0 * np.pi * FREQUENCY
    damping = 0.5 * w / QUALITY
    own = np.sqrt(w * w - damping * damping)
    t = np.maximum(zeta[None, :] - zeta[:, None], 0.0) / SPEED_OF_LIGHT
    table = SHUNT * w * w / (QUALITY * own) * np.exp(-damping * t) * np.sin(own * t)
    rate: float = beta * ELEMENTARY_CHARGE / ring.reference.p0c * real / len(zeta)
    return rate * table


def linear_amplitudes(matrix: np.ndarray, tune: float, turns: int) -> np.ndarray:
    """Amplitudes after turns of a rotation by the tune, then the kick; x and beta px + alpha x start as 1 and 0."""
    x, p = np.ones(len(matrix)), np.zeros(len(matrix))
    c, s = np.cos(2.0 * np.pi * tune), np.sin(2.0 * np.pi * tune)
    for _ in range(turns):
        x, p = c * x + s * p, c * p - s * x
        p = p + matrix @ x
    return np.hypot(x, p)


def show_centroids(axis: Any, ring: gt.Lattice, wake: gt.ResonatorWake, arguments: Any, real: float) -> None:
    """Draw the amplitude of the centroid over turns for both signs of the chromaticity."""
    rates = {}
    for chromaticity, colour in ((2.0, "tab:blue"), (-2.0, "tab:red")):
        tuned = with_chromaticity(ring, chromaticity)
        tw = gt.twiss(tuned)
        beam = gt.Beam.gaussian(
            arguments.particles, ring.reference, emit=(1e-12, 1e-12), twiss=tw.start, sigma_z=SIGMA,
            sigma_delta=SIGMA * 2.0 * np.pi * tw.qs / (tw.slip * tuned.length), seed=2,
        )  # fmt: skip
        moved = beam.coordinates.copy()
        moved[0] += OFFSET
        beam = placed(beam.replaced(coordinates=moved, weights=np.full(beam.n, real / beam.n)), arguments.device)
        out = gt.track(with_wake(tuned, wake), beam, turns=arguments.turns, monitors=[gt.Monitor("wake", moments=True)])
        assert out.n_lost == 0
        mean = np.asarray(out.records[0].mean)[:, 0]
        amplitude = np.hypot(mean[:, 0], tw.betx[0] * mean[:, 1] + tw.alfx[0] * mean[:, 0]) / OFFSET
        rates[chromaticity] = rate_of(amplitude, 1.0 / tw.qs)
        axis.semilogy(amplitude, color=colour, label=f"dQx/ddelta = {chromaticity:+.0f}")
        print(f"dQx/ddelta {chromaticity:+.1f}: the centroid grows by {1e3 * rates[chromaticity]:+.2f} per 1000 turns")
    assert rates[2.0] < 0.0 < rates[-2.0], "above transition negative chromaticity is unstable, positive damps"
    axis.set(xlabel="turn", ylabel="amplitude of the centroid / offset")
    axis.set_title("with synchrotron motion")
    axis.legend(frameon=False)


def with_chromaticity(ring: gt.Lattice, value: float) -> gt.Lattice:
    """The ring with sextupoles matched to a chromaticity."""
    knobs = ring.knobs("sf*.k2", "sd*.k2")
    return gt.match(ring, knobs, [gt.Target("dqx", value), gt.Target("dqy", 1.0)]).lattice


def rate_of(amplitude: np.ndarray, period: float) -> float:
    """Growth per turn: the slope of the logarithm of the largest amplitude in each synchrotron period."""
    length = max(1, round(period))
    count = len(amplitude) // length
    peaks = amplitude[: count * length].reshape(count, length).max(axis=1)
    slope: float = np.polyfit(length * np.arange(count), np.log(peaks), 1)[0]
    return slope


if __name__ == "__main__":
    main()
