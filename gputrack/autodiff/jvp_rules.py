"""Forward-mode rules of matrix functions and Fourier transforms; autograd has the reverse-mode rules only.

M. B. Giles, Collected matrix derivative results for forward and reverse mode, in Advances in Automatic Differentiation
(2008), sections 2.2.3, 2.2.4, 2.3.1.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import autograd.numpy as anp
from autograd.core import primitive_jvps
from autograd.extend import defjvp

linalg = anp.linalg


def _inv(g: Any, ans: Any, a: Any) -> Any:
    return -(ans @ g @ ans)


def _det(g: Any, ans: Any, a: Any) -> Any:
    return ans * anp.trace(linalg.solve(a, g), axis1=-2, axis2=-1)


def _solve_matrix(g: Any, ans: Any, a: Any, b: Any) -> Any:
    return -linalg.solve(a, g @ ans)


def _solve_side(g: Any, ans: Any, a: Any, b: Any) -> Any:
    return linalg.solve(a, g)


@cache
def add_missing_rules() -> None:
    """Register, once, the rules that this version of autograd lacks."""
    for function, rules in ((linalg.inv, [_inv]), (linalg.det, [_det]), (linalg.solve, [_solve_matrix, _solve_side])):
        if function not in primitive_jvps:
            defjvp(function, *rules)
    for function in (anp.fft.fft, anp.fft.ifft, anp.fft.fftn, anp.fft.ifftn):
        if function not in primitive_jvps:
            defjvp(function, "same")  # linear
