"""Symbols: boxes that represent elements in drawings of a lattice."""

from __future__ import annotations

from dataclasses import dataclass

BLUE, ORANGE, GREEN, RED, GREY = "#1f5fa8", "#d9730d", "#3a8a4d", "#c0392b", "#5f6b76"


@dataclass(frozen=True)
class Symbol:
    """A box over the length of an element; heights are in units in which the largest box is 1.

    Parameters
    ----------
    color : str
        A colour of matplotlib.
    low, high : float
        Lower and upper edge, the reference orbit is at 0.
    sign : str, optional
        Parameter whose negative values turn the box upside down.
    """

    color: str = GREY
    low: float = -0.12
    high: float = 0.12
    sign: str | None = None
