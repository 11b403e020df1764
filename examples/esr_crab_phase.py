"""Set the phase advance between two crab cavities, by steepest descent and by a match that preserves the optics.

    python examples/esr_crab_phase.py [--lattice esr.madx] [--picture examples/pictures/esr_crab_phase.png]

With the lattice of the EIC's electron storage ring: the phase advance from one crab cavity past interaction point 6 to
the other is set to 2 pi by seven quadrupoles. The published study takes fixed steps along the gradient; its numbers are
asserted. It ends near an integer tune with distorted optics, and a further step would be unstable. `gt.match` requires
the advance, both tunes, and the optics at the start of the ring and outside the insertion at once. Without a lattice
the same is done in the bundled ring, between straight sections 19 and 3.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

import gputrack as gt
from gputrack.base.errors import InputError

#: of the ESR: excess of the phase advance at each step [rad], and its derivatives at the start [rad m^2]
STEPS = [0.085363, 0.082633, 0.079703, 0.076534, 0.073073, 0.069246, 0.064943, 0.059992, 0.054092, 0.046642, 0.036051]
STEPS += [0.012581]
SLOPES = [2.34639, 0.608572, 0.154673, 1.598417, 1.234561, 2.616084, 3.164613]
CLOSE = 0.015  # rad, at which the published descent ends
Steps = list[tuple[np.ndarray, float, np.ndarray]]


@dataclass(frozen=True)
class Task:
    """Phase advance across the start of a ring.

    The descent varies `knobs` from `start` with a fixed `step`; the match also varies `further` ones. The advance is
    that from the exit of element `first` to that of `last` in the next turn, minus `turns`. The optics at three rows
    are `held` within `limit`: at the start, and at both ends of the part outside the insertion.
    """

    ring: gt.Lattice
    knobs: gt.Knobs
    start: np.ndarray
    step: float
    further: gt.Knobs
    first: int
    last: int
    turns: float
    held: list[int]
    limit: float

    def excess(self, tw: gt.Twiss) -> Any:
        """Phase advance minus its goal [rad]."""
        return 2.0 * math.pi * (tw.mux[self.last + 1] + tw.qx - tw.mux[self.first + 1] - self.turns)

    def at(self, values: Any) -> Any:
        """Excess as a function of the knobs of the descent."""
        return self.excess(gt.twiss(self.ring.with_knobs(self.knobs, values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lattice", type=Path, help="esr.madx")
    parser.add_argument("--picture", type=Path, default=Path("esr_crab_phase.png"))
    arguments = parser.parse_args()
    task = bundled() if arguments.lattice is None else esr(arguments.lattice)
    print(task.ring)
    steps = descend(task)
    check_gradient(task, steps[0])
    plain = task.ring.with_knobs(task.knobs, steps[-1][0])
    beyond = next_step(task, steps[-1])
    print(f"one step more: {beyond}")
    if arguments.lattice is not None:
        np.testing.assert_allclose([excess for _, excess, _ in steps], STEPS, atol=6e-7)
        np.testing.assert_allclose(steps[0][2], SLOPES, atol=6e-6)
        assert "unstable" in beyond
        print("as published, to all digits")
    found = matched(task)
    compare(task, plain, found)
    draw(task, steps, plain, found, arguments.picture)
    print(f"picture: {arguments.picture}")


def bundled() -> Task:
    ring = gt.demo_ring().with_changes("rf", voltage=0.0)
    names = ("qf.01a", "qd.01a", "qf.01b", "qf.02a", "qf.20b", "qd.20b", "qf.20a")
    inner = ring.knobs(*(f"{name}.k1" for name in names))
    cells = ("17", "18", "19", "20", "01", "02", "03", "04")
    further = ring.knobs(*(f"q*.{cell}?.k1" for cell in cells), each=True)
    first, last, *outside = (ring.names.index(name) for name in ("id.19", "id.03", "bpm.05a", "bpm.16c"))
    return Task(ring, inner, inner.values, 1e-3, further, first, last, 3.0, [0, *outside], 1e-6)


def esr(path: Path) -> Task:
    """Elements counted from 1 as published: cavities 35 and 5533, seven quadrupoles that are nearly off."""
    ring = gt.load(path)
    inner = ring.knobs(*(f"{ring[number - 1].name}.k1" for number in (9, 13, 17, 23, 27, 31, 5537)))
    straight = ring.knobs("q[2-9]er_6.k1", "q1[0-5]er_6.k1", "q[2-9]ef_6.k1", "q1[01]ef_6.k1", each=True)
    further = inner + straight + ring.knobs("hqf_7.k1", "hqd_7.k1")
    outside = [ring.names.index("q15er_6") + 1, ring.names.index("q11ef_6")]
    trifle = 1e-6 * np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    return Task(ring, inner, trifle, 1e-4, further, 5532, 34, 1.0, [0, *outside], 0.05)


def descend(task: Task) -> Steps:
    """Fixed steps along the gradient, until close."""
    derivative, values, steps = gt.value_and_grad(task.at), task.start, []
    print(f"steepest descent by {len(task.knobs)} quadrupoles:\n step  excess [rad]  largest k1 change")
    while not steps or steps[-1][1] > CLOSE:
        excess, slopes = derivative(values)
        steps.append((values, float(excess), slopes))
        print(f"{len(steps):>5} {excess:>13.6f} {np.abs(values - task.start).max():>18.6f}")
        assert len(steps) < 100, "it comes closer with each step"
        values = values - task.step * slopes
    return steps


def next_step(task: Task, last: tuple[np.ndarray, float, np.ndarray]) -> str:
    """Result of one step more: the excess, or the reason for which there is none."""
    try:
        return f"excess {task.at(last[0] - task.step * last[2]):.6f} rad"
    except InputError as error:
        return str(error)


def check_gradient(task: Task, first: tuple[np.ndarray, float, np.ndarray]) -> None:
    """Compare exact derivatives with central differences for several steps."""
    values, _, exact = first
    print("derivatives by", ", ".join(knob.handle for knob in task.knobs), "\n  exact   ", np.round(exact, 6))
    errors = []
    for step in (1e-4, 1e-5, 1e-6, 1e-7):
        found = differences(task, values, step)
        errors.append(np.abs(found - exact).max() / np.abs(exact).max())
        print(f"  by {step:g}", np.round(found, 6), f"off by {errors[-1]:.1e}")
    assert min(errors) < 1e-6


def differences(task: Task, values: np.ndarray, step: float) -> np.ndarray:
    sides = step * np.eye(len(values))
    return np.array([(task.at(values + side) - task.at(values - side)) / (2.0 * step) for side in sides])


def matched(task: Task) -> gt.Match:
    """Match of advance and tunes, with limits on the optics at three rows."""
    before = gt.twiss(task.ring)

    def apart(tw: gt.Twiss) -> Any:
        """Relative changes of beta, and the corresponding changes of alpha."""
        parts = []
        for beta, alpha in (("betx", "alfx"), ("bety", "alfy")):
            ratio = getattr(tw, beta)[task.held] / getattr(before, beta)[task.held]
            parts += [ratio - 1.0, getattr(tw, alpha)[task.held] - ratio * getattr(before, alpha)[task.held]]
        return anp.concatenate(parts)

    def dispersion(tw: gt.Twiss) -> Any:
        return tw.dx[task.held] - before.dx[task.held]

    targets = [gt.Target(task.excess, 0.0), *(gt.Target(q, float(getattr(before, q))) for q in ("qx", "qy"))]
    targets.append(gt.Target(apart, minimum=-task.limit, maximum=task.limit))
    targets.append(gt.Target(dispersion, minimum=-2.0 * task.limit, maximum=2.0 * task.limit))
    found = gt.match(task.ring, task.further, targets)
    assert found.success, found.failure
    return found


def compare(task: Task, plain: gt.Lattice, found: gt.Match) -> None:
    """Print quantities before, after the descent, and after the match, which must preserve the optics."""
    print(f"match: {len(found.knobs)} knobs, {found.steps} evaluations")
    print(f"{'':<18} {'excess [rad]':>12} {'qx':>11} {'qy':>11} {'betx, bety at start':>22} {'largest':>20}")
    optics = [gt.twiss(lattice) for lattice in (task.ring, plain, found.lattice)]
    for label, tw in zip(("before", "steepest descent", "match"), optics, strict=True):
        betas = f"{tw.betx[0]:>11.5f} {tw.bety[0]:>10.5f} {tw.betx.max():>10.2f} {tw.bety.max():>9.2f}"
        print(f"{label:<18} {task.excess(tw):>12.8f} {tw.qx:>11.7f} {tw.qy:>11.7f} {betas}")
    before, distorted, preserved = optics
    assert abs(task.excess(preserved)) < 1e-8 and abs(preserved.qx - before.qx) + abs(preserved.qy - before.qy) < 1e-8
    for name in ("betx", "bety"):
        assert abs(getattr(preserved, name)[0] / getattr(before, name)[0] - 1.0) <= task.limit + 1e-8
    assert abs(distorted.qx - before.qx) > 1e-3
    assert beat(preserved, before, task).max() < 0.5 * beat(distorted, before, task).max()


def beat(tw: gt.Twiss, before: gt.Twiss, task: Task) -> np.ndarray:
    """Relative change of beta_x outside the insertion."""
    return np.abs(tw.betx / before.betx - 1.0)[task.held[1] : task.held[2] + 1]


def draw(task: Task, steps: Steps, plain: gt.Lattice, found: gt.Match, picture: Path) -> None:
    """Draw the excess at each step, and the change of beta around the ring."""
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(14.0, 4.6), layout="constrained", width_ratios=(1, 1.6, 1)
    )
    orange, blue = "#d9730d", "#1f5fa8"
    left.plot([excess for _, excess, _ in steps], "o-", color=orange, label="steepest descent")
    left.plot(len(steps) - 1, float(task.excess(gt.twiss(found.lattice))), "*", ms=13, color=blue, label="match", ls="")
    left.axhline(0.0, color="black", lw=0.8)
    left.set(xlabel="step", ylabel=f"phase advance $-$ {task.turns:g} · 2π [rad]", title="between the cavities")
    left.legend()
    before = gt.twiss(task.ring)
    for lattice, label, color in ((plain, "steepest descent", orange), (found.lattice, "match", blue)):
        tw = gt.twiss(lattice)
        middle.plot(tw.s, tw.betx / before.betx, color=color, lw=0.8, label=label)
    middle.axhline(1.0, color="black", lw=0.8)
    middle.set(
        xlabel="s [m]",
        ylabel=r"$\beta_x$ / $\beta_x$ before",
        title="change of the optics",
        xlim=(0.0, before.s[-1]),
    )
    if beat(gt.twiss(plain), before, task).max() > 1.0:
        middle.set_yscale("log")
        middle.set_yticks([0.2, 0.5, 1.0, 2.0, 5.0], ["0.2", "0.5", "1", "2", "5"], minor=False)
        middle.yaxis.set_minor_formatter(NullFormatter())
    middle.legend(loc="lower right")
    for i, (lattice, label, color) in enumerate(
        ((task.ring, "before", "#b8c0c8"), (plain, "steepest descent", orange), (found.lattice, "match", blue))
    ):
        tw = gt.twiss(lattice)
        right.bar(np.arange(2) + 0.27 * (i - 1), [tw.qx % 1.0, tw.qy % 1.0], 0.27, color=color, label=label)
    right.set_xticks([0, 1], ["$Q_x$", "$Q_y$"])
    right.set(ylabel="fractional tune", title="tunes")
    right.legend()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
