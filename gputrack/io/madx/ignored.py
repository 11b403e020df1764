"""What a reader left out on purpose, each kind once."""

from __future__ import annotations

from gputrack.io.madx.source import Where


class Report:
    """Notes with the first place where they apply and the number of places."""

    def __init__(self) -> None:
        self._notes: dict[str, tuple[Where, int]] = {}

    def note(self, text: str, where: Where) -> None:
        """Add a note, or count it once more."""
        first, count = self._notes.get(text, (where, 0))
        self._notes[text] = first, count + 1

    def lines(self) -> list[str]:
        """One line per note, in the order of first appearance."""
        return [
            f"{where.file}:{where.line}: {text}" + (f" ({count} times)" if count > 1 else "")
            for text, (where, count) in self._notes.items()
        ]
