"""Match tunes and chromaticities of a storage ring, with a limit on beta; each step with the exact Jacobian.

    python examples/match_tunes.py [--qx 15.28] [--qy 6.36] [--picture examples/pictures/match_tunes.png]

Two families of quadrupoles and two of sextupoles are varied together. Chromaticities depend on all four; derivatives
come from backward sweeps through the ring, so that Newton's method converges quadratically. The second match also
limits beta at every place of the ring, with three further families.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qx", type=float, default=15.28)
    parser.add_argument("--qy", type=float, default=6.36)
    parser.add_argument("--picture", type=Path, default=Path("match_tunes.png"))
    arguments = parser.parse_args()
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    tunes = [gt.Target("qx", arguments.qx), gt.Target("qy", arguments.qy)]
    chromaticities = [gt.Target("dqx", 2.0), gt.Target("dqy", 3.0)]

    families = ring.knobs("qf.*.k1", "qd.*.k1", "sf.*.k2", "sd.*.k2")
    print("tunes and chromaticities by four families:")
    plain = gt.match(ring, families, [*tunes, *chromaticities], report=print)
    print(plain)
    check(plain, arguments.qx, arguments.qy)
    assert plain.steps <= 7, "Newton's method needs few steps"
    peak = gt.twiss(plain.lattice).bety.max()

    print("\nwith a limit on beta_y everywhere, below the result of the first match:")
    more = families + ring.knobs("qfc.*.k1", "bend.*.e1", "bend.*.e2")
    below = gt.Target("bety", maximum=0.97 * peak, at="*")
    bounds = [(-np.inf, np.inf)] * 5 + [(-0.1, 0.1)] * 2
    limited = gt.match(ring, more, [*tunes, *chromaticities, below], bounds=bounds, report=print)
    print(limited)
    check(limited, arguments.qx, arguments.qy)
    assert gt.twiss(limited.lattice).bety.max() <= 0.97 * peak + 1e-9
    draw(ring, (plain, limited), arguments.picture)
    print(f"picture: {arguments.picture}")


def check(found: gt.Match, qx: float, qy: float) -> None:
    """Check that the matched lattice meets the targets."""
    assert found.success, found.failure
    tw = gt.twiss(found.lattice)
    np.testing.assert_allclose([tw.qx, tw.qy, tw.dqx, tw.dqy], [qx, qy, 2.0, 3.0], atol=1e-8)


def draw(ring: gt.Lattice, found: Sequence[gt.Match], picture: Path) -> None:
    """Draw beta functions of one cell before and after, and the largest deviation at each step."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12.0, 4.5), layout="constrained", width_ratios=(1.6, 1.0))
    last = gt.Slices(20)
    labels = ("before", "matched", "matched, with a limit")
    for lattice, label, style in zip((ring, *(m.lattice for m in found)), labels, ("-", "--", ":"), strict=True):
        tw = gt.twiss(lattice, at=last)
        first = tw.s <= 12.0
        left.plot(tw.s[first], tw.betx[first], style, color="#1f5fa8", label=rf"$\beta_x$ {label}")
        left.plot(tw.s[first], tw.bety[first], style, color="#d9730d", label=rf"$\beta_y$ {label}")
    left.set(xlabel="s [m]", ylabel=r"$\beta$ [m]", title="first cell")
    left.legend(fontsize=8, ncols=3, loc="upper center")
    left.set_ylim(0.0, 1.25 * left.get_ylim()[1])
    for match, label, mark in zip(found, labels[1:], "os", strict=True):
        numbers, misses = zip(*((step.number, max(step.miss, 1e-16)) for step in match.history), strict=True)
        right.semilogy(numbers, misses, f"{mark}-", label=label)
    right.xaxis.get_major_locator().set_params(integer=True)
    right.set(xlabel="evaluation of the optics", ylabel="largest deviation from a target", title="exact Jacobian")
    right.grid(alpha=0.3)
    right.legend()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
