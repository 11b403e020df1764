"""Statements that define or change variables, elements and lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from gputrack.io.madx.attributes import number, set_attribute
from gputrack.io.madx.classes import CLASSES
from gputrack.io.madx.commands import SKIPPED
from gputrack.io.madx.environment import Environment, MadxElement, MadxLine
from gputrack.io.madx.functions import CONSTANTS
from gputrack.io.madx.ignored import Report
from gputrack.io.madx.sequences import begin_sequence, place, require_new_in_sequence
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import Assign, Attribute, Define, DefineLine, SetAttribute

#: relative difference below which a new value of a constant counts as the same
TOLERANCE = 1e-6


def hint(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` if a known word is similar."""
    near = get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def assign(parsed: Assign, environment: Environment, report: Report, where: Where) -> None:
    """``x = ...`` and ``x := ...``."""
    name = parsed.name
    value = number(parsed.expression, parsed.deferred, environment, where)
    if "int" in parsed.prefixes and isinstance(value, float):
        value = float(int(value))
    if name in CONSTANTS or name in environment.constants:
        constant = environment.variables.get(name, CONSTANTS.get(name, 0.0))
        _require_same(name, environment.number(value, where), environment.number(constant, where), where)
        report.note(f"constant '{name}' is not changed", where)
        return
    if "const" in parsed.prefixes and parsed.prefixes[-1] == "const":
        environment.constants.add(name)
    environment.variables[name] = value
    environment.changed()


def _require_same(name: str, value: float, constant: float, where: Where) -> None:
    if not abs(value - constant) <= TOLERANCE * abs(constant):
        raise where.error(f"'{name}' is a constant of value {constant:g} in MAD-X; choose another name")


def define(parsed: Define, environment: Environment, report: Report, where: Where) -> None:
    """``label: class, attributes``; inside a sequence it also places the element."""
    sequence = environment.open_sequence
    if parsed.kind == "sequence":
        begin_sequence(parsed, environment, where)
    elif parsed.kind in SKIPPED:
        report.note(f"command '{parsed.kind}' is ignored", where)
    elif sequence is None:
        _define_element(parsed.label, parsed.kind, parsed.attributes, environment, where)
    else:
        require_new_in_sequence(sequence, parsed.label, where)
        own = tuple(a for a in parsed.attributes if a.name not in ("at", "from"))
        _define_element(parsed.label, parsed.kind, own, environment, where)
        place(sequence, parsed.label, parsed.attributes, environment, where)


def _define_element(
    label: str, kind: str, attributes: tuple[Attribute, ...], environment: Environment, where: Where
) -> None:
    if label in CLASSES or label in environment.sequences or label in environment.lines:
        raise where.error(f"'{label}' is already the name of a class, sequence or line")
    parent = environment.elements.get(kind)
    if parent is not None:
        element = MadxElement(label, parent.kind, dict(parent.attributes), where)
    elif kind in CLASSES:
        element = MadxElement(label, kind, {}, where)
    else:
        raise where.error(f"unknown element class '{kind}'{hint(kind, [*CLASSES, *environment.elements])}")
    for attribute in attributes:
        set_attribute(element, attribute, environment, where)
    environment.elements[label] = element
    environment.changed()


def update(name: str, attributes: tuple[Attribute, ...], environment: Environment, where: Where) -> None:
    """``name, attributes`` of an element."""
    element = environment.elements.get(name)
    if element is None:
        raise where.error(f"'{name}' is neither a command nor an element{hint(name, environment.elements)}")
    for attribute in attributes:
        set_attribute(element, attribute, environment, where)


def update_immediately(parsed: SetAttribute, environment: Environment, report: Report, where: Where) -> None:
    """``name->attribute = ...``; as in MAD-X, ``:=`` is evaluated immediately."""
    if parsed.attribute.deferred:
        report.note("'->' with ':=' is evaluated immediately, as in MAD-X", where)
    update(parsed.element, (replace(parsed.attribute, deferred=False),), environment, where)


def define_line(parsed: DefineLine, environment: Environment, where: Where) -> None:
    """``label: line = (...)``."""
    label = parsed.label
    if label in CLASSES or label in environment.elements or label in environment.sequences:
        raise where.error(f"'{label}' is already the name of a class, element or sequence")
    environment.lines[label] = MadxLine(label, parsed.formals, parsed.items, where)
