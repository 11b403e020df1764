"""Expressions as postfix programs and their evaluation.

Evaluation of the postfix form is not recursive, so that deeply nested expressions cannot overflow the stack.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from gputrack.io.madx.functions import FUNCTIONS, OPERATORS
from gputrack.io.madx.source import Where


@dataclass(frozen=True, slots=True)
class Variable:
    """Value of a variable."""

    name: str


@dataclass(frozen=True, slots=True)
class ElementAttribute:
    """``element->attribute``."""

    element: str
    attribute: str


@dataclass(frozen=True, slots=True)
class BeamAttribute:
    """``beam%sequence->attribute``."""

    sequence: str
    attribute: str


@dataclass(frozen=True, slots=True)
class Operator:
    """Operation on two numbers."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Negative:
    """Change of sign."""


@dataclass(frozen=True, slots=True)
class Call:
    """Function of `count` numbers."""

    function: str
    count: int


Instruction = float | Variable | ElementAttribute | BeamAttribute | Operator | Negative | Call


@dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """Instructions in the order of their execution on a stack of numbers."""

    items: tuple[Instruction, ...]

    @property
    def name(self) -> str | None:
        """Name if the expression is a single name, else None; for attributes whose values are words."""
        only = self.items[0] if len(self.items) == 1 else None
        return only.name if isinstance(only, Variable) else None

    @property
    def number(self) -> float | None:
        """Number if the expression is a single number, else None."""
        only = self.items[0] if len(self.items) == 1 else None
        return only if isinstance(only, float) else None


class Scope(Protocol):
    """Source of the values of names."""

    def count(self, steps: int, where: Where) -> None:
        """Count steps; raise if their number is excessive."""

    def variable(self, name: str, where: Where) -> float:
        """Value of a variable."""

    def element_attribute(self, element: str, attribute: str, where: Where) -> float:
        """Value of an element's attribute."""

    def beam_attribute(self, sequence: str, attribute: str, where: Where) -> float:
        """Value of an attribute of a sequence's beam."""

    def random(self, function: str, arguments: list[float]) -> float:
        """Value of ranf, gauss or tgauss."""


RANDOM_FUNCTIONS = {"ranf": 0, "gauss": 0, "tgauss": 1}


def evaluate(expression: Expression, scope: Scope, where: Where) -> float:
    """Finite value of an expression.

    Raises
    ------
    LatticeFileError
        A name is not defined, or the value is not a finite number.
    """
    number = expression.number
    if number is None:
        number = _run(expression, scope, where)
    if not math.isfinite(number):
        raise where.error(f"the value {number} is not a finite number")
    return number


def _run(expression: Expression, scope: Scope, where: Where) -> float:
    scope.count(5 + len(expression.items), where)
    stack: list[float] = []
    for item in expression.items:
        if isinstance(item, float):
            stack.append(item)
        elif isinstance(item, Variable):
            stack.append(scope.variable(item.name, where))
        elif isinstance(item, Operator):
            right = stack.pop()
            stack[-1] = _binary(item.symbol, stack[-1], right, where)
        elif isinstance(item, Negative):
            stack[-1] = -stack[-1]
        elif isinstance(item, ElementAttribute):
            stack.append(scope.element_attribute(item.element, item.attribute, where))
        elif isinstance(item, BeamAttribute):
            stack.append(scope.beam_attribute(item.sequence, item.attribute, where))
        else:
            arguments = [stack.pop() for _ in range(item.count)][::-1]
            stack.append(_call(item.function, arguments, scope, where))
    return stack.pop()


def _binary(symbol: str, left: float, right: float, where: Where) -> float:
    try:
        return OPERATORS[symbol](left, right)
    except (ArithmeticError, ValueError):
        raise where.error(f"{left:g} {symbol} {right:g} is not defined") from None


def _call(function: str, arguments: list[float], scope: Scope, where: Where) -> float:
    expected = RANDOM_FUNCTIONS.get(function, 1)
    if function not in FUNCTIONS and function not in RANDOM_FUNCTIONS:
        raise where.error(f"unknown function '{function}'; functions are {', '.join([*FUNCTIONS, *RANDOM_FUNCTIONS])}")
    if len(arguments) != expected:
        raise where.error(f"function '{function}' takes {expected} number(s), got {len(arguments)}")
    try:
        if function in RANDOM_FUNCTIONS:
            return scope.random(function, arguments)
        return FUNCTIONS[function](arguments[0])
    except (ArithmeticError, ValueError):
        text = ", ".join(f"{a:g}" for a in arguments)
        raise where.error(f"{function}({text}) is not defined") from None
