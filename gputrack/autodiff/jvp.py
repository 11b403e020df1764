"""Forward mode: derivatives of any number of outputs along one direction in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gputrack.autodiff.forward_trace import pushed_forward
from gputrack.autodiff.plain_numbers import explained_conversions
from gputrack.base.arguments import CALLABLE, arguments
from gputrack.base.arrays import is_cupy, is_traced
from gputrack.base.checks import short
from gputrack.base.errors import InputError


@arguments(function=CALLABLE)
def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Value of a function and its derivative along one direction, by forward mode.

    The kernels propagate the tangents with the particles; the cost is one run, independent of the number of outputs.
    For few outputs and many knobs use `gputrack.grad`.

    Parameters
    ----------
    function : callable
        Function of arrays, written with gputrack and ``autograd.numpy``. Its value is an array, a number, or a list,
        tuple or dictionary of them.
    primals : sequence
        Arguments at which to differentiate: numbers, NumPy or CuPy arrays.
    tangents : sequence
        Direction: for each argument a number or an array of the same shape.

    Returns
    -------
    value, tangent : of the type of the function's value

    Raises
    ------
    InputError
        Primals and tangents do not match, or the value has an unsupported type.

    Examples
    --------
    ``gt.jvp(lambda k: gt.track(ring.with_knobs(knobs, k), beam).coordinates, (knobs.values,), (direction,))``
    """
    arguments, along = _require_pairs(primals, tangents)
    with explained_conversions("jvp"):
        value, tangent = pushed_forward(function, arguments, along)
    return value, tangent


def _require_pairs(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    for name, sequence in (("primals", primals), ("tangents", tangents)):
        if not isinstance(sequence, (tuple, list)):
            raise InputError(f"jvp: {name} must be a tuple, one entry per argument, got {short(sequence)}")
    if len(primals) != len(tangents) or not primals:
        raise InputError(f"jvp: tangents must be as many as primals, got {len(tangents)} for {len(primals)}")
    pairs = [_pair(i, p, t) for i, (p, t) in enumerate(zip(primals, tangents, strict=True))]
    return tuple(p for p, _ in pairs), tuple(t for _, t in pairs)


def _pair(place: int, primal: Any, tangent: Any) -> tuple[Any, Any]:
    """Argument and tangent as floating-point numbers or arrays of one shape."""
    p, t = _number(f"primals[{place}]", primal), _number(f"tangents[{place}]", tangent)
    if np.shape(p) != np.shape(t):
        raise InputError(f"jvp: tangents[{place}] must have the shape {np.shape(p)} of the argument, got {np.shape(t)}")
    if is_cupy(p) != is_cupy(t):
        raise InputError(f"jvp: primals[{place}] and tangents[{place}] must be on the same device")
    return p, t


def _number(name: str, value: Any) -> Any:
    if is_traced(value) or is_cupy(value):
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"jvp: {name} must be a number or an array, got {short(value)}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"jvp: {name} must be a number or an array of real numbers, got {short(value)}")
    return array.astype(float) if array.ndim else float(array)


def forward_jacobian(function: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """Jacobian by columns, one run with tangents for each entry of the argument; see `gputrack.jacobian`."""

    def call(*args: Any, **kwargs: Any) -> np.ndarray:
        at = _number(f"argument {argnum}", args[argnum])
        if is_cupy(at):
            raise InputError("jacobian: a CuPy array cannot be differentiated; compute columns with jvp")

        def of_argument(value: Any) -> Any:
            return function(*(value if i == argnum % len(args) else a for i, a in enumerate(args)), **kwargs)

        units = np.eye(np.size(at)).reshape(np.size(at), *np.shape(at))
        columns = [jvp(of_argument, (at,), (unit if np.ndim(at) else 1.0,))[1] for unit in units]
        return np.stack(columns, axis=-1).reshape(*np.shape(columns[0]), *np.shape(at))

    return call
