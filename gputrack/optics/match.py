"""Matching: knobs so that figures of the optics take asked values, by least squares with exact Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from scipy.optimize import least_squares

from gputrack.arrays import untraced
from gputrack.checks import require_integer, short
from gputrack.errors import InputError
from gputrack.lattice import Knobs, Lattice
from gputrack.optics.twiss import Twiss, twiss

#: figures of a whole lattice; all others are columns, taken at places
FIGURES = ("qx", "qy", "qs")
COLUMNS = (
    "betx", "alfx", "mux", "bety", "alfy", "muy", "dx", "dpx", "dy", "dpy", "x", "px", "y", "py", "z", "delta",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What a figure should be, or stay within.

    Parameters
    ----------
    figure : str
        ``qx``, ``qy``, ``qs``, or a column of `Twiss`: betx, alfx, mux, dx, x, ...
    value : float, optional
        Asked value.
    at : str, optional
        Glob over names of rows, for columns; all of them count. ``"end"`` is the end of the lattice.
    minimum, maximum : float, optional
        Instead of a value: nothing is asked of what lies within.
    weight : float
        Of the difference in the sum of squares, > 0: one over what is tolerable.

    Raises
    ------
    InputError
        There is no such figure, a column has no place or a figure has one, or there is not either a value or a limit.
    """

    figure: str
    value: float | None = None
    at: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.figure not in (*FIGURES, *COLUMNS):
            raise InputError(f"Target: no figure {self.figure!r}; they are {', '.join((*FIGURES, *COLUMNS))}")
        if (self.figure in COLUMNS) != (self.at is not None):
            need = "needs a place, at='...'" if self.figure in COLUMNS else "is one of the whole lattice: drop at="
            raise InputError(f"Target {self.figure!r}: {need}")
        limits = self.minimum is not None or self.maximum is not None
        if (self.value is not None) == limits:
            raise InputError(f"Target {self.figure!r}: give a value, or a minimum and/or a maximum")
        for name in ("value", "minimum", "maximum", "weight"):
            number = getattr(self, name)
            if number is not None and not np.isfinite(number):
                raise InputError(f"Target {self.figure!r}: {name} must be finite, got {number!r}")
        if not self.weight > 0.0:
            raise InputError(f"Target {self.figure!r}: weight must be > 0, got {self.weight!r}")

    def found(self, optics: Twiss) -> Any:
        """Values (n,) of the figure."""
        if self.at is None:
            return anp.reshape(getattr(optics, self.figure), (1,))
        return getattr(optics, self.figure)[optics.rows(self.at)]

    def miss(self, optics: Twiss) -> Any:
        """(n,) Weighted differences; 0 within limits."""
        found = self.found(optics)
        if self.value is not None:
            return self.weight * (found - self.value)
        over = anp.maximum(found - self.maximum, 0.0) if self.maximum is not None else 0.0 * found
        under = anp.minimum(found - self.minimum, 0.0) if self.minimum is not None else 0.0 * found
        return self.weight * (over + under)

    def __str__(self) -> str:
        place = f" at {self.at}" if self.at else ""
        if self.value is not None:
            return f"{self.figure}{place} = {self.value:.10g}"
        bounds = [f">= {self.minimum:.10g}"] if self.minimum is not None else []
        bounds += [f"<= {self.maximum:.10g}"] if self.maximum is not None else []
        return f"{self.figure}{place} {' and '.join(bounds)}"


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
    misses : tuple of arrays
        For each target its weighted differences, (places,).
    success : bool
        Whether every weighted difference is within the tolerance.
    steps : int
        Evaluations of optics.
    at_limit : tuple of str
        Handles of knobs that ended at a bound.
    """

    lattice: Lattice
    knobs: Knobs
    values: np.ndarray
    targets: tuple[Target, ...]
    misses: tuple[np.ndarray, ...]
    success: bool
    steps: int
    at_limit: tuple[str, ...]

    def __repr__(self) -> str:
        lines = [f"<Match {'succeeded' if self.success else 'FAILED'} after {self.steps} evaluations"]
        for target, miss in zip(self.targets, self.misses, strict=True):
            lines.append(f"  {target!s:<36} off by {np.abs(miss).max() / target.weight:.3g}")
        for knob, value in zip(self.knobs, self.values, strict=True):
            limit = "  (at its bound)" if knob.handle in self.at_limit else ""
            lines.append(f"  {knob.handle:<36} {knob.value:.10g} -> {value:.10g}{limit}")
        return "\n".join(lines) + ">"


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
    report: Callable[[int, float], None] | None = None,
) -> Match:
    """Find knobs so that targets are met, by least squares (`scipy.optimize.least_squares`).

    Each row of the Jacobian is one backward sweep through the ring, exact, whatever the number of knobs.

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
        Called with the number of each evaluation and its sum of squares.

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
    problem.misses(np.array(knobs.values))  # errors of the given lattice are the user's to see
    found = least_squares(
        problem.misses, np.array(knobs.values), problem.jacobian, (lower, upper), x_scale="jac", max_nfev=steps,
        xtol=1e-15, ftol=1e-15, gtol=1e-15,
    )  # fmt: skip
    values = np.array(found.x)
    changed = lattice.with_knobs(knobs, values)
    optics = twiss(changed, start=start, delta=delta)
    misses = tuple(np.asarray(target.miss(optics)) for target in chosen)
    at_limit = tuple(k.handle for k, mask in zip(knobs, found.active_mask, strict=True) if mask)
    success = all(np.abs(miss).max() <= tolerance for miss in misses)
    return Match(changed, knobs, values, chosen, misses, success, problem.evaluations, at_limit)


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
    """Weighted differences of a lattice as functions of knobs."""

    lattice: Lattice
    knobs: Knobs
    targets: tuple[Target, ...]
    start: Any
    delta: float
    report: Callable[[int, float], None] | None
    evaluations: int = 0
    size: int = 0

    def _all(self, values: Any) -> Any:
        optics = twiss(self.lattice.with_knobs(self.knobs, values), start=self.start, delta=self.delta)
        return anp.concatenate([target.miss(optics) for target in self.targets])

    def misses(self, values: np.ndarray) -> np.ndarray:
        """All differences; not finite where there is no optics, from which the search turns back."""
        self.evaluations += 1
        try:
            found = np.asarray(untraced(self._all(values)))
        except InputError:
            if not self.size:
                raise
            return np.full(self.size, np.inf)
        self.size = len(found)
        if self.report is not None:
            self.report(self.evaluations, float(found @ found))
        return found

    def jacobian(self, values: np.ndarray) -> np.ndarray:
        """Their derivatives, a sweep for each row."""
        return np.asarray(autograd.jacobian(self._all)(values))
