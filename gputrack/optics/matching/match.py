"""Matching: knobs so that figures of the optics take asked values, by least squares with exact Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp

from gputrack.base.arrays import untraced
from gputrack.base.checks import require_integer, short
from gputrack.base.errors import InputError
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.twiss import twiss
from gputrack.optics.matching.least_squares import Rows, solve
from gputrack.optics.matching.target import Target


@dataclass(frozen=True)
class Step:
    """One evaluation of a match.

    Attributes
    ----------
    number : int
        From 1 on.
    cost : float
        Sum of squares of all weighted differences.
    miss : float
        The largest weighted difference.
    target : Target
        Whose it is.
    """

    number: int
    cost: float
    miss: float
    target: Target

    def __str__(self) -> str:
        if not np.isfinite(self.cost):
            return f"step {self.number:>3}: no stable optics, the step is made shorter"
        return f"step {self.number:>3}: sum of squares {self.cost:.3e}, largest miss {self.miss:.3e} ({self.target})"


@dataclass(frozen=True, eq=False, repr=False)
class Match:
    """What a match found.

    Attributes
    ----------
    lattice : Lattice
        With the knobs as found.
    knobs : Knobs
        With their values before.
    values : (k,) array
        Values found.
    targets : tuple of Target
    reached : tuple of arrays
        For each target its values, (places,).
    misses : tuple of arrays
        For each target its weighted differences, (places,).
    tolerance : float
        Within which weighted differences must be.
    history : tuple of Step
        Each evaluation of optics.
    at_limit : tuple of str
        Handles of knobs that ended at a bound.
    bounds : (k, 2) array
        Infinite where there is none.
    """

    lattice: Lattice
    knobs: Knobs
    values: np.ndarray
    targets: tuple[Target, ...]
    reached: tuple[np.ndarray, ...]
    misses: tuple[np.ndarray, ...]
    tolerance: float
    history: tuple[Step, ...]
    at_limit: tuple[str, ...]
    bounds: np.ndarray

    @property
    def met(self) -> tuple[bool, ...]:
        """For each target whether every weighted difference is within the tolerance."""
        return tuple(bool(np.abs(miss).max() <= self.tolerance) for miss in self.misses)

    @property
    def success(self) -> bool:
        """Whether all targets are met."""
        return all(self.met)

    @property
    def steps(self) -> int:
        """Evaluations of optics."""
        return len(self.history)

    @property
    def failure(self) -> str:
        """Which targets are not met, and which knobs are at their bounds; empty where all are."""
        if self.success:
            return ""
        missed = [f"{t} is not met: {worst(t, r)}" for t, r, met in self._rows() if not met]
        ends = []
        for knob, value, (low, high) in zip(self.knobs, self.values, self.bounds, strict=True):
            if knob.handle in self.at_limit:
                side = "lower" if abs(value - low) <= abs(value - high) else "upper"
                ends.append(f"{knob.handle} is at its {side} bound {low if side == 'lower' else high:.10g}")
        return "; ".join([*missed, *(ends or ["no knob is at a bound: the targets may contradict each other"])])

    def _rows(self) -> list[tuple[Target, np.ndarray, bool]]:
        return list(zip(self.targets, self.reached, self.met, strict=True))

    def __repr__(self) -> str:
        lines = [f"<Match {'succeeded' if self.success else 'FAILED'} after {self.steps} evaluations"]
        for (target, reached, met), miss in zip(self._rows(), self.misses, strict=True):
            mark = "" if met else "  (not met)"
            off = np.abs(miss).max() / target.weight
            lines.append(f"  {target!s:<36} {worst(target, reached)}, off by {off:.3g}{mark}")
        for knob, value in zip(self.knobs, self.values, strict=True):
            limit = "  (at its bound)" if knob.handle in self.at_limit else ""
            lines.append(f"  {knob.handle:<36} {knob.value:.10g} -> {value:.10g}{limit}")
        return "\n".join(lines) + ">"


def worst(target: Target, reached: np.ndarray) -> str:
    """The value of a target that misses most, as text; of limits, the one nearest to them."""
    if target.value is not None:
        chosen = reached[np.abs(reached - target.value).argmax()]
    elif target.maximum is None or (target.minimum is not None and reached.min() < target.minimum):
        chosen = reached.min()
    else:
        chosen = reached.max()
    return f"reached {float(chosen):.10g}"


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
    """Find knobs so that targets are met, by least squares; see `gputrack.optics.matching.least_squares`.

    Each row of the Jacobian is one backward sweep through the ring, exact, whatever the number of knobs; limits that
    hold cost none.

    Parameters
    ----------
    lattice : Lattice
    knobs : Knobs
    targets : sequence of Target
    start : InitialTwiss, optional
        For a beam line: its initial values; a ring where not given.
    delta : float
        Momentum deviation of the optics.
    bounds : sequence of (lower, upper), optional
        One for each knob; infinite where not given.
    tolerance : float
        On each weighted difference, for success.
    steps : int
        At most so many evaluations.
    report : callable, optional
        Called with each `Step`.

    Returns
    -------
    Match
        Also where it failed: its text says which targets are missed, and which knobs are at their bounds.

    Raises
    ------
    InputError
        An argument is not as above, or the lattice has no optics at the start.
    """
    chosen = tuple(targets)
    if not chosen or not all(isinstance(target, Target) for target in chosen):
        raise InputError(f"match: targets must be gputrack.Target objects, got {short(targets)}")
    if not isinstance(knobs, Knobs) or not len(knobs):
        raise InputError(f"match: knobs must be lattice.knobs(...), got {short(knobs)}")
    require_integer("match", "steps", steps, at_least=1)
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
    table = np.array(bounds, dtype=float)
    if table.shape != (len(knobs), 2) or not (table[:, 0] < table[:, 1]).all():
        raise InputError(f"match: bounds must be {len(knobs)} pairs (lower, upper), lower < upper, got {short(bounds)}")
    for knob, (low, high) in zip(knobs, table, strict=True):
        if not low <= knob.value <= high:
            raise InputError(f"match: knob {knob.handle!r} starts at {knob.value:.10g}, outside ({low:g}, {high:g})")
    return table[:, 0], table[:, 1]


@dataclass
class _Problem:
    """Values of targets as functions of knobs."""

    lattice: Lattice
    knobs: Knobs
    targets: tuple[Target, ...]
    start: Any
    delta: float
    report: Callable[[Step], None] | None
    history: list[Step] = field(default_factory=list)
    sizes: tuple[int, ...] = ()  # places of each target

    def reached(self, values: Any) -> list[Any]:
        """For each target its values."""
        optics = twiss(self.lattice.with_knobs(self.knobs, values), start=self.start, delta=self.delta)
        return [target.found(optics) for target in self.targets]

    def rows(self) -> Rows:
        """What is asked of all values; errors of the lattice as it is are the user's to see."""
        self.sizes = tuple(len(untraced(found)) for found in self.reached(np.array(self.knobs.values)))
        ends = [(t.value, t.value) if not t.limit else (t.minimum, t.maximum) for t in self.targets]
        low = [-np.inf if low is None else low for low, _ in ends]
        high = [np.inf if high is None else high for _, high in ends]
        return Rows(*(np.repeat(column, self.sizes) for column in (low, high, [t.weight for t in self.targets])))

    def values(self, values: np.ndarray) -> np.ndarray | None:
        """Values of all targets; None where there is no optics, from which the search turns back."""
        try:
            reached = [np.asarray(untraced(found)) for found in self.reached(values)]
        except InputError:
            self._note(None)
            return None
        self._note(reached)
        return np.concatenate(reached)

    def _note(self, reached: Sequence[np.ndarray] | None) -> None:
        misses = [np.full(1, np.inf)] * len(self.targets)
        if reached is not None:
            misses = [target.miss(found) for target, found in zip(self.targets, reached, strict=True)]
        largest = [float(np.abs(miss).max()) for miss in misses]
        cost = float(sum(miss @ miss for miss in misses))
        worst_of = int(np.argmax(largest))
        step = Step(len(self.history) + 1, cost, largest[worst_of], self.targets[worst_of])
        self.history.append(step)
        if self.report is not None:
            self.report(step)

    def derivatives(self, values: np.ndarray) -> Callable[[int], np.ndarray]:
        """What gives the derivatives of one value, by a sweep."""
        pull, found = make_vjp(lambda knobs: anp.concatenate(self.reached(knobs)))(np.array(values))

        def of(row: int) -> np.ndarray:
            unit = np.zeros(len(found))
            unit[row] = 1.0
            return np.asarray(pull(unit))

        return of
