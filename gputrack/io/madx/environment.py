"""Variables, elements, sequences, lines and beams defined by a MAD-X file, and their values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gputrack.io.madx.beam import Beam
from gputrack.io.madx.classes import CLASSES
from gputrack.io.madx.expressions import Expression, evaluate
from gputrack.io.madx.functions import CONSTANTS
from gputrack.io.madx.random import Random
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import Item

MAX_STEPS = 5_000_000
MAX_DEPTH = 60


@dataclass(frozen=True, eq=False, slots=True)
class Deferred:
    """An expression that is evaluated whenever its value is needed."""

    expression: Expression
    where: Where


Number = float | Deferred
Stored = Number | str | bool | tuple[Number, ...]


@dataclass(eq=False)
class MadxElement:
    """An element: its base class and the attributes set by its definition or by its parents."""

    name: str
    kind: str
    attributes: dict[str, Stored]
    where: Where


@dataclass(frozen=True, eq=False)
class Entry:
    """An element or a sequence placed in a sequence."""

    name: str
    at: Number
    origin: str | None
    where: Where


@dataclass(eq=False)
class MadxSequence:
    """A sequence: `refer` is entry, centre or exit, `refpos` the element that defines its position in others.

    `defined` contains the names of the elements defined between ``sequence`` and ``endsequence``.
    """

    name: str
    length: Number
    refer: str
    refpos: str | None
    where: Where
    entries: list[Entry] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class MadxLine:
    """A line."""

    name: str
    formals: tuple[str, ...]
    items: tuple[Item, ...]
    where: Where


class Environment:
    """Variables, elements, sequences, lines, beams and options; the scope of expressions.

    `open_sequence` is the sequence between ``sequence`` and ``endsequence``; `used` the one named by the last ``use``,
    and `used_rbarc` the option rbarc at that point, where MAD-X expands the sequence.
    """

    def __init__(self) -> None:
        self.variables: dict[str, Number] = {}
        self.constants: set[str] = set()
        self.elements: dict[str, MadxElement] = {}
        self.sequences: dict[str, MadxSequence] = {}
        self.lines: dict[str, MadxLine] = {}
        self.macros: set[str] = set()
        self.beams: dict[str, Beam] = {}
        self.rbarc = True
        #: MAD-X's options for beambeam: kick of the orbit, ultrarelativistic limit, sizes updated from the optics
        self.collisions = {"bborbit": False, "bb_ultra_relati": False, "bb_sxy_update": False}
        self.open_sequence: MadxSequence | None = None
        self.used: str | None = None
        self.used_rbarc = True
        self.random_numbers = Random()
        self._steps = 0
        self._depth = 0
        self._cache: dict[tuple[str, ...], float] = {}
        self._volatile = False

    # -- the scope of expressions ----------------------------------------------------------------

    def count(self, steps: int, where: Where) -> None:
        """Count the steps of the interpreter, which bounds its running time."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise where.error(f"more than {MAX_STEPS} steps; does the file contain an infinite loop?")

    def changed(self) -> None:
        """Discard the cached values of deferred expressions; called at every assignment."""
        if self._cache:
            self._cache.clear()

    def number(self, stored: Number, where: Where) -> float:
        """Value of a stored number."""
        return evaluate(stored.expression, self, stored.where) if isinstance(stored, Deferred) else stored

    def variable(self, name: str, where: Where) -> float:
        """Value of a variable or constant."""
        if name in self.variables:
            return self._cached(("=", name), self.variables[name], where)
        if name in CONSTANTS:
            return CONSTANTS[name]
        raise where.error(f"variable '{name}' is not defined (MAD-X assumes 0; define {name} = 0; if that is intended)")

    def element_attribute(self, element: str, attribute: str, where: Where) -> float:
        """Value of ``element->attribute`` or ``beam->attribute``."""
        if element == "beam":
            return self.beam_attribute("", attribute, where)
        if element not in self.elements:
            raise where.error(f"'{element}->{attribute}': there is no element '{element}'")
        kind = self.elements[element].kind
        if attribute == "l" and kind == "rbend" and self.rbarc:
            return self._arc_length(element, where)
        return self._own_attribute(element, attribute, where)

    def _own_attribute(self, element: str, attribute: str, where: Where) -> float:
        stored = self.attribute(self.elements[element], attribute, where)
        if isinstance(stored, (bool, str, tuple)):
            raise where.error(f"'{element}->{attribute}' is not a number")
        return self._cached((element, attribute), stored, where)

    def _arc_length(self, element: str, where: Where) -> float:
        """Arc length of an rbend, which is the value of its attribute l in MAD-X expressions."""
        length = self._own_attribute(element, "l", where)
        half = 0.5 * self._own_attribute(element, "angle", where)
        if not abs(half) < math.pi:
            raise where.error(f"rbend '{element}': angle {2 * half:g} is not less than 2 pi")
        return length * half / math.sin(half) if half else length

    def beam_attribute(self, sequence: str, attribute: str, where: Where) -> float:
        """Value of ``beam->attribute`` (`sequence` empty) or ``beam%sequence->attribute``."""
        beam = self.beams.get(sequence) or self.beams.get("")
        if beam is None:
            raise where.error(f"'beam->{attribute}' is used before any beam command")
        return beam.attribute(attribute, where)

    def random(self, function: str, arguments: list[float]) -> float:
        """ranf(), gauss(), tgauss(cut)."""
        self._volatile = True
        if function == "ranf":
            return self.random_numbers.uniform()
        if function == "gauss":
            return self.random_numbers.gauss()
        return self.random_numbers.truncated_gauss(*arguments)

    def _cached(self, key: tuple[str, ...], stored: Number, where: Where) -> float:
        """Value of a deferred expression, evaluated once between two assignments."""
        if not isinstance(stored, Deferred):
            return stored
        if key in self._cache:
            return self._cache[key]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise stored.where.error(f"'{key[-1]}' depends on itself, or on a chain of more than {MAX_DEPTH} others")
        try:
            value = evaluate(stored.expression, self, stored.where)
        finally:
            self._depth -= 1
        if not self._volatile:
            self._cache[key] = value
        return value

    # -- elements --------------------------------------------------------------------------------

    def attribute(self, element: MadxElement, attribute: str, where: Where) -> Stored:
        """Stored value of an attribute, or its default."""
        if attribute in element.attributes:
            return element.attributes[attribute]
        defaults = CLASSES[element.kind]
        if attribute not in defaults:
            raise where.error(f"{element.kind} '{element.name}' has no attribute '{attribute}'")
        return defaults[attribute]
