"""Twiss parameters at one place, from which beams are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gputrack.base.arrays import Array, assembled
from gputrack.base.checks import require_traceable
from gputrack.base.errors import InputError
from gputrack.beam.moments import root


@dataclass(frozen=True)
class InitialTwiss:
    """Uncoupled Twiss parameters and dispersion at one place.

    Each may be a number that autograd traces; what is made of them can be differentiated with respect to it.

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
            number = require_traceable("InitialTwiss", name, getattr(self, name), unit="m", above=above)
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


def matched_factor(twiss: InitialTwiss, emit: tuple[float, float], sigma_z: float, sigma_delta: float) -> Array:
    """Matrix F (6, 6) that makes a matched beam u = F n of normalised coordinates n with unit variances.

    x = sqrt(e beta) n1, px = sqrt(e / beta) (n2 - alpha n1), likewise in y; z = sigma_z n5,
    delta = sigma_delta n6; dispersion times delta is added to x, px, y, py (Courant and Snyder, Ann. Phys. 3
    (1958) 1). z keeps its size sigma_z: its small betatron part where there is dispersion is left out; a beam
    matched in all six dimensions is made of its sigma matrix.

    Traced where an argument is; the derivative with respect to an emittance of 0 is set to 0 (it has none).
    """
    (ax, bx, cx), (ay, by, cy) = (
        _plane(emittance, beta, alpha)
        for emittance, beta, alpha in ((emit[0], twiss.betx, twiss.alfx), (emit[1], twiss.bety, twiss.alfy))
    )
    dx, dpx, dy, dpy = (sigma_delta * dispersion for dispersion in (twiss.dx, twiss.dpx, twiss.dy, twiss.dpy))
    return assembled(
        [
            [ax, 0.0, 0.0, 0.0, 0.0, dx],
            [bx, cx, 0.0, 0.0, 0.0, dpx],
            [0.0, 0.0, ay, 0.0, 0.0, dy],
            [0.0, 0.0, by, cy, 0.0, dpy],
            [0.0, 0.0, 0.0, 0.0, sigma_z, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0, sigma_delta],
        ]
    )


def _plane(emittance: float, beta: float, alpha: float) -> tuple[Array, Array, Array]:
    """Entries x n1, px n1, px n2 of the matrix."""
    slope = root(emittance / beta)
    return root(emittance * beta), -alpha * slope, slope
