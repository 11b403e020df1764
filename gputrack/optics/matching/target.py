"""Targets of a match: required values or limits of optical quantities."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp

from gputrack.base.checks import require_number, short
from gputrack.base.errors import InputError
from gputrack.optics.driving.driving_terms import driving_terms
from gputrack.optics.linear.places import Range
from gputrack.optics.linear.twiss_columns import Twiss

#: quantities of the whole lattice
FIGURES = ("qx", "qy", "qs", "dqx", "dqy", "momentum_compaction", "slip")
#: quantities at each place
COLUMNS = (
    "betx", "alfx", "mux", "bety", "alfy", "muy", "dx", "dpx", "dy", "dpy", "x", "px", "y", "py", "z", "delta",
)  # fmt: skip
_MATRIX = re.compile("r([1-6])([1-6])")
_TERM = re.compile("h[0-9]{5}")
KNOWN = f"{', '.join((*FIGURES, *COLUMNS))}, r11 to r66, driving terms as h21000, or a function of gputrack.Twiss"


@dataclass(frozen=True)
class Target:
    """Required value, or limits, of an optical quantity.

    Parameters
    ----------
    figure : str or callable
        - ``qx``, ``qy``, ``qs``, ``dqx``, ``dqy``, ``momentum_compaction``, ``slip`` of the whole lattice;
        - a column of `Twiss`: betx, alfx, mux, dx, x, ...;
        - ``r11`` to ``r66``: entries of the matrix from the start to a place, by default the end;
        - ``h21000`` and other driving terms: their modulus at a place, by default the start;
        - a function of `Twiss` (whose ``lattice`` has the knobs), written with ``autograd.numpy``, that returns a
          number or an array.
    value : float, optional
        Required value.
    at : str or Range, optional
        Glob pattern of names of rows, or a range; the target applies to all matching rows. ``"end"`` is the end of the
        lattice.
    minimum, maximum : float, optional
        Limits instead of a value.
    weight : float
        Weight of the deviation, > 0: the inverse of its tolerable size.

    Raises
    ------
    InputError
        The quantity does not exist, a column has no place or a quantity of the whole lattice has one, or neither or
        both of a value and limits are given.

    Examples
    --------
    ``Target("betx", maximum=20.0, at=gt.Range("q1", "q9"))``;
    ``Target(lambda tw: tw.betx[0] / tw.bety[0], 1.0)``.
    """

    figure: str | Callable[[Twiss], Any]
    value: float | None = None
    at: str | Range | None = None
    minimum: float | None = None
    maximum: float | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        self._require_figure()
        limits = self.minimum is not None or self.maximum is not None
        if (self.value is not None) == limits:
            raise InputError(f"Target {self.name!r}: give either a value, or a minimum and/or a maximum")
        for name in ("value", "minimum", "maximum", "weight"):
            number = getattr(self, name)
            if number is None and name != "weight":
                continue
            require_number(f"Target {self.name!r}", name, number)
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise InputError(f"Target {self.name!r}: minimum {self.minimum!r} is above maximum {self.maximum!r}")
        if not self.weight > 0.0:
            raise InputError(f"Target {self.name!r}: weight must be > 0, got {self.weight!r}")

    def _require_figure(self) -> None:
        if isinstance(self.figure, type) or not (isinstance(self.figure, str) or callable(self.figure)):
            raise InputError(f"Target: figure must be one of {KNOWN}, got {short(self.figure)}")
        placed = self.at is not None
        if placed and not isinstance(self.at, (str, Range)):
            raise InputError(f"Target {self.name!r}: at must be a pattern of names or a Range, got {short(self.at)}")
        if self.figure in COLUMNS:
            if not placed:
                raise InputError(f"Target {self.name!r}: needs a place: at='...'")
        elif callable(self.figure) or self.figure in FIGURES:
            if placed:
                raise InputError(f"Target {self.name!r}: is a quantity of the whole lattice; omit at=")
        elif not isinstance(self.figure, str) or not (_MATRIX.fullmatch(self.figure) or _TERM.fullmatch(self.figure)):
            raise InputError(f"Target: no figure {self.figure!r}; figures are {KNOWN}")

    @property
    def name(self) -> str:
        """Name of the quantity."""
        return self.figure if isinstance(self.figure, str) else getattr(self.figure, "__name__", "function")

    @property
    def limit(self) -> bool:
        """Whether the target has limits instead of a value."""
        return self.value is None

    def found(self, optics: Twiss) -> Any:
        """Values of the quantity, (n,)."""
        if callable(self.figure):
            return anp.reshape(self.figure(optics), (-1,))
        if self.figure in FIGURES:
            return anp.reshape(getattr(optics, self.figure), (1,))
        entry = _MATRIX.fullmatch(self.figure)
        if entry:
            column = optics.matrices[:, int(entry[1]) - 1, int(entry[2]) - 1]
            return column[-1:] if self.at is None else column[optics.rows(self.at)]
        if _TERM.fullmatch(self.figure):
            terms = driving_terms(optics.lattice, terms=(self.figure,))
            along = anp.reshape(terms[self.figure], (1,)) if self.at is None else terms.along(self.figure)
            return anp.abs(along if self.at is None else along[optics.rows(self.at)])
        return getattr(optics, self.figure)[optics.rows(self.at)]  # type: ignore[arg-type]

    def miss(self, found: Any) -> Any:
        """Weighted deviations of values from the target, (n,); 0 within limits."""
        if self.value is not None:
            return self.weight * (found - self.value)
        over = anp.maximum(found - self.maximum, 0.0) if self.maximum is not None else 0.0 * found
        under = anp.minimum(found - self.minimum, 0.0) if self.minimum is not None else 0.0 * found
        return self.weight * (over + under)

    @property
    def wanted(self) -> str:
        """Required value or limits, as text."""
        if self.value is not None:
            return f"= {self.value:.10g}"
        bounds = [f">= {self.minimum:.10g}"] if self.minimum is not None else []
        bounds += [f"<= {self.maximum:.10g}"] if self.maximum is not None else []
        return " and ".join(bounds)

    @property
    def place(self) -> str:
        """Quantity and place, as text."""
        return f"{self.name} at {self.at}" if self.at is not None else self.name

    def __str__(self) -> str:
        return f"{self.place} {self.wanted}"
