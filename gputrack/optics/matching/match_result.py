"""Results of a match: its evaluations, the values reached, and the reasons for targets that are not met."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice
from gputrack.optics.matching.target import Target


@dataclass(frozen=True)
class Step:
    """One evaluation of a match.

    Attributes
    ----------
    number : int
        Number of the evaluation, from 1.
    cost : float
        Sum of squares of all weighted deviations.
    miss : float
        Largest weighted deviation.
    target : Target
        Target with the largest deviation.
    """

    number: int
    cost: float
    miss: float
    target: Target

    def __str__(self) -> str:
        if not np.isfinite(self.cost):
            return f"step {self.number:>3}: no stable optics, the step is reduced"
        largest = f"largest deviation {self.miss:.3e} ({self.target})"
        return f"step {self.number:>3}: sum of squares {self.cost:.3e}, {largest}"


@dataclass(frozen=True, eq=False, repr=False)
class Match:
    """Result of a match.

    Attributes
    ----------
    lattice : Lattice
        Lattice with the matched values of the knobs.
    knobs : Knobs
        Knobs with their initial values.
    values : (k,) array
        Matched values of the knobs.
    targets : tuple of Target
    reached : tuple of arrays
        Values of each target, (places,).
    misses : tuple of arrays
        Weighted deviations of each target, (places,).
    tolerance : float
        Largest weighted deviation of a target that is met.
    history : tuple of Step
        All evaluations of the optics.
    at_limit : tuple of str
        Handles of knobs at a bound.
    bounds : (k, 2) array
        Bounds of the knobs, infinite if not bounded.
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
        """Whether all weighted deviations of each target are within the tolerance."""
        return tuple(bool(np.abs(miss).max() <= self.tolerance) for miss in self.misses)

    @property
    def success(self) -> bool:
        """Whether all targets are met."""
        return all(self.met)

    @property
    def steps(self) -> int:
        """Number of evaluations of the optics."""
        return len(self.history)

    @property
    def failure(self) -> str:
        """Targets that are not met and knobs at their bounds, as text; empty if all targets are met."""
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
    """Value with the largest deviation from the target, as text; for limits, the one closest to or beyond them."""
    if target.value is not None:
        value = reached[np.abs(reached - target.value).argmax()]
    elif target.maximum is None or (target.minimum is not None and reached.min() < target.minimum):
        value = reached.min()
    else:
        value = reached.max()
    return f"reached {float(value):.10g}"
