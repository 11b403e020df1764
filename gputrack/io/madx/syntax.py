"""Parser of single statements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Transformer, UnexpectedInput
from lark.exceptions import VisitError

from gputrack.io.madx.expressions import (
    BeamAttribute,
    Call,
    ElementAttribute,
    Expression,
    Instruction,
    Negative,
    Operator,
    Variable,
)
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import (
    Assign,
    Attribute,
    Command,
    Declare,
    Define,
    DefineLine,
    Item,
    Parsed,
    SetAttribute,
)

MAX_REPETITIONS = 1_000_000


class _InvalidStatement(ValueError):
    """Text that agrees with the grammar but has no meaning."""


class _Builder(Transformer[Any, Any]):
    """Transformer of each rule of the grammar, innermost first; unfinished expressions are lists."""

    def NAME(self, token: str) -> str:
        return str(token).lower()

    def number(self, children: list[str]) -> list[Instruction]:
        return [float(children[0].lower().replace("d", "e"))]

    def variable(self, children: list[str]) -> list[Instruction]:
        return [Variable(children[0])]

    def element_attribute(self, children: list[str]) -> list[Instruction]:
        return [ElementAttribute(*children)]

    def beam_attribute(self, children: list[str]) -> list[Instruction]:
        if children[0] != "beam":
            raise _InvalidStatement(f"'%' is allowed in beam%sequence only, not after '{children[0]}'")
        return [BeamAttribute(*children[1:])]

    def negative(self, children: list[list[Instruction]]) -> list[Instruction]:
        (items,) = children
        if len(items) == 1 and isinstance(items[0], float):
            return [-items[0]]
        items.append(Negative())
        return items

    def call(self, children: list[Any]) -> list[Instruction]:
        arguments = [c for c in children[1:] if c is not None]
        return [*_joined(arguments), Call(children[0], len(arguments))]

    def comparison(self, children: list[Any]) -> list[Instruction]:
        left, symbol, right = children
        return _binary(str(symbol), [left, right])

    def either(self, children: list[list[Instruction]]) -> list[Instruction]:
        return _binary("||", children)

    def both(self, children: list[list[Instruction]]) -> list[Instruction]:
        return _binary("&&", children)

    def add(self, children: list[list[Instruction]]) -> list[Instruction]:
        return _binary("+", children)

    def subtract(self, children: list[list[Instruction]]) -> list[Instruction]:
        return _binary("-", children)

    def multiply(self, children: list[list[Instruction]]) -> list[Instruction]:
        return _binary("*", children)

    def divide(self, children: list[list[Instruction]]) -> list[Instruction]:
        return _binary("/", children)

    def power(self, children: list[list[Instruction]]) -> list[Instruction]:
        return _binary("^", children)

    # -- values and attributes -----------------------------------------------------------------

    def string(self, children: list[str]) -> str:
        text = str(children[0])
        return text[1:-1] if text[0] in "\"'" else text

    def vector(self, children: list[Any]) -> tuple[Expression, ...]:
        return tuple(_expression(c) for c in children if c is not None)

    def now(self, children: list[Any]) -> bool:
        return False

    def deferred(self, children: list[Any]) -> bool:
        return True

    def attribute(self, children: list[Any]) -> Attribute:
        name, deferred, value = children
        return Attribute(name, deferred, _expression(value) if isinstance(value, list) else value)

    def flag_on(self, children: list[str]) -> Attribute:
        return Attribute(children[0], False, True)

    def flag_off(self, children: list[str]) -> Attribute:
        return Attribute(children[0], False, False)

    def attributes(self, children: list[Attribute]) -> tuple[Attribute, ...]:
        return tuple(children)

    # -- statements ----------------------------------------------------------------------------

    def prefix(self, children: list[str]) -> str:
        return "prefix " + str(children[0]).lower()

    def assignment(self, children: list[Any]) -> Assign:
        *prefixes, name, deferred, expression = children
        return Assign(name, deferred, _expression(expression), tuple(p.removeprefix("prefix ") for p in prefixes))

    def declaration(self, children: list[Any]) -> Declare:
        return Declare(children[-1])

    def attribute_assignment(self, children: list[Any]) -> SetAttribute:
        return SetAttribute(children[0], self.attribute(children[1:]))

    def definition(self, children: list[Any]) -> Define:
        return Define(*children)

    def command(self, children: list[Any]) -> Command:
        return Command(*children)

    # -- lines ---------------------------------------------------------------------------------

    def formals(self, children: list[str]) -> tuple[str, ...]:
        return tuple(children)

    def items(self, children: list[Item]) -> tuple[Item, ...]:
        return tuple(children)

    def item_name(self, children: list[str]) -> Item:
        return Item(children[0])

    def item_call(self, children: list[Any]) -> Item:
        return Item(*children)

    def item_group(self, children: list[tuple[Item, ...]]) -> Item:
        return Item(None, children[0])

    def item_reversed(self, children: list[Item]) -> Item:
        (item,) = children
        return replace(item, reverse=not item.reverse)

    def item_repeated(self, children: list[Any]) -> Item:
        text: str = children[0]
        item: Item = children[1]
        if not text.isdigit() or not 1 <= float(text) * item.repeat <= MAX_REPETITIONS:
            raise _InvalidStatement(f"'{text}*' must be a whole number of repetitions from 1 to {MAX_REPETITIONS}")
        return replace(item, repeat=int(text) * item.repeat)

    def line_definition(self, children: list[Any]) -> DefineLine:
        label, formals, _, items = children
        return DefineLine(label, formals or (), items)


def _joined(lists: Sequence[list[Instruction]]) -> list[Instruction]:
    return [item for one in lists for item in one]


def _binary(symbol: str, children: list[list[Instruction]]) -> list[Instruction]:
    left, right = children
    left.extend(right)
    left.append(Operator(symbol))
    return left


def _expression(items: list[Instruction]) -> Expression:
    return Expression(tuple(items))


@cache
def _parser() -> Lark:
    grammar = files("gputrack.io.madx").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", start=["start", "condition"], transformer=_Builder(), maybe_placeholders=True)


def parse(text: str, where: Where) -> Parsed:
    """Parse a statement.

    Raises
    ------
    LatticeFileError
        The text does not agree with the grammar; the message gives the line and the word.
    """
    statement: Parsed = _parse(text, where, "start")
    return statement


def parse_condition(text: str, where: Where) -> Expression:
    """Parse the condition of an if or while, with its parentheses; its value is 1 or 0."""
    return _expression(_parse(text, where, "condition"))


def _parse(text: str, where: Where, start: str) -> Any:
    try:
        return _parser().parse(text, start=start)
    except UnexpectedInput as error:
        line = error.line if isinstance(error.line, int) and error.line > 0 else 1 + text.count("\n")
        place = where._replace(line=where.line + line - 1)
        raise place.error(f"unexpected {_word(text, error)} in '{_start(text)}'") from None
    except (_InvalidStatement, VisitError) as error:
        raise where.error(str(getattr(error, "orig_exc", error))) from None


def _word(text: str, error: UnexpectedInput) -> str:
    """The word at which the parser stopped."""
    position = error.pos_in_stream
    if position is None or position < 0 or not text[position:].strip():
        return "the end"
    found = re.match(r"\s*([\w.$#@]+|\S)", text[position:])
    return f"'{found[1]}'" if found else "the end"


def _start(text: str) -> str:
    flat = " ".join(text[:200].split())
    return flat if len(flat) <= 40 else flat[:37] + "..."
