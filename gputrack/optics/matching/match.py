"""Matching: values of knobs for required values of the optics, by least squares with exact Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp

from gputrack.base.arguments import CALLABLE, NUMBER, arguments, instance, integer, optional
from gputrack.base.arrays import untraced
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.twiss import twiss
from gputrack.optics.matching.least_squares import Rows, solve
from gputrack.optics.matching.match_result import Match, Step
from gputrack.optics.matching.target import Target


@arguments(
    lattice=LATTICE, targets=instance((list, tuple), "a list of gputrack.Target"), delta=NUMBER, tolerance=NUMBER,
    steps=integer(1), report=optional(CALLABLE),
)  # fmt: skip
def match(
    lattice: Lattice,
    knobs: Knobs,
    targets: Sequence[Target],
    *,
    start: Any = None,
    delta: float = 0.0,
    bounds: Sequence[tuple[float, float]] | None = None,
    tolerance: float = 1e-9,
    steps: int = 100,
    report: Callable[[Step], None] | None = None,
) -> Match:
    """Find values of knobs such that targets are met, by least squares; see `gputrack.optics.matching.least_squares`.

    Each row of the Jacobian is computed exactly by one backward sweep through the ring, independent of the number of
    knobs; rows of limits that are satisfied are not computed.

    Parameters
    ----------
    lattice : Lattice
    knobs : Knobs
    targets : sequence of Target
    start : InitialTwiss, optional
        Initial values of a beam line; default: the periodic optics of a ring.
    delta : float
        Relative momentum deviation.
    bounds : sequence of (lower, upper), optional
        Bounds of each knob; default infinite.
    tolerance : float
        Largest weighted deviation for success.
    steps : int
        Maximum number of evaluations of the optics.
    report : callable, optional
        Called with each `Step`.

    Returns
    -------
    Match
        Also if targets are not met: `failure` lists these targets and the knobs at their bounds.

    Raises
    ------
    InputError
        An argument is invalid, or the lattice has no stable optics for the initial values of the knobs.
    """
    chosen = tuple(targets)
    if not chosen or not all(isinstance(target, Target) for target in chosen):
        raise InputError(f"match: targets must be gputrack.Target objects, got {short(targets)}")
    if not isinstance(knobs, Knobs) or not len(knobs):
        raise InputError(f"match: knobs must be lattice.knobs(...), got {short(knobs)}")
    lower, upper = _bounds(knobs, bounds)
    problem = _Problem(lattice, knobs, chosen, start, delta, report)
    values = solve(
        problem.values, problem.derivatives, problem.rows(), np.array(knobs.values), (lower, upper),
        1e-3 * tolerance, lambda: len(problem.history) >= steps,
    )  # fmt: skip
    reached = tuple(np.asarray(values) for values in problem.reached(values))
    misses = tuple(np.asarray(t.miss(r)) for t, r in zip(chosen, reached, strict=True))
    at_limit = tuple(k.handle for k, v, *ends in zip(knobs, values, lower, upper, strict=True) if v in ends)
    return Match(
        lattice.with_knobs(knobs, values), knobs, values, chosen, reached, misses, tolerance, tuple(problem.history),
        at_limit, np.stack([lower, upper], axis=1),
    )  # fmt: skip


def _bounds(knobs: Knobs, bounds: Sequence[tuple[float, float]] | None) -> tuple[np.ndarray, np.ndarray]:
    if bounds is None:
        return np.full(len(knobs), -np.inf), np.full(len(knobs), np.inf)
    try:
        table = np.array(bounds, dtype=float)
    except (TypeError, ValueError, OverflowError):
        table = np.zeros(0)
    if table.shape != (len(knobs), 2) or not (table[:, 0] < table[:, 1]).all():
        raise InputError(f"match: bounds must be {len(knobs)} pairs (lower, upper), lower < upper, got {short(bounds)}")
    for knob, (low, high) in zip(knobs, table, strict=True):
        if not low <= knob.value <= high:
            raise InputError(f"match: knob {knob.handle!r} starts at {knob.value:.10g}, outside ({low:g}, {high:g})")
    return table[:, 0], table[:, 1]


@dataclass
class _Problem:
    """Values of the targets as functions of the knobs."""

    lattice: Lattice
    knobs: Knobs
    targets: tuple[Target, ...]
    start: Any
    delta: float
    report: Callable[[Step], None] | None
    history: list[Step] = field(default_factory=list)
    sizes: tuple[int, ...] = ()  # number of places of each target

    def reached(self, values: Any) -> list[Any]:
        """Values of each target."""
        optics = twiss(self.lattice.with_knobs(self.knobs, values), start=self.start, delta=self.delta)
        return [target.found(optics) for target in self.targets]

    def rows(self) -> Rows:
        """Conditions on all values; errors of the initial lattice are raised."""
        self.sizes = tuple(len(untraced(found)) for found in self.reached(np.array(self.knobs.values)))
        ends = [(t.value, t.value) if not t.limit else (t.minimum, t.maximum) for t in self.targets]
        low = [-np.inf if low is None else low for low, _ in ends]
        high = [np.inf if high is None else high for _, high in ends]
        return Rows(*(np.repeat(column, self.sizes) for column in (low, high, [t.weight for t in self.targets])))

    def values(self, values: np.ndarray) -> np.ndarray | None:
        """Values of all targets; None if there are no stable optics, so that the search reduces the step."""
        try:
            reached = [np.asarray(untraced(found)) for found in self.reached(values)]
        except InputError:
            self._record(None)
            return None
        self._record(reached)
        return np.concatenate(reached)

    def _record(self, reached: Sequence[np.ndarray] | None) -> None:
        misses = [np.full(1, np.inf)] * len(self.targets)
        if reached is not None:
            misses = [target.miss(found) for target, found in zip(self.targets, reached, strict=True)]
        largest = [float(np.abs(miss).max()) for miss in misses]
        cost = float(sum(miss @ miss for miss in misses))
        index = int(np.argmax(largest))
        step = Step(len(self.history) + 1, cost, largest[index], self.targets[index])
        self.history.append(step)
        if self.report is not None:
            self.report(step)

    def derivatives(self, values: np.ndarray) -> Callable[[int], np.ndarray]:
        """Function that returns the derivatives of one value, by one backward sweep."""
        pull, found = make_vjp(lambda knobs: anp.concatenate(self.reached(knobs)))(np.array(values))

        def of(row: int) -> np.ndarray:
            unit = np.zeros(len(found))
            unit[row] = 1.0
            return np.asarray(pull(unit))

        return of
