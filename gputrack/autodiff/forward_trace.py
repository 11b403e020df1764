"""One call of a function with autograd's forward mode, whose value may be a list, tuple or dictionary of arrays."""

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
    """Value and tangent of ``function(*primals)`` along `tangents`, which are as the primals."""
    add_missing_rules()
    with trace_stack.new_trace() as trace:
        boxes = new_box(sealed(primals), trace, JVPNode.new_root(sealed(tangents)))
        return _taken_apart(function(*boxes), trace)


def _taken_apart(value: Any, trace: Any) -> tuple[Any, Any]:
    """What a function gave, as plain values and as tangents, 0 for what does not depend on its arguments."""
    if isinstance(value, dict):
        pairs = {key: _taken_apart(item, trace) for key, item in value.items()}
        return {key: v for key, (v, _) in pairs.items()}, {key: t for key, (_, t) in pairs.items()}
    if type(value) in (tuple, list):
        items = [_taken_apart(item, trace) for item in value]
        return type(value)(v for v, _ in items), type(value)(t for _, t in items)
    if isbox(value) and value._trace == trace:
        return unsealed(value._value), unsealed(value._node.g)
    if isbox(value):  # of another differentiation around this one
        return value, 0.0 * value
    if isinstance(value, (int, float, np.ndarray, np.generic)) or is_cupy(value):
        return value, namespace(value).zeros_like(value, dtype=float)
    raise InputError(f"jvp: the function must give arrays or numbers, got {short(value)}")
