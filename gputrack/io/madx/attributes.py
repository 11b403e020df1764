"""Attributes of statements: validation against the class and conversion to stored values."""

from __future__ import annotations

from difflib import get_close_matches

from gputrack.io.madx.classes import CLASSES, Default
from gputrack.io.madx.environment import Deferred, Environment, MadxElement, Number, Stored
from gputrack.io.madx.expressions import Expression, evaluate
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import Attribute

MAX_VECTOR = 1000


def number(expression: Expression, deferred: bool, environment: Environment, where: Where) -> Number:
    """Value of an expression, or the expression itself if its evaluation is deferred."""
    if deferred and expression.number is None:
        return Deferred(expression, where)
    return evaluate(expression, environment, where)


def require_number(attribute: Attribute, environment: Environment, where: Where) -> Number:
    """Numerical value of an attribute."""
    if not isinstance(attribute.value, Expression):
        raise where.error(f"attribute '{attribute.name}' must be a number")
    return number(attribute.value, attribute.deferred, environment, where)


def require_word(attribute: Attribute, where: Where) -> str:
    """Word (or string) value of an attribute, in lower case."""
    value = attribute.value.name if isinstance(attribute.value, Expression) else attribute.value
    if not isinstance(value, str):
        raise where.error(f"attribute '{attribute.name}' must be a word")
    return value.strip().lower()


def require_flag(attribute: Attribute, environment: Environment, where: Where) -> bool:
    """Logical value of an attribute: ``name``, ``-name``, ``name = true``, ``name = 0``."""
    value = attribute.value
    if isinstance(value, bool):
        return value
    if isinstance(value, Expression):
        if value.name in ("true", "false"):
            return value.name == "true"
        return bool(evaluate(value, environment, where))
    raise where.error(f"attribute '{attribute.name}' must be true or false")


def vector(attribute: Attribute, environment: Environment, where: Where) -> tuple[Number, ...]:
    """Value of an attribute as a list of numbers; a single number is a list of one."""
    value = (attribute.value,) if isinstance(attribute.value, Expression) else attribute.value
    if not isinstance(value, tuple):
        raise where.error(f"attribute '{attribute.name}' must be a list of numbers in braces")
    if len(value) > MAX_VECTOR:
        raise where.error(f"attribute '{attribute.name}' has more than {MAX_VECTOR} numbers")
    return tuple(number(entry, attribute.deferred, environment, where) for entry in value)


def set_attribute(element: MadxElement, attribute: Attribute, environment: Environment, where: Where) -> None:
    """Store an attribute of an element.

    Raises
    ------
    LatticeFileError
        The class has no such attribute, or the value has a wrong type.
    """
    known = CLASSES[element.kind]
    if attribute.name not in known:
        near = get_close_matches(attribute.name, known, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise where.error(f"{element.kind} '{element.name}' has no attribute '{attribute.name}'{hint}")
    before = element.attributes.get(attribute.name)
    element.attributes[attribute.name] = _stored(attribute, known[attribute.name], before, environment, where)
    environment.changed()


def _stored(
    attribute: Attribute, default: Default, before: Stored | None, environment: Environment, where: Where
) -> Stored:
    if isinstance(default, bool):
        return require_flag(attribute, environment, where)
    if isinstance(default, str):
        return require_word(attribute, where) if attribute.name not in ("type", "comments") else ""
    if isinstance(default, tuple):
        # A shorter list replaces the beginning of a longer one, as in MAD-X.
        values = vector(attribute, environment, where)
        return values + (before[len(values) :] if isinstance(before, tuple) else ())
    return require_number(attribute, environment, where)
