"""Luminosity of two bunches that cross at an angle, with and without crab cavities, and its gradient.

    python examples/beam_beam.py [--particles 8192] [--picture examples/pictures/beam_beam.png]

Protons of 275 GeV (the weak beam) collide with a bunch of electrons at 25 mrad, as in an electron-ion collider. A crab
cavity a quarter of an oscillation before the crossing point tilts the protons; the electrons are tilted already.
Printed and asserted: the luminosity loss by the crossing compared with Piwinski's formula; the luminosity with
hourglass effect compared with its integral; its recovery by crab cavities; and its derivatives, from one backward sweep
through cavity, line and collision, compared with differences. The picture shows the bunches at the collision, and the
luminosity as a function of the cavity's voltage with the slopes from the sweep.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import qmc

import gputrack as gt
from gputrack.base.constants import SPEED_OF_LIGHT

PROTON = gt.ReferenceParticle.from_energy("proton", total=275e9)
CROSSING, FREQUENCY = 25e-3, 200e6
PHI = 0.5 * CROSSING
PROTONS, ELECTRONS = 6.9e10, 1.7e11
SIZES, PROTON_LENGTH, ELECTRON_LENGTH = (95e-6, 8.5e-6), 60e-3, 7e-3  # at the crossing, of both beams
PROTON_BETAS, ELECTRON_BETAS = (0.8, 0.072), (0.45, 0.056)
LEVER = 32.0  # position at the crossing per kick in the cavity [m]
VOLTAGE = math.tan(PHI) * SPEED_OF_LIGHT * PROTON.p0c / (2.0 * math.pi * FREQUENCY * LEVER)
KNOBS = ("crab.voltage", "ip.crossing_x", "ip.crab_x", "ip.emit_x", "ip.beta_y", "ip.sigma_z", "ip.dx", "lens.knl[1]")


def collider(**changes: float) -> gt.Lattice:
    """Crab cavity, a quarter of an oscillation in x, and the collision."""
    electrons: dict[str, Any] = dict(particles=ELECTRONS, charge=-1.0, sigma_z=ELECTRON_LENGTH)
    for plane, size, beta in zip("xy", SIZES, ELECTRON_BETAS, strict=True):
        electrons |= {f"emit_{plane}": size**2 / beta, f"beta_{plane}": beta}
    electrons |= {"crossing_x": CROSSING, "crab_x": -math.tan(PHI), "slicing": gt.EqualCharge(9)}
    collision = gt.BeamBeam("ip", **electrons | changes)
    lens = gt.Multipole("lens", knl=(0.0, 1.0 / LEVER))
    cavity = gt.CrabCavity("crab", voltage=VOLTAGE, frequency=FREQUENCY)
    return gt.Lattice([cavity, lens, gt.Drift("way", length=LEVER), lens, gt.Marker("before"), collision], PROTON)


def protons(n: int) -> gt.Beam:
    """Beam at the cavity with its waist at the crossing if the cavity is off; quasi-random, without noise."""
    sizes = [SIZES[0], SIZES[0] / PROTON_BETAS[0], SIZES[1], SIZES[1] / PROTON_BETAS[1], PROTON_LENGTH, 6e-4]
    normal = qmc.MultivariateNormalQMC(np.zeros(6), rng=np.random.default_rng(1)).random(n)
    waist = gt.Beam(normal.T * np.array(sizes)[:, None], PROTON, weights=np.full(n, PROTONS / n))
    return gt.Beam(gt.track(collider()[1:4], waist, backwards=True).coordinates, PROTON, weights=waist.weights)


def arriving(ring: gt.Lattice, beam: gt.Beam) -> gt.Beam:
    """The protons just before the collision."""
    record = gt.track(ring, beam, monitors=[gt.Monitor("before")]).records[0]
    return gt.Beam(record.coordinates[0, 0], PROTON, weights=beam.weights)


def luminosity(ring: gt.Lattice, beam: gt.Beam) -> Any:
    """Of one crossing [1/m^2]."""
    return gt.luminosity(ring, arriving(ring, beam))


def expected(tilt: float) -> float:
    """Integral over the collision points s of slices, Gaussian with half the bunches' length, 2 s tilt apart in x."""
    length = 0.5 * math.hypot(PROTON_LENGTH, ELECTRON_LENGTH)
    s = np.linspace(-6.0, 6.0, 2001) * length
    sizes = []
    for size, one, other in zip(SIZES, PROTON_BETAS, ELECTRON_BETAS, strict=True):
        sizes.append(size * np.sqrt(2.0 + (s / one) ** 2 + (s / other) ** 2))
    density = np.exp(-0.5 * (s / length) ** 2 - 0.5 * (2.0 * tilt * s / sizes[0]) ** 2)
    density /= math.sqrt(2.0 * math.pi) * length * 2.0 * math.pi * sizes[0] * sizes[1]
    return PROTONS * ELECTRONS * float(np.trapezoid(density, s))


def report(beam: gt.Beam) -> None:
    """Print luminosities with and without crossing and crab cavities, compared with formulas."""
    ring = collider()
    uncrabbed = collider(crab_x=0.0).with_changes("crab", voltage=0.0)
    head_on = collider(crab_x=0.0, crossing_x=0.0).with_changes("crab", voltage=0.0)
    rings = {"head on": head_on, "crossing": uncrabbed, "crabbed": ring}
    found = {name: float(luminosity(one, beam)) for name, one in rings.items()}
    piwinski = math.tan(PHI) * math.hypot(PROTON_LENGTH, ELECTRON_LENGTH) / (math.sqrt(2.0) * SIZES[0])
    formulas = {"head on": expected(0.0), "crossing": expected(math.tan(PHI))}
    for name, value in found.items():
        beside = f", integral {formulas[name]:.4e}" if name in formulas else ""
        print(f"{name:>9}: {value:.4e} per m^2 and crossing, {value / found['head on']:.4f} of head on{beside}")
    print(f"1/sqrt(1 + P^2) = {1.0 / math.hypot(1.0, piwinski):.4f} with Piwinski's angle P = {piwinski:.2f}")
    for name, value in formulas.items():
        assert abs(found[name] - value) <= 0.01 * value, name
    thin = thin_factor(beam)
    print(f"bunches without hourglass: {thin:.4f}")
    assert abs(thin * math.hypot(1.0, piwinski) - 1.0) <= 0.01, "Piwinski's formula"
    assert 0.9 < found["crabbed"] / found["head on"] < 1.0, "curvature of the wave"


def thin_factor(beam: gt.Beam) -> float:
    """Ratio of luminosities with and without crossing, without hourglass effect."""
    long = {name: getattr(collider()[-1], name) for name in ("emit_x", "emit_y", "beta_x", "beta_y")}
    long = {name: value * (1e6 if name.startswith("beta") else 1e-6) for name, value in long.items()}
    flat = np.array(arriving(collider().with_changes("crab", voltage=0.0), beam).coordinates)
    flat[[1, 3, 5]] = 0.0
    straight = beam.replaced(coordinates=flat)
    weak = dict(crab_x=0.0, particles=1.0, slicing=gt.EqualCharge(41), **long)
    crossing, head_on = (collider(**weak)[-1].replaced(crossing_x=angle) for angle in (CROSSING, 0.0))
    return float(gt.luminosity(crossing, straight) / gt.luminosity(head_on, straight))


def gradients(beam: gt.Beam) -> np.ndarray:
    """Derivatives by one sweep at a part of the voltage, compared with differences."""
    ring = collider(dx=2e-5).with_changes("crab", voltage=0.8 * VOLTAGE)
    knobs = ring.knobs(*KNOBS)

    def objective(values: Any) -> Any:
        return luminosity(ring.with_knobs(knobs, values), beam) / 1e29

    value, gradient = gt.value_and_grad(objective)(knobs.values)
    print(f"{'knob':>14} {'d ln L/d ln k, sweep':>22} {'differences':>14}")
    for i, knob in enumerate(knobs):
        unit, step = np.eye(len(knobs))[i], 1e-5 * abs(knob.value)
        d = [(objective(knobs.values + k * step * unit) - objective(knobs.values - k * step * unit)) / (2 * k * step)
             for k in (1, 2)]  # fmt: skip
        difference = (4.0 * d[0] - d[1]) / 3.0
        scale = knob.value / value
        print(f"{knob.handle:>14} {gradient[i] * scale:>22.9f} {difference * scale:>14.9f}")
        assert abs(gradient[i] - difference) * abs(scale) <= 1e-7, knob.handle
    return gradient


def draw(beam: gt.Beam, picture: Path) -> None:
    """Draw the bunches from above in the frame of the collision, and the luminosity over the voltage."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    ring = collider()
    for factor, colour in ((0.0, "tab:grey"), (1.0, "tab:blue")):
        c = arriving(ring.with_changes("crab", voltage=factor * VOLTAGE), beam).coordinates[:, :3000]
        x = 1e3 * (c[0] + math.tan(PHI) * c[4])
        left.plot(1e3 * c[4], x, ".", ms=2, color=colour, label=f"protons, crab cavity {'on' if factor else 'off'}")
    left.plot([-14, 14], [0, 0], color="tab:red", lw=4, label="electrons, tilted")
    ends = 14 * math.tan(PHI) * np.array([1, -1])  # their heads are on the left
    left.plot([-14, 14], ends, color="tab:orange", lw=3, label="electrons, without tilt")
    left.set(xlabel="z [mm], head to the right", ylabel="x in the frame of the collision [mm]", xlim=(-180, 180))
    left.legend(fontsize=8, loc="upper left")
    knobs = ring.knobs("crab.voltage")
    slope = gt.value_and_grad(lambda v: luminosity(ring.with_knobs(knobs, v), beam) / 1e29)
    factors = np.linspace(0.0, 1.8, 19)
    pairs = [slope(np.array([factor * VOLTAGE])) for factor in factors]
    right.plot(factors, [value for value, _ in pairs], "o-", color="tab:blue", ms=4, label="luminosity")
    for factor, (value, rate) in list(zip(factors, pairs, strict=True))[::3]:
        ends = np.array([-0.12, 0.12])
        right.plot(factor + ends, value + rate[0] * VOLTAGE * ends, color="tab:orange", lw=2)
    right.plot([], [], color="tab:orange", lw=2, label="slopes by the backward sweep")
    right.axhline(expected(0.0) / 1e29, ls="--", color="tab:grey", label="head on, integral")
    right.axhline(expected(math.tan(PHI)) / 1e29, ls=":", color="tab:grey", label="neither beam tilted, integral")
    right.set(xlabel="voltage of the protons' crab cavity / voltage that compensates the crossing",
              ylabel="luminosity per crossing [1e29 / m$^2$]", ylim=(0.0, None))  # fmt: skip
    right.legend(fontsize=8, loc=(0.02, 0.62))
    figure.savefig(picture, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=8192)
    parser.add_argument("--picture", type=Path, default=Path("beam_beam.png"))
    arguments = parser.parse_args()
    beam = protons(arguments.particles)
    report(beam)
    gradients(beam)
    draw(beam, arguments.picture)
    print(f"picture: {arguments.picture}")


if __name__ == "__main__":
    main()
