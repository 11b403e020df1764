"""Frequency map of a storage ring: regular amplitudes, and the resonances that cause diffusion of others.

    python examples/frequency_map.py [--lattice ring.madx] [--points 80] [--turns 256] [--device cuda]

Particles start on a grid; the tunes of each are computed in two successive intervals of turns. Their difference is the
diffusion, shown as colour: on the left as a function of the initial position, on the right of the tunes, with
resonances up to fifth order. Near the closed orbit the tunes agree with the Twiss parameters, and their derivatives
with respect to the actions with the normal form of the one-turn map; the motion is regular there, and chaotic near the
boundary.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import gputrack as gt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="MAD-X or JSON file; default: the bundled ring")
    parser.add_argument("--points", type=int, default=80, help="in x, half as many in y")
    parser.add_argument("--turns", type=int, default=256, help="in each span")
    parser.add_argument("--size", type=float, nargs=2, default=(0.03, 0.015), help="of the grid [m]")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--file", type=Path, help="file of the scan, from which an interrupted one is resumed")
    parser.add_argument("--picture", type=Path, default=Path("frequency_map.png"))
    arguments = parser.parse_args()
    ring = coasting_without_apertures(gt.load(arguments.lattice) if arguments.lattice else gt.demo_ring())
    shape = gt.Grid(x=(2e-4, arguments.size[0], arguments.points), y=(2e-4, arguments.size[1], arguments.points // 2))
    xp = "cupy" if arguments.device == "cuda" else "numpy"
    scan = gt.frequency_map(ring, shape, turns=arguments.turns, file=arguments.file, progress=True, xp=xp)
    print(scan)
    check(ring, scan)
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    scan.plot().savefig(arguments.picture, dpi=110)
    print(f"picture: {arguments.picture}")


def coasting_without_apertures(ring: gt.Lattice) -> gt.Lattice:
    """Magnets only, so that motion is limited only by their fields."""
    plain = [element.replaced(aperture=None) for element in ring]
    quiet = [element.replaced(voltage=0.0) if isinstance(element, gt.RFCavity) else element for element in plain]
    return gt.Lattice(quiet, ring.reference, name=ring.name, model=ring.model)


def check(ring: gt.Lattice, scan: gt.FrequencyMap) -> None:
    """Check tunes at the smallest amplitude with the normal form; regular motion inside, chaotic motion outside."""
    form = gt.one_turn_map(ring, order=3).normal_form()
    coordinates = np.zeros((6, 1))
    coordinates[[0, 2], 0] = scan.shape.offsets()[:, 0]
    phasors = form.transformation.inverse().evaluate(coordinates)
    actions = abs(phasors[0, 0]) ** 2, abs(phasors[2, 0]) ** 2
    for plane, name in enumerate("xy"):
        expected = form.tune(plane) % 1.0
        expected += sum(form.tune(plane, power) * j for power, j in zip(((1, 0), (0, 1)), actions, strict=True))
        found = scan.values[plane, 0]
        print(f"Q{name} at the smallest amplitude: {found:.8f}, of the normal form {expected:.8f}")
        assert abs(found - expected) < 1e-6, f"tune {name}"
    assert scan.diffusion[0] < -8.0, "regular next to the closed orbit"
    radius = np.hypot(*(scan.shape.offsets() / scan.shape.offsets()[:, -1:]))
    inner, outer = (scan.diffusion[which & scan.survived] for which in (radius < 0.25, radius > 0.9))
    print(f"median diffusion: {np.median(inner):.2f} inside, {np.median(outer):.2f} at the rim")
    assert np.median(outer) > np.median(inner) + 2.0, "chaos grows towards the rim"


if __name__ == "__main__":
    main()
