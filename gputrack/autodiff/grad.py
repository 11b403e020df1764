"""Gradients and Jacobians of functions written with gputrack and autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd

from gputrack.autodiff.cupy_box import sealed, unsealed
from gputrack.autodiff.jvp import forward_jacobian
from gputrack.autodiff.plain_numbers import explained_conversions
from gputrack.base.arguments import CALLABLE, TEXT, arguments, integer
from gputrack.base.arrays import is_cupy
from gputrack.base.checks import LARGEST_INTEGER, require_integer
from gputrack.base.errors import InputError


def ARGNUM(owner: str, name: str, value: Any) -> None:
    """Raise `InputError` if a value is not the index of an argument, or several."""
    for index in value if isinstance(value, (tuple, list)) else (value,):
        require_integer(owner, name, index, at_least=-LARGEST_INTEGER, at_most=LARGEST_INTEGER)


@arguments(function=CALLABLE, argnum=ARGNUM)
def value_and_grad(function: Callable[..., Any], argnum: int = 0) -> Callable[..., tuple[Any, Any]]:
    """Function that returns the value of a scalar function and its gradient with respect to one argument.

    The cost is one forward run and one backward sweep, independent of the number of knobs.

    Parameters
    ----------
    function : callable
        Scalar function written with gputrack and ``autograd.numpy``.
    argnum : int
        Index of the argument to differentiate. The gradient of a CuPy array is a CuPy array.
    """
    return _accepting_cupy(autograd.value_and_grad(function, argnum), argnum)


@arguments(function=CALLABLE, argnum=ARGNUM)
def grad(function: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """Gradient of a scalar function; see `value_and_grad`."""
    return _accepting_cupy(autograd.grad(function, argnum), argnum)


@arguments(function=CALLABLE, argnum=integer(-LARGEST_INTEGER), mode=TEXT)
def jacobian(function: Callable[..., Any], argnum: int = 0, *, mode: str = "reverse") -> Callable[..., Any]:
    """Jacobian of a function whose value is a NumPy array; shape (*value.shape, *argument.shape).

    Parameters
    ----------
    function : callable
    argnum : int
        Index of the argument to differentiate.
    mode : {"reverse", "forward"}
        "reverse" computes rows, one backward sweep for each entry of the value; "forward" computes columns, one run
        with tangents for each entry of the argument, which is cheaper if the argument is shorter than the value.

    Raises
    ------
    InputError
        The argument is a CuPy array (the gradients of all entries would fill the GPU), or `mode` is unknown.
    """
    if mode not in ("reverse", "forward"):
        raise InputError(f"jacobian: mode must be 'reverse' or 'forward', got {mode!r}")
    if mode == "forward":
        return forward_jacobian(function, argnum)
    derivative = autograd.jacobian(function, argnum)

    def call(*args: Any, **kwargs: Any) -> Any:
        if args and is_cupy(args[argnum]):
            raise InputError("jacobian: a CuPy array cannot be differentiated; use grad of each entry, or knobs")
        with explained_conversions("jacobian"):
            return derivative(*args, **kwargs)

    return call


def _accepting_cupy(derivative: Callable[..., Any], argnum: Any) -> Callable[..., Any]:
    """Make a derivative of autograd accept and return CuPy arrays, which autograd sees as `DeviceArray`."""
    argnums = argnum if isinstance(argnum, (tuple, list)) else [argnum]

    def call(*args: Any, **kwargs: Any) -> Any:
        indices = {i % len(args) for i in argnums} if args else set()
        with explained_conversions("grad"):
            return unsealed(derivative(*(sealed(a) if i in indices else a for i, a in enumerate(args)), **kwargs))

    return call
