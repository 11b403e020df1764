"""Forward-mode evaluation of a function whose value may be a list, tuple or dictionary of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd.core import JVPNode
from autograd.tracer import isbox, new_box, trace_stack

from gputrack.autodiff.cupy_box import sealed, unsealed
from gputrack.autodiff.jvp_rules import add_missing_rules
from gputrack.base.arrays import is_cupy, namespace
from gputrack.base.checks import short
from gputrack.base.errors import InputError


def pushed_forward(function: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
    """Value and tangent of ``function(*primals)``; `tangents` has the structure of `primals`."""
    add_missing_rules()
    with trace_stack.new_trace() as trace:
        boxes = new_box(sealed(primals), trace, JVPNode.new_root(sealed(tangents)))
        return _split(function(*boxes), trace)


def _split(value: Any, trace: Any) -> tuple[Any, Any]:
    """Separate values from tangents; the tangent is 0 where the value does not depend on the arguments."""
    if isinstance(value, dict):
        pairs = {key: _split(item, trace) for key, item in value.items()}
        return {key: v for key, (v, _) in pairs.items()}, {key: t for key, (_, t) in pairs.items()}
    if type(value) in (tuple, list):
        items = [_split(item, trace) for item in value]
        return type(value)(v for v, _ in items), type(value)(t for _, t in items)
    if isbox(value) and value._trace == trace:
        return unsealed(value._value), unsealed(value._node.g)
    if isbox(value):  # traced by an enclosing differentiation
        return value, 0.0 * value
    if isinstance(value, (int, float, np.ndarray, np.generic)) or is_cupy(value):
        return value, namespace(value).zeros_like(value, dtype=float)
    raise InputError(f"jvp: the function must return arrays or numbers, got {short(value)}")
