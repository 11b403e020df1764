"""Twiss parameters at one place, from which beams are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gputrack.checks import require_number
from gputrack.errors import InputError


@dataclass(frozen=True)
class InitialTwiss:
    """Uncoupled Twiss parameters and dispersion at one place.

    Parameters
    ----------
    betx, bety : float
        Beta functions [m], > 0.
    alfx, alfy : float
        -beta'/2 [1].
    dx, dy : float
        Dispersion [m], per delta.
    dpx, dpy : float
        Its derivative, in px, py per delta [1].

    Raises
    ------
    InputError
        A value is not one finite number, or a beta function is not > 0.
    """

    betx: float
    alfx: float
    bety: float
    alfy: float
    dx: float = 0.0
    dpx: float = 0.0
    dy: float = 0.0
    dpy: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            above = 0.0 if name.startswith("bet") else None
            number = require_number("InitialTwiss", name, getattr(self, name), unit="m", above=above)
            object.__setattr__(self, name, number)

    @classmethod
    def of(cls, source: Any) -> InitialTwiss:
        """The same of any object with scalars betx, alfx, bety, alfy and perhaps dx, dpx, dy, dpy."""
        if isinstance(source, cls):
            return source
        missing = [name for name in ("betx", "alfx", "bety", "alfy") if not hasattr(source, name)]
        if missing:
            raise InputError(
                f"twiss must have betx, alfx, bety, alfy as gputrack.InitialTwiss has; "
                f"{type(source).__name__} lacks {', '.join(missing)}"
            )
        names = [name for name in cls.__dataclass_fields__ if hasattr(source, name)]
        return cls(**{name: getattr(source, name) for name in names})


def matched_factor(
    twiss: InitialTwiss, emit: tuple[float, float], sigma_z: float, sigma_delta: float
) -> np.ndarray:
    """Matrix F (6, 6) that makes a matched beam u = F n of normalised coordinates n with unit variances.

    x = sqrt(e beta) n1, px = sqrt(e / beta) (n2 - alpha n1), likewise in y; z = sigma_z n5,
    delta = sigma_delta n6; dispersion times delta is added to x, px, y, py (Courant and Snyder, Ann. Phys. 3
    (1958) 1). z keeps its size sigma_z: its small betatron part where there is dispersion is left out; a beam
    matched in all six dimensions is made of its sigma matrix.
    """
    factor = np.zeros((6, 6))
    planes = ((emit[0], twiss.betx, twiss.alfx), (emit[1], twiss.bety, twiss.alfy))
    for i, (emittance, beta, alpha) in enumerate(planes):
        factor[2 * i, 2 * i] = np.sqrt(emittance * beta)
        factor[2 * i + 1, 2 * i : 2 * i + 2] = np.sqrt(emittance / beta) * np.array([-alpha, 1.0])
    factor[4, 4], factor[5, 5] = sigma_z, sigma_delta
    factor[:4, 5] = sigma_delta * np.array([twiss.dx, twiss.dpx, twiss.dy, twiss.dpy])
    return factor
