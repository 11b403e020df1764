"""Text of power series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gputrack.base.arrays import to_numpy, untraced

if TYPE_CHECKING:
    from gputrack.tpsa.series import Series

MOST_TERMS = 8


def series_text(series: Series) -> str:
    """First terms of a series, or of the first one of a batch."""
    values = to_numpy(untraced(series.coefficients)).reshape(-1, series.space.size)[0]
    rows = np.flatnonzero(values)
    terms = [_term(values[row], series.space.exponents[row], series.space.names()) for row in rows[:MOST_TERMS]]
    text = " + ".join(terms).replace("+ -", "- ") or "0"
    text += " + ..." if len(rows) > MOST_TERMS else ""
    return text if not series.batch else f"{text}  (first of a batch of shape {series.batch})"


def _term(value: Any, powers: np.ndarray, names: tuple[str, ...]) -> str:
    """Text of a term, such as ``0.5 x^2 px``."""
    factors = [f"{names[v]}^{p}" if p > 1 else names[v] for v, p in enumerate(powers) if p]
    number = f"({value:.6g})" if isinstance(value, complex) and value.imag else f"{value.real:.6g}"
    if number == "1" and factors:
        return " ".join(factors)
    return " ".join([number, *factors])
