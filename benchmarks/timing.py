"""Times of turns without setup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FEWEST_SETUPS = 2.0  # least ratio of the time of turns and setup to that of setup
LARGEST_STEP = 64


def less_setup(once: Callable[[int], tuple[float, Any]], turns: int) -> tuple[float, Any]:
    """Time for `turns` turns [s], from the difference of runs of many turns and of one; and the result of the run.

    If turns take less time than setup, more are run and the time is scaled, since the difference would be noise.

    Parameters
    ----------
    once : callable
        ``once(turns) -> (seconds, result)``, including setup.
    turns : int
        >= 1.
    """
    many = turns
    while True:
        setup, _ = once(1)
        seconds, out = once(many + 1)
        if seconds >= FEWEST_SETUPS * setup:
            return (seconds - setup) * turns / many, out
        wanted = FEWEST_SETUPS * setup / max(seconds - setup, 1e-9)
        many *= min(LARGEST_STEP, max(2, round(wanted)))
