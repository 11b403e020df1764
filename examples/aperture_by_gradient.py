"""Enlarge the dynamic aperture by exact gradients of a smooth proxy with respect to families of sextupoles.

    python examples/aperture_by_gradient.py [--lattice spear3.madx] [--steps 60] [--seed 1] [--device cuda]

The proxy: particles start on rays near the boundary of the present aperture, on and off momentum. It is the variance of
their linear actions over 32 turns, divided by the square of the mean, saturated. One backward sweep gives its
derivatives with respect to all families. Both chromaticities are constant: steps are in the null space of their
derivatives, which is exact since they are linear in the sextupoles. Every few steps the aperture is computed, particles
start near its new boundary, and the best setting is stored.

The bundled ring starts with the sextupoles of every fifth cell off, the others stronger, and ten families. SPEAR3
starts with two families that correct its chromaticities; the eighteen families compatible with its symmetry are varied.
Finally apertures are computed with more turns and finer rays.

Limits of the proxy: particles well inside contain little information about the boundary, and those beyond it none,
since derivatives of chaotic orbits grow exponentially: they are identified by a neighbour that starts 1e-9 away and
excluded, since the gradient would be noise. It covers few turns, and no resonances that act over thousands. A lower
proxy does not always mean a larger aperture: near the boundary found in the bundled ring, the design has the higher
proxy (both are printed), and twice the aperture. Therefore the best computed aperture is selected. Apertures are
uncertain too: the boundary is chaotic, and another integrator changes areas by some per cent, as much as the difference
between SPEAR3's design and the result.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import null_space

import gputrack as gt

MOMENTA = (-0.02, 0.0, 0.02)
RADIUS = 0.05  # of the apertures [m]
TURNS, RAYS, LOOK = 32, 16, 4  # of the proxy, of one step; steps between two computations of the aperture
NEAR, CHAOS, HALF = (0.8, 1.0), 300.0, 0.3  # fractions of the boundary; growth of a distance; spread at half saturation
MEMORY = 0.7  # share of the earlier directions in a step


@dataclass(frozen=True)
class Study:
    """Ring, families as a matrix (places, n), strengths [m^-3], and length of a step."""

    ring: gt.Lattice
    knobs: gt.Knobs
    share: np.ndarray
    start: np.ndarray
    design: np.ndarray
    step: float

    def at(self, strengths: Any) -> gt.Lattice:
        return self.ring.with_knobs(self.knobs, anp.dot(self.share, strengths))


@dataclass(frozen=True)
class Look:
    """Aperture during the optimisation: step, strengths and scans at all momenta."""

    step: int
    strengths: np.ndarray
    scans: list[gt.DynamicAperture]

    @property
    def mean(self) -> float:
        return float(np.mean([scan.area for scan in self.scans]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="spear3.madx; default: the bundled ring")
    parser.add_argument("--steps", type=int, default=60, help="along gradients")
    parser.add_argument("--turns", type=int, default=256, help="turns of apertures during the optimisation")
    parser.add_argument("--check", type=int, default=1000, help="turns of the final apertures")
    parser.add_argument("--angles", type=int, default=13, help="rays of apertures; twice as many for the final ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of the apertures")
    parser.add_argument("--picture", type=Path, default=Path(__file__).parent / "pictures" / "aperture_by_gradient.png")
    arguments = parser.parse_args()
    study = bundled() if arguments.lattice is None else spear3(arguments.lattice)
    print(study.ring)
    check_gradient(study, arguments)
    looks = enlarged(study, arguments)
    found = max(looks, key=lambda look: look.mean)
    print(f"\nstrengths [m^-3] at the start {np.round(study.start, 2)}\nfound in step {found.step}", end=" ")
    print(np.round(found.strengths, 2))
    held = [chromaticities(study)(strengths) for strengths in (study.start, found.strengths)]
    print("chromaticities {:.9f} {:.9f}, before {:.9f} {:.9f}".format(*held[1], *held[0]))
    np.testing.assert_allclose(held[1], held[0], atol=1e-7)
    ends = checked(study, found.strengths, arguments)
    beam = starts(study, found, np.random.default_rng(arguments.seed))
    values = [proxy(study, beam)(strengths) for strengths in (found.strengths, study.design)]
    print("proxy next to the rim found: {:.4f}, of the design {:.4f} (nan where it loses one)".format(*values))
    draw(study, looks, ends, arguments.picture)
    print(f"picture: {arguments.picture}")


def bundled() -> Study:
    ring = bare(gt.demo_ring())
    cells = ("16", "27", "38", "49", "50")
    knobs = ring.knobs(*(f"sd.?[{c}]?.k2" for c in cells), *(f"sf.?[{c}].k2" for c in cells))
    start = knobs.values * np.tile([0.0, 1.25, 1.25, 1.25, 1.25], 2)
    return Study(ring, knobs, np.eye(10), start, knobs.values, 8.0)


def spear3(path: Path) -> Study:
    ring = bare(gt.load(path))
    knobs = ring.knobs("sd.k2", "sf.k2", "sdm.k2", "sfm.k2", each=True)
    names, design = alike(ring, knobs)
    families = list(dict.fromkeys(names))
    share = np.array([[name == family for family in families] for name in names], dtype=float)
    mean = share.T @ design / share.sum(axis=0)
    free = Study(ring, knobs, share, mean, mean, 0.5)
    two = np.array([[family[0] == name for name in ("sd", "sf")] for family in families], dtype=float)
    response, zero = gt.jacobian(chromaticities(free))(free.design), np.zeros(len(families))
    start = two @ np.linalg.solve(response @ two, chromaticities(free)(free.design) - chromaticities(free)(zero))
    return Study(ring, knobs, share, start, free.design, 0.5)


def bare(ring: gt.Lattice) -> gt.Lattice:
    """Magnets only: no vacuum chamber, constant momentum."""
    magnets = [element.replaced(aperture=None) for element in ring]
    return gt.Lattice(magnets, ring.reference, name=ring.name, model=ring.model).with_changes("rf", voltage=0.0)


def alike(ring: gt.Lattice, knobs: gt.Knobs) -> tuple[list[tuple[str, float]], np.ndarray]:
    """Name and distance from the nearest point of mirror symmetry, two in a ring and two between; strengths."""
    places = [knob.places[0] for knob in knobs]
    middle = np.array([ring.s[i] + 0.5 * ring[i].length for i in places]) % (0.5 * ring.length)
    distance = np.minimum(middle, 0.5 * ring.length - middle)
    return [(ring[i].name, round(float(d), 3)) for i, d in zip(places, distance, strict=True)], knobs.values


def chromaticities(study: Study) -> Callable[[Any], Any]:
    def both(strengths: Any) -> Any:
        tw = gt.twiss(study.at(strengths))
        return anp.stack([tw.dqx, tw.dqy])

    return both


def scans_of(study: Study, strengths: np.ndarray, turns: int, angles: int, device: str) -> list[Any]:
    shape = gt.Polar(radius=RADIUS, angles=angles, steps=50)
    ring, xp = study.at(strengths), "cupy" if device == "cuda" else "numpy"
    return [gt.dynamic_aperture(ring, shape, turns=turns, delta=delta, xp=xp) for delta in MOMENTA]


def starts(study: Study, look: Look, rng: np.random.Generator) -> np.ndarray:
    """New particles (6, n) near the boundary, about the orbit of each momentum; only regular ones."""
    angles, beams = np.sort(rng.uniform(0.0, np.pi, RAYS)), []
    nearness = rng.uniform(*NEAR, 3)
    for scan in look.scans:
        rim = np.maximum(np.hypot(*scan.boundary.T), RADIUS / scan.shape.steps)
        radius = (np.interp(angles, scan.shape.angles, rim) * nearness[:, None]).ravel()
        beam = np.repeat(scan.orbit[:, None], radius.size, axis=1)
        beam[0] += radius * np.tile(np.cos(angles), 3)
        beam[2] += radius * np.tile(np.sin(angles), 3)
        beams.append(beam)
    beam = np.concatenate(beams, axis=1)
    return beam[:, regular(study, look.strengths, beam)]


def regular(study: Study, strengths: np.ndarray, beam: np.ndarray) -> np.ndarray:
    """Mask of particles whose neighbours stay near."""
    ring, aside = study.at(strengths), 1e-9 * np.array([1.0, 0.1, 1.0, 0.1, 0.0, 0.0])[:, None]
    out = gt.track(ring, gt.Beam(np.concatenate([beam, beam + aside], axis=1), ring.reference), TURNS)
    alive = np.logical_and(*np.split(out.alive, 2))
    first, second = np.split(out.coordinates, 2, axis=1)
    tw = gt.linear_optics(ring)
    growth = action(tw, second[:4] - first[:4]).sum(axis=0) / action(tw, aside[:4]).sum(axis=0)
    return alive & (growth < CHAOS**2)


def action(tw: Any, q: Any) -> Any:
    """(2, ...) Twice the actions in x and y, for distances (4, ...) at the start, where both alphas are 0."""
    betx, bety = tw.betx[0], tw.bety[0]
    return anp.stack([q[0] ** 2 / betx + q[1] ** 2 * betx, q[2] ** 2 / bety + q[3] ** 2 * bety])


def proxy(study: Study, beam: np.ndarray) -> Callable[[Any], Any]:
    """Mean over particles of the saturated spread of actions."""
    tw, end = gt.linear_optics(study.ring), study.ring[-1].name
    assert abs(tw.alfx[0]) < 1e-3 and abs(tw.alfy[0]) < 1e-3

    def spread(strengths: Any) -> Any:
        ring = study.at(strengths)
        record = gt.track(ring, gt.Beam(beam, ring.reference), TURNS, monitors=[gt.Monitor(end)]).records[0]
        q = record.coordinates[:, -1, :4]  # turns, coordinates, particles
        from_orbit = anp.moveaxis(q - anp.mean(q, axis=0), 1, 0)
        actions = action(tw, from_orbit)
        variance = anp.sum(anp.var(actions, axis=1), axis=0) / anp.mean(anp.sum(actions, axis=0), axis=0) ** 2
        return anp.mean(variance / (variance + HALF))

    return spread


def check_gradient(study: Study, arguments: Any) -> None:
    """Compare the gradient with central differences, and print its cost."""
    scans = scans_of(study, study.start, arguments.turns, arguments.angles, arguments.device)
    beam = starts(study, Look(0, study.start, scans), np.random.default_rng(arguments.seed))
    goal, derivative = proxy(study, beam), gt.value_and_grad(proxy(study, beam))
    direction = np.random.default_rng(0).normal(size=study.start.size)
    exact = derivative(study.start)[1] @ direction
    sides = [goal(study.start + sign * 1e-4 * direction) for sign in (-1, 1)]
    difference = (sides[1] - sides[0]) / 2e-4
    seconds = [min(timed(function, study.start) for _ in range(3)) for function in (goal, derivative)]
    print(f"proxy of {beam.shape[1]} particles and {TURNS} turns: {1e3 * seconds[0]:.0f} ms;", end=" ")
    print(f"with derivatives to {study.start.size} families (of {len(study.share)} knobs)", end=" ")
    print(f"{seconds[1] / seconds[0]:.1f} times as long")
    print(f"slope along a random direction {exact:.9g}, by differences {difference:.9g}")
    np.testing.assert_allclose(exact, difference, rtol=1e-3)


def timed(function: Callable[[Any], Any], strengths: np.ndarray) -> float:
    begin = time.perf_counter()
    function(strengths)
    return time.perf_counter() - begin


def enlarged(study: Study, arguments: Any) -> list[Look]:
    """Steps of constant length along averaged gradients of new particles; restart from the best after two failures."""
    rng = np.random.default_rng(arguments.seed)
    free = null_space(gt.jacobian(chromaticities(study))(study.start))
    strengths, step, mean, vain = study.start, study.step, np.zeros(free.shape[1]), 0
    looks: list[Look] = []
    print(f"\n{'step':>4} {'proxy':>7} {'length':>7}   areas [mm^2] at delta = {MOMENTA}")
    for number in range(arguments.steps + 1):
        if number % LOOK == 0:
            scans = scans_of(study, strengths, arguments.turns, arguments.angles, arguments.device)
            latest = Look(number, strengths, scans)
            best = max(looks, key=lambda look: look.mean, default=latest)
            looks.append(latest)
            vain = 0 if latest.mean >= best.mean else vain + 1
            if vain == 2:
                latest, strengths, step, mean, vain = best, best.strengths, 0.6 * step, 0.0 * mean, 0
        here = Look(number, strengths, latest.scans)
        value, slope = gt.value_and_grad(proxy(study, starts(study, here, rng)))(strengths)
        if number % LOOK == 0:
            print(f"{number:>4} {value:>7.4f} {step:>7.3f}  ", *(f"{1e6 * scan.area:7.1f}" for scan in looks[-1].scans))
        downhill = free.T @ slope
        mean = MEMORY * mean + (1.0 - MEMORY) * downhill / np.linalg.norm(downhill)
        strengths = strengths - step * free @ (mean / np.linalg.norm(mean))
    return looks


def checked(study: Study, found: np.ndarray, arguments: Any) -> dict[str, list[gt.DynamicAperture]]:
    """Apertures with more turns and finer rays: at the start, found, and of the design."""
    ends, angles = {}, 2 * arguments.angles - 1
    print(f"\nareas [mm^2] after {arguments.check} turns, {angles} rays, at delta = {MOMENTA}")
    for label, strengths in (("start", study.start), ("found", found), ("design", study.design)):
        ends[label] = scans_of(study, strengths, arguments.check, angles, arguments.device)
        areas = np.array([1e6 * scan.area for scan in ends[label]])
        print(f"{label:>7}", *(f"{area:7.1f}" for area in areas), f"  mean {areas.mean():7.1f}")
    before, after = (np.mean([scan.area for scan in ends[label]]) for label in ("start", "found"))
    print(f"mean area {100 * (after / before - 1):+.0f} %")
    assert after > (1.02 if arguments.lattice else 1.2) * before, "the aperture has grown"
    return ends


def draw(study: Study, looks: list[Look], ends: dict[str, list[gt.DynamicAperture]], picture: Path) -> None:
    """Apertures on and off momentum, and areas over steps."""
    figure, (on, off, way) = plt.subplots(1, 3, figsize=(15.0, 4.6), layout="constrained")
    styles = {"start": ("#8a939c", 1.5), "design": ("#d9730d", 1.0), "found": ("#1f5fa8", 2.0)}
    for label, (colour, width) in styles.items():
        for delta, scan in zip(MOMENTA, ends[label], strict=True):
            axis, style = (off if delta else on), ("--" if delta < 0.0 else "-")
            text = f"{label}{f', {100 * delta:+g} %' if delta else ''}: {1e6 * scan.area:.0f} mm²"
            axis.plot(*(1e3 * scan.boundary.T), style, color=colour, lw=width, label=text)
    for axis, title in ((on, "on momentum"), (off, "off momentum")):
        axis.set(xlabel="x from the closed orbit [mm]", ylabel="y [mm]")
        axis.set_title(f"{study.ring.name}, {title}, {ends['start'][0].turns} turns")
        axis.set_ylim(0.0, 1.5 * axis.get_ylim()[1])
        axis.legend(loc="upper center", fontsize=8, ncols=2 if axis is off else 1)
        axis.grid(alpha=0.3)
    steps = [look.step for look in looks]
    for i, (delta, colour) in enumerate(zip(MOMENTA, ("tab:orange", "tab:blue", "tab:green"), strict=True)):
        areas = [1e6 * look.scans[i].area for look in looks]
        way.plot(steps, areas, "o-", ms=3, color=colour, label=f"delta = {delta:g}")
    found = max(looks, key=lambda look: look.mean)
    way.axvline(found.step, color="k", ls=":", lw=1, label="found")
    way.set(xlabel="step along the gradient", ylabel="area [mm²]", title=f"{looks[0].scans[0].turns} turns, on the way")
    way.legend(fontsize=8)
    way.grid(alpha=0.3)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
