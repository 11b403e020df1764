"""Forward mode: derivatives along one direction, of any number of outputs, in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gputrack.autodiff.forward_trace import pushed_forward
from gputrack.base.arrays import is_cupy, is_traced
from gputrack.base.checks import short
from gputrack.base.errors import InputError


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Value of a function and its derivative along one direction, by forward mode.

    The kernels carry the tangents along with the particles: one run, whatever the number of outputs. Where there are
    few outputs and many knobs, `gputrack.grad` is the way.

    Parameters
    ----------
    function : callable
        Of arrays; written with gputrack and ``autograd.numpy``. Its value is an array, a number, or a list, tuple or
        dictionary of them.
    primals : sequence
        Arguments at which to differentiate: numbers, NumPy or CuPy arrays.
    tangents : sequence
        The direction: for each argument a number or array of its shape.

    Returns
    -------
    value, tangent : as the function's value

    Raises
    ------
    InputError
        Primals and tangents do not match, or the value is of another type.

    Examples
    --------
    ``gt.jvp(lambda k: gt.track(ring.with_knobs(knobs, k), beam).coordinates, (knobs.values,), (direction,))``
    """
    arguments, along = _matched(primals, tangents)
    value, tangent = pushed_forward(function, arguments, along)
    return value, tangent


def _matched(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise InputError(f"jvp: {name} must be a tuple, one entry for each argument, got {short(given)}")
    if len(primals) != len(tangents) or not primals:
        raise InputError(f"jvp: as many tangents as primals, at least one; got {len(tangents)} and {len(primals)}")
    pairs = [_pair(i, p, t) for i, (p, t) in enumerate(zip(primals, tangents, strict=True))]
    return tuple(p for p, _ in pairs), tuple(t for _, t in pairs)


def _pair(place: int, primal: Any, tangent: Any) -> tuple[Any, Any]:
    """Argument and tangent as floating-point numbers or arrays of one shape."""
    p, t = _number(f"primals[{place}]", primal), _number(f"tangents[{place}]", tangent)
    if np.shape(p) != np.shape(t):
        raise InputError(f"jvp: tangents[{place}] must have shape {np.shape(p)} as the argument, got {np.shape(t)}")
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
    """Jacobian by columns: one run with tangents for each entry of the argument; see `gputrack.jacobian`."""

    def call(*args: Any, **kwargs: Any) -> np.ndarray:
        at = _number(f"argument {argnum}", args[argnum])
        if is_cupy(at):
            raise InputError("jacobian: a CuPy array cannot be differentiated; use jvp, column by column")

        def own(value: Any) -> Any:
            return function(*(value if i == argnum % len(args) else a for i, a in enumerate(args)), **kwargs)

        units = np.eye(np.size(at)).reshape(np.size(at), *np.shape(at))
        columns = [jvp(own, (at,), (unit if np.ndim(at) else 1.0,))[1] for unit in units]
        return np.stack(columns, axis=-1).reshape(*np.shape(columns[0]), *np.shape(at))

    return call
