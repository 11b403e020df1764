"""autograd's `primitive`, with the type of the function that it decorates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from autograd import extend

Function = TypeVar("Function", bound=Callable[..., Any])


def primitive(function: Function) -> Function:
    """Make a function of arrays a primitive of autograd; its rules are given with `defvjp` and `defjvp`."""
    traced: Function = extend.primitive(function)
    return traced
