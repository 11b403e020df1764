"""Report of the parts of a file that do not enter the lattice."""

from __future__ import annotations

from gputrack.io.madx.source import Where


class Report:
    """Distinct notes, each with its first place in the file and the number of occurrences."""

    def __init__(self) -> None:
        self._notes: dict[str, tuple[Where, int]] = {}

    def note(self, text: str, where: Where) -> None:
        """Add a note or count a further occurrence."""
        first, count = self._notes.get(text, (where, 0))
        self._notes[text] = first, count + 1

    def lines(self) -> list[str]:
        """One line per note, in order of first occurrence."""
        return [
            f"{where.file}:{where.line}: {text}" + (f" ({count} times)" if count > 1 else "")
            for text, (where, count) in self._notes.items()
        ]
