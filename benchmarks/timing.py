"""Times of turns without what setting up takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FEWEST_SETUPS = 2.0  # turns count once they and the setting up take so many times what the latter takes
LARGEST_STEP = 64


def less_setup(once: Callable[[int], tuple[float, Any]], turns: int) -> tuple[float, Any]:
    """Seconds for `turns` turns: those of more turns less those of one, with what came out.

    A difference of nearly equal times is noise, of either sign. Where few turns take less than setting them up, more
    are timed, and scaled down.

    Parameters
    ----------
    once : callable
        ``once(turns) -> (seconds, anything)``, setting up included.
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
