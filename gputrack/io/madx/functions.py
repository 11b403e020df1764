"""Functions, operators and constants of MAD-X expressions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from gputrack.base.constants import (
    ATOMIC_MASS,
    ELECTRON_MASS,
    ELEMENTARY_CHARGE,
    MUON_MASS,
    PROTON_MASS,
    SPEED_OF_LIGHT,
)

NEUTRON_MASS = 939.565_421_94e6  # eV, CODATA 2022
ELECTRON_RADIUS = 2.817_940_3205e-15  # m, CODATA 2022
_GEV = 1e9

#: MAD-X's predefined constants; masses [GeV] are those of gputrack.base.constants (MAD-X 5.09 has CODATA 2018)
CONSTANTS: dict[str, float] = {
    "pi": math.pi,
    "twopi": 2.0 * math.pi,
    "degrad": 180.0 / math.pi,
    "raddeg": math.pi / 180.0,
    "e": math.e,
    "amu0": 4e-7 * math.pi,
    "emass": ELECTRON_MASS / _GEV,
    "mumass": MUON_MASS / _GEV,
    "nmass": NEUTRON_MASS / _GEV,
    "umass": ATOMIC_MASS / _GEV,
    "pmass": PROTON_MASS / _GEV,
    "clight": SPEED_OF_LIGHT,
    "qelect": ELEMENTARY_CHARGE,
    "hbar": 6.582_119_569e-25,
    "erad": ELECTRON_RADIUS,
    "prad": ELECTRON_RADIUS * ELECTRON_MASS / PROTON_MASS,
    # the version of MAD-X whose behaviour is reproduced, for files with if (version > 50400) {...}
    "version": 50902.0,
}


def _power(base: float, exponent: float) -> float:
    return math.pow(base, exponent)


def _sinc(x: float) -> float:
    """sin(x)/x."""
    return math.sin(x) / x if x else 1.0


#: functions of one number
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "log10": math.log10,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "sinc": _sinc,
    "abs": abs,
    "erf": math.erf,
    "erfc": math.erfc,
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "round": lambda x: float(round(x)),
    "frac": lambda x: math.modf(x)[0],
}

OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": _power,
    "==": lambda a, b: float(a == b),
    "<>": lambda a, b: float(a != b),
    "<=": lambda a, b: float(a <= b),
    ">=": lambda a, b: float(a >= b),
    "<": lambda a, b: float(a < b),
    ">": lambda a, b: float(a > b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
}
