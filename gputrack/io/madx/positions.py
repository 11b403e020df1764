"""Positions of the entries of a sequence: at, from, refer, refpos, nested sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gputrack.io.madx.environment import Entry, Environment, MadxSequence
from gputrack.io.madx.lines import MAX_ELEMENTS
from gputrack.io.madx.source import Where

MAX_DEPTH = 40
#: gaps and overlaps below this length [m] are attributed to rounding in the file, as in MAD-X
TOLERANCE = 1e-6


class Placed(NamedTuple):
    """An element with the position of its entrance and its length [m]."""

    name: str
    start: float
    length: float
    where: Where


def place_sequence(sequence: MadxSequence, environment: Environment, length_of: Callable[[str], float]) -> list[Placed]:
    """Elements of a sequence, nested ones included, in the order of the file.

    Raises
    ------
    LatticeFileError
        A name is not defined or not unique, positions depend on each other cyclically, or an element extends
        beyond a nested sequence.
    """
    return _Placement(environment, length_of).sequence(sequence, 0)


class _Placement:
    def __init__(self, environment: Environment, length_of: Callable[[str], float]) -> None:
        self.environment = environment
        self.length_of = length_of
        self._inner: dict[str, list[Placed]] = {}
        self._names: dict[str, set[str]] = {}

    def sequence(self, sequence: MadxSequence, depth: int) -> list[Placed]:
        if depth > MAX_DEPTH:
            raise sequence.where.error(
                f"sequence '{sequence.name}' contains itself, or sequences are nested deeper than {MAX_DEPTH}"
            )
        if sequence.name in self._inner:
            return self._inner[sequence.name]
        for name in {entry.name for entry in sequence.entries} & self.environment.sequences.keys():
            self.sequence(self.environment.sequences[name], depth + 1)
        placed: list[Placed] = []
        for entry, centre in zip(sequence.entries, _Centres(self, sequence).all(), strict=True):
            placed += self._at(entry, centre)
            if len(placed) > MAX_ELEMENTS:
                raise entry.where.error(f"sequence '{sequence.name}' has more than {MAX_ELEMENTS} elements")
        self._require_inside(sequence, placed)
        self._inner[sequence.name] = placed
        return placed

    def _require_inside(self, sequence: MadxSequence, placed: list[Placed]) -> None:
        length = self.sequence_length(sequence)
        for one in placed:
            if one.start < -TOLERANCE or one.start + one.length > length + TOLERANCE:
                raise one.where.error(
                    f"'{one.name}' from {one.start:.9g} to {one.start + one.length:.9g} m extends beyond sequence "
                    f"'{sequence.name}', which is {length:.9g} m long"
                )

    def _at(self, entry: Entry, centre: float) -> list[Placed]:
        start = centre - 0.5 * self.length(entry)
        if entry.name not in self.environment.sequences:
            return [Placed(entry.name, start, self.length(entry), entry.where)]
        inner = self._inner[entry.name]
        self.environment.count(1 + len(inner) // 10, entry.where)
        return [p._replace(start=start + p.start) for p in inner]

    def length(self, entry: Entry) -> float:
        """Length of an element or nested sequence."""
        sequence = self.environment.sequences.get(entry.name)
        return self.length_of(entry.name) if sequence is None else self.sequence_length(sequence)

    def sequence_length(self, sequence: MadxSequence) -> float:
        """Length of a sequence."""
        length = self.environment.number(sequence.length, sequence.where)
        if length < 0.0:
            raise sequence.where.error(f"sequence '{sequence.name}': l must be >= 0, got {length:g}")
        return length

    def names(self, sequence: MadxSequence) -> set[str]:
        """Names of the elements of a sequence that has been placed."""
        if sequence.name not in self._names:
            self._names[sequence.name] = {p.name for p in self._inner[sequence.name]}
        return self._names[sequence.name]

    def centre_within(self, sequence: MadxSequence, name: str, where: Where) -> float:
        """Centre of an element (by name), from the start of a sequence that has been placed."""
        self.environment.count(1 + len(self._inner[sequence.name]), where)
        found = [p.start + 0.5 * p.length for p in self._inner[sequence.name] if p.name == name]
        if len(found) != 1:
            problem = "is not in" if not found else "occurs more than once in"
            raise where.error(f"element '{name}' {problem} sequence '{sequence.name}'")
        return found[0]


class _Centres:
    """Centres of the entries of one sequence, computed on demand."""

    def __init__(self, placement: _Placement, sequence: MadxSequence) -> None:
        self.placement = placement
        self.sequence = sequence
        self.known: dict[int, float] = {}
        self.pending: list[int] = []
        self.by_name: dict[str, list[int]] = {}
        for place, entry in enumerate(sequence.entries):
            self.by_name.setdefault(entry.name, []).append(place)

    def all(self) -> list[float]:
        return [self.centre(place) for place in range(len(self.sequence.entries))]

    def centre(self, place: int) -> float:
        if place not in self.known:
            entry = self.sequence.entries[place]
            if place in self.pending or len(self.pending) > MAX_DEPTH:
                raise entry.where.error(f"the position of '{entry.name}' depends on itself through 'from'")
            self.pending.append(place)
            at = self.placement.environment.number(entry.at, entry.where)
            origin = 0.0 if entry.origin is None else self.origin(entry.origin, entry.where)
            self.known[place] = origin + at + self.shift(entry)
            self.pending.pop()
        return self.known[place]

    def shift(self, entry: Entry) -> float:
        """Distance from the reference point of an entry to its centre."""
        nested = self.placement.environment.sequences.get(entry.name)
        if nested is not None and nested.refpos is not None:
            # the reference point is the centre of the element refpos, independent of `refer`
            centre = self.placement.centre_within(nested, nested.refpos, entry.where)
            return 0.5 * self.placement.length(entry) - centre
        sign = {"entry": 0.5, "centre": 0.0, "exit": -0.5}[self.sequence.refer]
        return sign * self.placement.length(entry)

    def origin(self, name: str, where: Where) -> float:
        """Centre of the entry, or of the element in a nested sequence, named by ``from``."""
        places = self.by_name.get(name, [])
        if len(places) > 1:
            raise where.error(f"from = {name}: '{name}' occurs {len(places)} times in '{self.sequence.name}'")
        return self.centre(places[0]) if places else self.nested_origin(name, where)

    def nested_origin(self, name: str, where: Where) -> float:
        self.placement.environment.count(len(self.sequence.entries), where)
        found = []
        for place, entry in enumerate(self.sequence.entries):
            nested = self.placement.environment.sequences.get(entry.name)
            if nested is not None and name in self.placement.names(nested):
                within = self.placement.centre_within(nested, name, where)
                found.append(self.centre(place) - 0.5 * self.placement.length(entry) + within)
        if len(found) != 1:
            problem = "is not in" if not found else "occurs more than once in"
            raise where.error(f"from = {name}: '{name}' {problem} sequence '{self.sequence.name}'")
        return found[0]
