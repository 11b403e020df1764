"""Declared argument validation of public functions: a rule for each argument, applied before the function runs.

    @arguments(lattice=LATTICE, delta=NUMBER, guess=optional(numbers(6)))
    def closed_orbit(lattice, delta=0.0, guess=None): ...

Rules apply to arguments that are given; defaults are valid.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from gputrack.base.arrays import is_cupy, is_traced
from gputrack.base.checks import LARGEST_INTEGER, require_integer, require_traceable, require_unmasked, short
from gputrack.base.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
#: (function, argument, value) -> None, or raise `InputError`
Rule = Callable[[str, str, Any], Any]


def arguments(owner: str | None = None, /, **rules: Rule) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator that validates arguments of a function by rules; `owner` is its name in messages."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = list(inspect.signature(function).parameters)
        unknown = rules.keys() - set(names)
        if unknown:
            raise TypeError(f"{function.__qualname__}: no arguments {sorted(unknown)}")
        caller = owner or function.__name__
        by_place = [(place, name, rules[name]) for place, name in enumerate(names) if name in rules]

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given = len(args)
            for place, name, rule in by_place:
                if place < given:
                    rule(caller, name, args[place])
                elif name in kwargs:
                    rule(caller, name, kwargs[name])
            return function(*args, **kwargs)

        return cast(Callable[P, R], checked)

    return decorate


def NUMBER(owner: str, name: str, value: Any) -> None:
    """Finite number, possibly traced."""
    require_traceable(owner, name, value)


def CALLABLE(owner: str, name: str, value: Any) -> None:
    """Function."""
    if not callable(value):
        raise InputError(f"{owner}: {name} must be a function, got {short(value)}")


def TEXT(owner: str, name: str, value: Any) -> None:
    """Text."""
    if not isinstance(value, str):
        raise InputError(f"{owner}: {name} must be text, got {short(value)}")


def SWITCH(owner: str, name: str, value: Any) -> None:
    """True or False, of Python or NumPy."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{owner}: {name} must be True or False, got {short(value)}")


def integer(least: int, most: int = LARGEST_INTEGER) -> Rule:
    """Rule for an integer from `least` to `most`."""
    return lambda owner, name, value: require_integer(owner, name, value, at_least=least, at_most=most)


def optional(rule: Rule) -> Rule:
    """Rule for a value that may be None."""
    return lambda owner, name, value: None if value is None else rule(owner, name, value)


def instance(kind: type | tuple[type, ...], text: str) -> Rule:
    """Rule for an object of a class, described by `text`."""

    def rule(owner: str, name: str, value: Any) -> None:
        if not isinstance(value, kind):
            raise InputError(f"{owner}: {name} must be {text}, got {short(value)}")

    return rule


def numbers(count: int) -> Rule:
    """Rule for a number of finite numbers, possibly traced or on a device."""

    def rule(owner: str, name: str, value: Any) -> None:
        if is_traced(value) or is_cupy(value):
            return
        require_unmasked(owner, name, value)
        try:
            array = np.asarray(value, dtype=float)
        except (TypeError, ValueError, OverflowError):
            array = np.zeros(0)
        if array.shape != (count,) or not np.isfinite(array).all():
            entries = "six" if count == 6 else str(count)
            raise InputError(f"{owner}: {name} must be {entries} finite numbers, got {short(value)}")

    return rule
