"""Normal modes and dispersion inside magnets: closed formulas of the linear motion in their bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.arrays import Array, untraced
from gputrack.numbers import cos_sinc, trig_halvings
from gputrack.optics.magnets import Magnets

#: nodes per magnet: with phase advances below 1 in a magnet, sums are good to 1e-14
NODES = 8


@dataclass(frozen=True, eq=False)
class Inside:
    """Optics at Gauss and Legendre's nodes in magnets.

    Attributes
    ----------
    bases : (n, nodes, 4, 4) array
        Normal modes, see `normal_modes`.
    dispersion : (n, nodes, 4) array
    weights : (n, nodes) array
        Their sum over nodes is the magnet's length [m]; 1 in all for thin magnets.
    """

    bases: Array
    dispersion: Array
    weights: Array


def inside(magnets: Magnets, bases: Array, dispersion: Array, delta: Array, nodes: int = NODES) -> Inside:
    """Optics inside magnets from those at their entrances.

    In the frame of the magnet x'' + kx x = h delta and y'' + ky y = 0, kx = h^2 + k1, ky = -k1, after the kick of
    the entrance face (K. L. Brown, SLAC-75). Fields are those on the reference orbit.

    Parameters
    ----------
    magnets : Magnets
    bases, dispersion : (n, 4, 4) and (n, 4) arrays
        At their entrances.
    delta : (n,) array
        Momentum there.
    nodes : int
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    fractions, weights = 0.5 * (points + 1.0), 0.5 * weights
    turn, kx, ky = principal_axes(magnets)
    columns = anp.concatenate([bases, dispersion[:, :, None]], axis=2)
    columns = anp.matmul(faces(magnets), anp.matmul(_rotation(turn), columns))
    length = magnets.length[:, None] * fractions
    opd = 1.0 + delta[:, None]
    body, kick = _body(length, kx[:, None] / opd, ky[:, None] / opd, magnets.curvature[:, None], opd)
    moved = anp.matmul(body, columns[:, None]) + kick
    moved = anp.matmul(_rotation(-turn)[:, None], moved)
    thick = np.asarray(untraced(magnets.length)) > 0.0
    sizes = anp.where(thick, magnets.length, 1.0)[:, None] * weights
    return Inside(moved[..., :4], moved[..., 4], sizes)


def principal_axes(magnets: Magnets) -> tuple[Array, Array, Array]:
    """Angle of the frame in which the two planes of a magnet are not coupled, and kx, ky [m^-2] there."""
    gradient, h = magnets.fields[:, 1], magnets.curvature
    normal, skew = anp.real(gradient), anp.imag(gradient)
    plain = np.asarray(untraced(skew)) == 0.0
    curved = np.asarray(untraced(h)) != 0.0
    upright = plain | curved  # in a bend, its plane; skew gradients there are left out
    own = anp.where(upright, 0.0, -0.5 * anp.arctan2(anp.where(upright, 1.0, skew), normal))
    size = anp.where(upright, normal, anp.sqrt(anp.where(upright, 1.0, normal**2 + skew**2)))
    size = anp.where(np.asarray(untraced(magnets.length)) > 0.0, size, 0.0)
    return magnets.tilt + own, h * h + size, -size


def faces(magnets: Magnets, leaving: bool = False) -> Array:
    """(n, 4, 4) Linear kicks of the entrance or exit faces, in the magnets' frames."""
    e, psi = (magnets.e2, magnets.psi2) if leaving else (magnets.e1, magnets.psi1)
    h, zero, one = magnets.curvature, 0.0 * magnets.tilt, 1.0 + 0.0 * magnets.tilt
    rows = [
        [one, zero, zero, zero],
        [h * anp.tan(e), one, zero, zero],
        [zero, zero, one, zero],
        [zero, zero, -h * anp.tan(e - psi), one],
    ]
    return _assembled(rows)


def _rotation(angle: Array) -> Array:
    """(n, 4, 4) Coordinates in a frame that is rolled by an angle."""
    c, s, zero = anp.cos(angle), anp.sin(angle), 0.0 * angle
    return _assembled([[c, zero, s, zero], [zero, c, zero, s], [-s, zero, c, zero], [zero, -s, zero, c]])


def _body(length: Array, kx: Array, ky: Array, h: Array, opd: Array) -> tuple[Array, Array]:
    """Matrices (n, nodes, 4, 4), and what they add to five columns, the last of which is the dispersion."""
    (cx, sx, dx), (cy, sy, _) = (_plane(length, k) for k in (kx, ky))
    zero = 0.0 * cx
    rows = [
        [cx, sx / opd, zero, zero], [-kx * sx * opd, cx, zero, zero],
        [zero, zero, cy, sy / opd], [zero, zero, -ky * sy * opd, cy],
    ]  # fmt: skip
    added = [[zero, zero, zero, zero, value] for value in (h * dx / opd, h * sx, zero, zero)]
    return _assembled(rows), _assembled(added)


def _plane(length: Array, k: Array) -> tuple[Array, Array, Array]:
    """cos(w l), sin(w l)/w and (1 - cos(w l))/w^2, w^2 = k of either sign."""
    u = k * length * length
    halvings = trig_halvings(float(np.abs(untraced(u)).max(initial=0.0)))
    c, sinc = cos_sinc(u, halvings)
    _, half = cos_sinc(0.25 * u, halvings)
    return c, length * sinc, 0.5 * (length * half) ** 2


def _assembled(rows: list[list[Any]]) -> Array:
    return anp.stack([anp.stack(row, axis=-1) for row in rows], axis=-2)
