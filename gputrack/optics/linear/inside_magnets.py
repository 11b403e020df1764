"""Normal modes and dispersion inside magnets, by closed formulas of the linear motion in their bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import Array, untraced
from gputrack.base.special.smooth import cos_sinc, trig_halvings
from gputrack.elements.quadrupole import cos_sinc_parts
from gputrack.optics.linear.magnets import Magnets

#: nodes per magnet: for phase advances below 1 rad in a magnet, integrals are accurate to 1e-14
NODES = 8


@dataclass(frozen=True, eq=False)
class Inside:
    """Optics at Gauss-Legendre nodes in magnets.

    Attributes
    ----------
    bases : (n, nodes, 4, 4) array
        Normal modes, see `normal_modes`.
    dispersion : (n, nodes, 4) array
    weights : (n, nodes) array
        Quadrature weights; their sum is the magnet's length [m], or 1 for thin magnets.
    """

    bases: Array
    dispersion: Array
    weights: Array


def inside(magnets: Magnets, bases: Array, dispersion: Array, delta: Array, nodes: int = NODES) -> Inside:
    """Optics inside magnets, from those at their entrances.

    In the frame of the magnet x'' + kx x - a y = h delta and y'' + ky y - a x = 0, kx = h^2 + k1, ky = -k1, a the skew
    gradient (neglected in bends), after the kick of the entrance face (K. L. Brown, SLAC-75). Fields are taken on the
    reference orbit.

    Parameters
    ----------
    magnets : Magnets
    bases, dispersion : (n, 4, 4) and (n, 4) arrays
        At their entrances.
    delta : (n,) array
        Momentum deviation there.
    nodes : int
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    fractions, weights = 0.5 * (points + 1.0), 0.5 * weights
    columns = anp.concatenate([bases, dispersion[:, :, None]], axis=2)
    columns = anp.matmul(faces(magnets), anp.matmul(_rotation(magnets.tilt), columns))
    body, kick = _body(magnets, magnets.length[:, None] * fractions, 1.0 + delta[:, None])
    moved = anp.matmul(body, columns[:, None]) + kick
    moved = anp.matmul(_rotation(-magnets.tilt)[:, None], moved)
    thick = np.asarray(untraced(magnets.length)) > 0.0
    sizes = anp.where(thick, magnets.length, 1.0)[:, None] * weights
    return Inside(moved[..., :4], moved[..., 4], sizes)


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
    """(n, 4, 4) Transformation to a frame rolled by an angle."""
    c, s, zero = anp.cos(angle), anp.sin(angle), 0.0 * angle
    return _assembled([[c, zero, s, zero], [zero, c, zero, s], [-s, zero, c, zero], [zero, -s, zero, c]])


def _body(magnets: Magnets, length: Array, opd: Array) -> tuple[Array, Array]:
    """Matrices (n, nodes, 4, 4), and terms to add to five columns, the last one of which is the dispersion.

    With the gradients G = ((kx, -a), (-a, ky)), C = cos(sqrt(G/opd) l) and S = sin(sqrt(G/opd) l)/sqrt(G/opd).
    """
    thick = np.asarray(untraced(magnets.length)) > 0.0
    curved = np.asarray(untraced(magnets.curvature)) != 0.0
    h = magnets.curvature[:, None]
    k1 = anp.where(thick, anp.real(magnets.fields[:, 1]), 0.0)[:, None]
    a = anp.where(thick & ~curved, anp.imag(magnets.fields[:, 1]), 0.0)[:, None]
    kx, ky = h * h + k1, -k1
    bent, (ce, co, se, so) = curved[:, None], _parts(length, k1 / opd, a / opd)
    (cx, sx, dx), (cy, sy, _) = (_plane(length, anp.where(bent, k, 0.0) / opd) for k in (kx, ky))
    cx, cy, cxy = anp.where(bent, cx, ce + co * k1 / opd), anp.where(bent, cy, ce - co * k1 / opd), -co * a / opd
    sx, sy, sxy = anp.where(bent, sx, se + so * k1 / opd), anp.where(bent, sy, se - so * k1 / opd), -so * a / opd
    rows = [
        [cx, sx / opd, cxy, sxy / opd],
        [-(kx * sx - a * sxy), cx, -(kx * sxy - a * sy), cxy],
        [cxy, sxy / opd, cy, sy / opd],
        [-(ky * sxy - a * sx), cxy, -(ky * sy - a * sxy), cy],
    ]
    zero = 0.0 * cx
    added = [[zero, zero, zero, zero, value] for value in (h * dx / opd, h * sx, zero, zero)]
    return _assembled(rows), _assembled(added)


def _parts(length: Array, k: Array, a: Array) -> tuple[Array, Array, Array, Array]:
    """ce, co, se, so: cos(sqrt(G) l) = ce + co G, sin(sqrt(G) l)/sqrt(G) = se + so G for G = ((k, -a), (-a, -k))."""
    scale = length * length
    u = (k * k + a * a) * scale * scale
    halvings = trig_halvings(float(np.sqrt(np.abs(untraced(u)).max(initial=0.0))))
    ce, co, se, so = cos_sinc_parts(u, halvings)
    return ce, co * scale, length * se, length * so * scale


def _plane(length: Array, k: Array) -> tuple[Array, Array, Array]:
    """cos(w l), sin(w l)/w and (1 - cos(w l))/w^2, w^2 = k of either sign."""
    u = k * length * length
    halvings = trig_halvings(float(np.abs(untraced(u)).max(initial=0.0)))
    c, sinc = cos_sinc(u, halvings)
    _, half = cos_sinc(0.25 * u, halvings)
    return c, length * sinc, 0.5 * (length * half) ** 2


def _assembled(rows: list[list[Any]]) -> Array:
    return anp.stack([anp.stack(row, axis=-1) for row in rows], axis=-2)
