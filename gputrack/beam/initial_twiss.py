"""Twiss parameters at one place, for matched beams and lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, assembled, untraced
from gputrack.base.checks import require_traceable
from gputrack.base.errors import InputError
from gputrack.base.symplectic import symplectic_form
from gputrack.beam.moments import root

#: Twiss parameters as numbers; all fields but the basis
SCALARS = ("betx", "alfx", "bety", "alfy", "dx", "dpx", "dy", "dpy")
#: agreement of numbers with a basis, as printed in tables
_AGREEMENT = 1e-6


@dataclass(frozen=True)
class InitialTwiss:
    """Twiss parameters and dispersion at one place; without a basis of normal modes those of uncoupled planes.

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
    basis : (4, 4) or (6, 6) array, optional
        Normal modes with any coupling, as in `Twiss.bases`: N with N diag(e1, e1, e2, e2) N^T the betatron part of the
        moments of x, px, y, py. The beta functions must be those of `MaisRipken` or `EdwardsTeng` for this basis.

    Raises
    ------
    InputError
        A value is not one finite number; a beta function is not > 0; or the basis is not symplectic, or contradicts
        the other values (``basis=None`` gives a start without coupling).
    """

    betx: float
    alfx: float
    bety: float
    alfy: float
    dx: float = 0.0
    dpx: float = 0.0
    dy: float = 0.0
    dpy: float = 0.0
    basis: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in SCALARS:
            above = 0.0 if name.startswith("bet") else None
            number = require_traceable("InitialTwiss", name, getattr(self, name), unit="m", above=above)
            object.__setattr__(self, name, number)
        if self.basis is not None:
            self._require_basis(np.asarray(untraced(self.basis), dtype=float))

    def _require_basis(self, basis: np.ndarray) -> None:
        """Require a basis that is symplectic and agrees with the numbers."""
        if basis.shape not in ((4, 4), (6, 6)) or not np.isfinite(basis).all():
            raise InputError(f"InitialTwiss: basis must be a finite array (4, 4) or (6, 6), got shape {basis.shape}")
        form = symplectic_form(len(basis))
        error = np.abs(basis.T @ form @ basis - form).max()
        if error > _AGREEMENT:
            raise InputError(f"InitialTwiss: basis must be symplectic, got one with an error of {error:.2g}")
        for plane, name in enumerate("xy"):
            p = 2 * plane
            (c, s), (pc, ps) = basis[p : p + 2, p : p + 2]
            own, squared = np.array([c * c + s * s, -(c * pc + s * ps)]), c * ps - s * pc
            given = np.array([float(untraced(getattr(self, f"{part}{name}"))) for part in ("bet", "alf")])
            if all(np.abs(given * scale - own).max() > _AGREEMENT * max(own[0], 1.0) for scale in (1.0, squared)):
                raise InputError(
                    f"InitialTwiss: bet{name}, alf{name} must be those of the basis, {own.tolist()}, got "
                    f"{given.tolist()}; basis=None gives a start without coupling"
                )

    @property
    def betatron(self) -> Array:
        """(4, 4) Normal modes of x, px, y, py; those of the Courant-Snyder parameters if there is no basis."""
        if self.basis is not None:
            return self.basis[:4, :4]
        (ax, bx, cx), (ay, by, cy) = (_plane(self.betx, self.alfx), _plane(self.bety, self.alfy))
        return assembled([[ax, 0.0, 0.0, 0.0], [bx, cx, 0.0, 0.0], [0.0, 0.0, ay, 0.0], [0.0, 0.0, by, cy]])

    @property
    def longitudinal(self) -> Array:
        """(4, 2) d(x, px, y, py)/d(z, delta) of particles without betatron motion."""
        if self.basis is not None and len(untraced(self.basis)) == 6:
            return anp.dot(self.basis[:4, 4:], anp.linalg.inv(self.basis[4:, 4:]))
        return assembled([[0.0, dispersion] for dispersion in (self.dx, self.dpx, self.dy, self.dpy)])

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
        names = [name for name in (*SCALARS, "basis") if hasattr(source, name)]
        return cls(**{name: getattr(source, name) for name in names})


def matched_factor(twiss: InitialTwiss, emit: tuple[float, float], sigma_z: float, sigma_delta: float) -> Array:
    """Matrix F (6, 6) such that u = F n is a matched beam for normalised coordinates n of unit variance.

    Uncoupled, x = sqrt(e beta) n1, px = sqrt(e / beta) (n2 - alpha n1), likewise in y (Courant and Snyder, Ann. Phys. 3
    (1958) 1); coupled, x, px, y, py = N diag(sqrt(e)) n with the normal modes N (G. Ripken, DESY R1-70/04 (1970)).
    z = sigma_z n5, delta = sigma_delta n6; dispersion times delta is added to x, px, y, py, and with cavities that
    incline the beam also its part proportional to z. The rms length is sigma_z: the small betatron contribution to z in
    the presence of dispersion is neglected; for a beam matched in all six dimensions use `gputrack.matched_beam`.

    Traced if an argument is; the derivative with respect to an emittance of 0, which does not exist, is set to 0.
    """
    roots = assembled([root(e) for e in (emit[0], emit[0], emit[1], emit[1])])
    sizes = assembled([sigma_z, sigma_delta])
    upper = anp.concatenate([twiss.betatron * roots, twiss.longitudinal * sizes], axis=1)
    return anp.concatenate([upper, anp.concatenate([np.zeros((2, 4)), np.eye(2) * sizes], axis=1)])


def _plane(beta: Any, alpha: Any) -> tuple[Any, Any, Any]:
    """Entries (q, 1), (p, 1), (p, 2) of the normal mode of one plane."""
    size = anp.sqrt(beta)
    return size, -alpha / size, 1.0 / size
