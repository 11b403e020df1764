"""States that collective maps hand to later turns of a run, and in the reverse sweep their cotangents."""

from __future__ import annotations

import numpy as np

#: arrays with the state of a map after one turn
Arrays = tuple[np.ndarray, ...]


class TurnMemory:
    """States of collective maps by op and turn; of one run.

    Parameters
    ----------
    all_turns : bool
        Hold the states of all turns, as a reverse sweep needs them, and not only those that later turns need.
    """

    def __init__(self, all_turns: bool = False) -> None:
        self.all_turns = all_turns
        self._states: dict[tuple[int, int], Arrays] = {}
        self._cotangents: dict[tuple[int, int], Arrays] = {}

    def store(self, op: int, turn: int, state: Arrays, needed: int) -> None:
        """Hold the state that an op left in a turn, which acts in so many later turns as are `needed`."""
        self._states[op, turn] = state
        if not self.all_turns:
            self._states.pop((op, turn - needed), None)

    def state(self, op: int, turn: int) -> Arrays | None:
        """The state that an op left in a turn; None before the run, or where no particle survived."""
        return self._states.get((op, turn))

    def add_cotangents(self, op: int, turn: int, cotangents: Arrays) -> None:
        """Add derivatives with respect to a state, for the sweep of the turn that left it."""
        there = self._cotangents.get((op, turn))
        total = cotangents if there is None else tuple(a + b for a, b in zip(there, cotangents, strict=True))
        self._cotangents[op, turn] = total

    def cotangents(self, op: int, turn: int) -> Arrays | None:
        """Derivatives with respect to the state of a turn, by the turns that were swept; None where it did not act."""
        return self._cotangents.get((op, turn))

    def all_cotangents(self) -> dict[tuple[int, int], Arrays]:
        """A copy of all cotangents, for `restore`."""
        return dict(self._cotangents)

    def restore(self, cotangents: dict[tuple[int, int], Arrays]) -> None:
        """Go back to earlier cotangents; empty ones at the start of a sweep."""
        self._cotangents = dict(cotangents)
