"""Twiss parameters at one place, for matched beams and lines."""

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

    Each may be traced by autograd; results are then differentiable with respect to it.

    Parameters
    ----------
    betx, bety : float
        Beta functions [m], > 0.
    alfx, alfy : float
        -beta'/2 [1].
    dx, dy : float
        Dispersion [m], per delta.
    dpx, dpy : float
        Dispersion of px, py, per delta [1].

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
    def of(cls, source: Any, name: str = "twiss") -> InitialTwiss:
        """Initial values from any object with scalars betx, alfx, bety, alfy and optionally dx, dpx, dy, dpy."""
        if isinstance(source, cls):
            return source
        missing = [name for name in ("betx", "alfx", "bety", "alfy") if not hasattr(source, name)]
        if missing:
            raise InputError(
                f"{name} must have attributes betx, alfx, bety, alfy, like gputrack.InitialTwiss; "
                f"{type(source).__name__} lacks {', '.join(missing)}"
            )
        names = [name for name in cls.__dataclass_fields__ if hasattr(source, name)]
        return cls(**{name: getattr(source, name) for name in names})


def matched_factor(twiss: InitialTwiss, emit: tuple[float, float], sigma_z: float, sigma_delta: float) -> Array:
    """Matrix F (6, 6) such that u = F n is a matched beam for normalised coordinates n of unit variance.

    x = sqrt(e beta) n1, px = sqrt(e / beta) (n2 - alpha n1), likewise in y; z = sigma_z n5,
    delta = sigma_delta n6; dispersion times delta is added to x, px, y, py (Courant and Snyder, Ann. Phys. 3
    (1958) 1). The rms length is sigma_z: the small betatron contribution to z in the presence of dispersion is
    neglected; for a beam matched in all six dimensions use `Beam.from_sigma`.

    Traced if an argument is; the derivative with respect to an emittance of 0, which does not exist, is set to 0.
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
    """Entries (q, n1), (p, n1), (p, n2) of the matrix for one plane."""
    slope = root(emittance / beta)
    return root(emittance * beta), -alpha * slope, slope
