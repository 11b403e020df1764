"""Places at which optics are computed: slices of elements, given positions, ranges of elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from gputrack.base.arrays import is_traced, untraced
from gputrack.base.checks import MOST_STEPS, require_integer, require_number, require_unmasked, short
from gputrack.base.errors import InputError
from gputrack.elements.observation import ObservationPoints
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.trajectory import positions

#: positions closer to the end of an element than this [m] are at the end
_AT_END = 1e-9


@dataclass(frozen=True)
class Slices:
    """Rows at the ends of all elements, and inside elements at the ends of equal slices.

    Parameters
    ----------
    number : int
        Number of slices of each element, >= 1.
    longest : float, optional
        Largest length of a slice [m]; long elements have more slices.
    """

    number: int = 2
    longest: float | None = None

    def __post_init__(self) -> None:
        require_integer("Slices", "number", self.number, at_least=1, at_most=MOST_STEPS)
        if self.longest is not None:
            require_number("Slices", "longest", self.longest, unit="m", above=0.0)

    def places(self, lattice: Lattice) -> tuple[ObservationPoints, None]:
        """Observation points, and None for all rows."""
        lengths = np.diff(untraced(positions(lattice)))
        number = np.where(lengths > 0.0, self.number, 1)
        if self.longest is not None:
            number = np.maximum(number, np.ceil(lengths / self.longest)).astype(int)
        where = np.repeat(np.arange(len(lattice)), number - 1)
        parts = [np.arange(1, n) / n for n in number.tolist()]
        return ObservationPoints(len(lattice), where, np.concatenate([np.zeros(0), *parts])), None


@dataclass(frozen=True, eq=False)
class Positions:
    """Rows at given positions only.

    At the boundary of elements the row is the first one, before thin elements at the same position.

    Parameters
    ----------
    s : sequence of float
        Positions [m], in any order, between the start and the end of the lattice.
    """

    s: Sequence[float] | np.ndarray

    def __post_init__(self) -> None:
        require_unmasked("Positions", "s", self.s)
        try:
            values = np.array(self.s, dtype=float)
        except (TypeError, ValueError, OverflowError):
            values = np.zeros(0)
        if values.ndim != 1 or not values.size or not np.isfinite(values).all():
            raise InputError(f"Positions: s must be a list of finite numbers [m], got {short(self.s)}")
        object.__setattr__(self, "s", values)

    def places(self, lattice: Lattice) -> tuple[ObservationPoints, np.ndarray]:
        """Observation points, and the rows to select."""
        ends, s = positions(lattice), np.asarray(self.s)
        if is_traced(ends):
            raise InputError("Positions: lengths cannot be differentiated at fixed positions; use Slices")
        for value in s[(s < -_AT_END) | (s > ends[-1] + _AT_END)][:1]:
            raise InputError(f"Positions: s must be from 0 to {ends[-1]:.10g} m, got {value:.10g}")
        first = np.searchsorted(ends, s - _AT_END)  # the first end at or after the position
        inside = np.abs(ends[first] - s) > _AT_END
        where = first[inside] - 1
        parts = (s[inside] - ends[where]) / (ends[where + 1] - ends[where])
        order = np.lexsort((parts, where))
        points = ObservationPoints(len(lattice), where[order], parts[order])
        rows = np.concatenate([[0], 1 + points.exits])[first]
        rows[np.flatnonzero(inside)[order]] = 1 + where[order] + np.arange(len(order))
        return points, rows


@dataclass(frozen=True)
class Range:
    """Range from the entrance of one element to the exit of another.

    Parameters
    ----------
    first, last : str
        Glob patterns of names: the range begins with the first element that matches `first` and ends with the last
        element that matches `last`.
    """

    first: str
    last: str

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise InputError(f"Range: {name} must be the name of an element, got {short(getattr(self, name))}")

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"


def rows_matching(where: str | Range, names: Sequence[str], elements: np.ndarray) -> np.ndarray:
    """Rows of a table at given places.

    Parameters
    ----------
    where : str or Range
        Glob pattern of names, or a range.
    names : sequence of str
        Names of the rows.
    elements : (rows,) int array
        Index of the element of each row, ascending.

    Raises
    ------
    InputError
        Nothing matches, or a range ends before it begins.
    """
    if isinstance(where, Range):
        begin, end = _matching(where.first, names)[0], _matching(where.last, names)[-1]
        stop = int(np.searchsorted(elements, elements[end] + 1)) + 1  # with the row at the exit
        if begin > end:
            raise InputError(f"Range: {where.last!r} is before {where.first!r}")
        return np.arange(begin, min(stop, len(names)))
    if not isinstance(where, str):
        raise InputError(f"Twiss: rows must be a glob pattern of names or a Range, got {short(where)}")
    return _matching(where, names)


def _matching(pattern: str, names: Sequence[str]) -> np.ndarray:
    rows = np.array([i for i, name in enumerate(names) if fnmatchcase(name, pattern)], dtype=int)
    if not rows.size:
        raise InputError(f"Twiss: no row matches {pattern!r}")
    return rows


def require_places(at: Any) -> Slices | Positions:
    """Return `at`, or raise `InputError` if it is neither `Slices` nor `Positions`."""
    if not isinstance(at, (Slices, Positions)):
        raise InputError(f"twiss: at must be gputrack.Slices(...) or gputrack.Positions(...), got {short(at)}")
    return at
