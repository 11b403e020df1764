"""Statements between ``sequence`` and ``endsequence``."""

from __future__ import annotations

from gputrack.io.madx.attributes import require_number, require_word
from gputrack.io.madx.classes import CLASSES
from gputrack.io.madx.environment import Entry, Environment, MadxSequence
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import Attribute, Command, Define

_REFERS = {"entry": "entry", "centre": "centre", "center": "centre", "exit": "exit"}


def begin_sequence(parsed: Define, environment: Environment, where: Where) -> None:
    """``label: sequence, l = ..., refer = ..., refpos = ...``."""
    label, opened = parsed.label, environment.open_sequence
    if opened is not None:
        raise where.error(f"sequence '{opened.name}' has no 'endsequence'")
    if label in CLASSES or label in environment.elements or label in environment.lines:
        raise where.error(f"'{label}' is already the name of a class, element or line")
    if not any(a.name == "l" for a in parsed.attributes):
        raise where.error(f"sequence '{label}' needs a length: l = ...")
    sequence = MadxSequence(label, 0.0, "centre", None, where)
    for attribute in parsed.attributes:
        _set(sequence, attribute, environment, where)
    environment.open_sequence = sequence


def _set(sequence: MadxSequence, attribute: Attribute, environment: Environment, where: Where) -> None:
    if attribute.name == "l":
        sequence.length = require_number(attribute, environment, where)
    elif attribute.name == "refer":
        word = require_word(attribute, where)
        if word not in _REFERS:
            raise where.error(f"refer must be entry, centre or exit, got '{word}'")
        sequence.refer = _REFERS[word]
    elif attribute.name == "refpos":
        sequence.refpos = require_word(attribute, where)
    else:
        raise where.error(f"sequence '{sequence.name}' has no attribute '{attribute.name}'")


def end_sequence(environment: Environment, where: Where) -> None:
    """``endsequence``."""
    if environment.open_sequence is None:
        raise where.error("'endsequence' without 'sequence'")
    environment.sequences[environment.open_sequence.name] = environment.open_sequence
    environment.open_sequence = None


def require_new_in_sequence(sequence: MadxSequence, label: str, where: Where) -> None:
    """Raise if a name is defined twice in one sequence, as in MAD-X."""
    if label in sequence.defined:
        raise where.error(f"element '{label}' is defined twice in sequence '{sequence.name}'")
    sequence.defined.add(label)


def place_by_name(sequence: MadxSequence, parsed: Command, environment: Environment, where: Where) -> None:
    """``name, at = ..., from = ...`` for an existing element or sequence."""
    name = parsed.name
    if name not in environment.elements and name not in environment.sequences:
        raise where.error(f"'{name}' is neither a command nor an element nor a sequence")
    others = [a.name for a in parsed.attributes if a.name not in ("at", "from")]
    if others:
        raise where.error(
            f"'{name}, {others[0]} = ...' in a sequence: MAD-X ignores the attribute; "
            f"define a new element (label: {name}, {others[0]} = ...) or set it outside"
        )
    place(sequence, name, parsed.attributes, environment, where)


def place(
    sequence: MadxSequence, name: str, attributes: tuple[Attribute, ...], environment: Environment, where: Where
) -> None:
    """Add an entry at the position given among `attributes`."""
    at, origin = None, None
    for attribute in attributes:
        if attribute.name == "at":
            at = require_number(attribute, environment, where)
        elif attribute.name == "from":
            origin = require_word(attribute, where)
    if at is None:
        raise where.error(f"'{name}' in sequence '{sequence.name}' needs a position: at = ...")
    sequence.entries.append(Entry(name, at, origin, where))
