"""Reverse-mode derivatives: gradients and Jacobians of any function written with gputrack and autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd

from gputrack.autodiff.cupy_box import sealed, unsealed
from gputrack.autodiff.jvp import forward_jacobian
from gputrack.base.arrays import is_cupy
from gputrack.base.errors import InputError


def value_and_grad(function: Callable[..., Any], argnum: int = 0) -> Callable[..., tuple[Any, Any]]:
    """Function that returns both the value of a scalar function and its gradient with respect to one argument.

    One forward run and one backward sweep, whatever the number of knobs.

    Parameters
    ----------
    function : callable
        Scalar; written with gputrack and ``autograd.numpy``.
    argnum : int
        Which argument to differentiate. Where it is a CuPy array, so is its gradient.
    """
    return _on_any_device(autograd.value_and_grad(function, argnum), argnum)


def grad(function: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """Gradient of a scalar function, see `value_and_grad`."""
    return _on_any_device(autograd.grad(function, argnum), argnum)


def jacobian(function: Callable[..., Any], argnum: int = 0, *, mode: str = "reverse") -> Callable[..., Any]:
    """Jacobian of a function with a NumPy array as value, shape: that of the value, then that of the argument.

    Parameters
    ----------
    function : callable
    argnum : int
        Which argument to differentiate.
    mode : {"reverse", "forward"}
        Row by row, one backward sweep for each entry of the value, or column by column, one run with tangents for
        each entry of the argument: cheaper where the argument is shorter than the value.

    Raises
    ------
    InputError
        The argument is a CuPy array: the gradients of all entries would fill the GPU. Or there is no such mode.
    """
    if mode not in ("reverse", "forward"):
        raise InputError(f"jacobian: mode must be 'reverse' or 'forward', got {mode!r}")
    if mode == "forward":
        return forward_jacobian(function, argnum)
    derivative = autograd.jacobian(function, argnum)

    def call(*args: Any, **kwargs: Any) -> Any:
        if args and is_cupy(args[argnum]):
            raise InputError("jacobian: a CuPy array cannot be differentiated; use grad, entry by entry, or knobs")
        return derivative(*args, **kwargs)

    return call


def _on_any_device(derivative: Callable[..., Any], argnum: Any) -> Callable[..., Any]:
    """A derivative by autograd that takes and gives CuPy arrays, which autograd is shown under seal."""
    chosen = argnum if isinstance(argnum, (tuple, list)) else [argnum]

    def call(*args: Any, **kwargs: Any) -> Any:
        places = {i % len(args) for i in chosen} if args else set()
        return unsealed(derivative(*(sealed(a) if i in places else a for i, a in enumerate(args)), **kwargs))

    return call
