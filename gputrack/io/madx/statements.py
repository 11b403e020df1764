"""Parsed statements."""

from __future__ import annotations

from dataclasses import dataclass

from gputrack.io.madx.expressions import Expression

Value = Expression | str | bool | tuple[Expression, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Attribute:
    """``name = value``, ``name := value``, ``name`` (true) or ``-name`` (false)."""

    name: str
    deferred: bool
    value: Value


@dataclass(frozen=True, eq=False, slots=True)
class Assign:
    """``x = 1;`` or ``x := y;``."""

    name: str
    deferred: bool
    expression: Expression
    prefixes: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Declare:
    """``real x;``, a declaration without a value."""

    name: str


@dataclass(frozen=True, eq=False, slots=True)
class SetAttribute:
    """``element->attribute = value;``."""

    element: str
    attribute: Attribute


@dataclass(frozen=True, eq=False, slots=True)
class Define:
    """``label: kind, attributes;``."""

    label: str
    kind: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Command:
    """``name, attributes;``."""

    name: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Item:
    """Item of a line: a name, with or without arguments, or a group."""

    name: str | None
    inside: tuple[Item, ...] = ()
    repeat: int = 1
    reverse: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class DefineLine:
    """``label(formals): line = (items);``."""

    label: str
    formals: tuple[str, ...]
    items: tuple[Item, ...]


Parsed = Assign | Declare | SetAttribute | Define | Command | DefineLine
