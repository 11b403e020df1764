"""Space charge in a rectangular, perfectly conducting pipe, by sine modes.

The potential of a long beam in a pipe of full widths a, b is expanded in the modes sin(alpha_l u) sin(beta_m v),
u = x + a/2, v = y + b/2, alpha_l = l pi/a, beta_m = m pi/b, which vanish at the wall (J. Qiang, Phys. Rev. Accel. Beams
26 (2023) 024601). With rho_lm = sum_j w_j sin(alpha_l u_j) sin(beta_m v_j)/W over all particles,

    phi_lm = 4 pi (4/(a b)) rho_lm/(alpha_l^2 + beta_m^2),
    px -= c sum_lm phi_lm alpha_l cos(alpha_l u) sin(beta_m v),      c = length K/2, K the perveance, and py likewise.

The kick depends on positions only and is the gradient of c/2 sum phi rho W: it is symplectic for the beam as a whole,
and its inverse is the opposite kick.

Adjoint. Cotangents are called bars. Positions do not change, so that the bars of momenta are unchanged. With p, q the
bars of px, py after the kick and

    G_lm = sum_i (p_i alpha_l cos(alpha_l u_i) sin(beta_m v_i) + q_i beta_m sin(alpha_l u_i) cos(beta_m v_i)),

the scalar sum_i (p_i px_i + q_i py_i) changes by -c sum_lm phi_lm G_lm: the adjoint of a gather is a deposition. Hence
the bar of c is -sum phi G, that of rho_lm is R_lm = -c f_lm G_lm with phi = f rho, and x_j has the bars

    (w_j/W) sum_lm R_lm alpha_l cos sin  -  c sum_lm phi_lm (-p_j alpha_l^2 sin sin + q_j alpha_l beta_m cos cos),

since the adjoint of a deposition is a gather; y_j likewise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from gputrack.base.arrays import Array, cos, namespace, sin
from gputrack.base.checks import require_integer, require_number, short
from gputrack.base.errors import InputError
from gputrack.collective.perveance import perveance, perveance_bars
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import MapCall, ReferenceValues


@dataclass(frozen=True)
class PipeModes:
    """Field of a long beam in a rectangular, perfectly conducting pipe, expanded in sine modes.

    Particles outside the pipe are lost, with the loss code of apertures.

    Parameters
    ----------
    pipe : (a, b)
        Full widths in x and y [m], > 0; the pipe is centred on the reference orbit.
    modes : (horizontal, vertical)
        Number of modes, >= 1 each. Half the wavelength of the highest mode is a/horizontal.

    Raises
    ------
    InputError
        A number is out of range.
    """

    pipe: tuple[float, float]
    modes: tuple[int, int] = (12, 12)

    needs_current: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, value in (("pipe", self.pipe), ("modes", self.modes)):
            if not isinstance(value, (tuple, list)) or len(value) != 2:
                raise InputError(f"PipeModes: {name} must be two numbers, got {short(value)}")
        widths = tuple(require_number("PipeModes", "pipe width", v, unit="m", above=0.0) for v in self.pipe)
        counts = tuple(require_integer("PipeModes", "number of modes", v, at_least=1) for v in self.modes)
        object.__setattr__(self, "pipe", widths)
        object.__setattr__(self, "modes", counts)

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m] and a current [A]."""
        return MapCall(PIPE_KICK, constants={"length": length, "current": current}, effect=self)


class Waves(NamedTuple):
    """Sines and cosines (modes, n) of all modes at all particles, and their wavenumbers (modes, 1)."""

    sx: Array
    cx: Array
    sy: Array
    cy: Array
    kx: Array
    ky: Array
    factors: Array  # phi_lm/rho_lm


def pipe_waves(bunch: Bunch, effect: Any) -> Waves:
    """Waves of the modes of `effect` (pipe, modes) at the particles."""
    x, y = bunch.coordinates[0], bunch.coordinates[2]
    xp = namespace(bunch.weights)
    (a, b), (nx, ny) = effect.pipe, effect.modes
    kx = (math.pi / a) * xp.arange(1, nx + 1, dtype=xp.float64)[:, None]
    ky = (math.pi / b) * xp.arange(1, ny + 1, dtype=xp.float64)[:, None]
    u, v = kx * (x + 0.5 * a)[None, :], ky * (y + 0.5 * b)[None, :]
    factors = (16.0 * math.pi / (a * b)) / (kx * kx + (ky * ky)[:, 0][None, :])
    return Waves(sin(u), cos(u), sin(v), cos(v), kx, ky, factors)


def _density(waves: Waves, bunch: Bunch) -> Array:
    """rho_lm (horizontal, vertical)."""
    xp = namespace(waves.sx)
    return xp.matmul(waves.sx * (bunch.weights / bunch.total)[None, :], waves.sy.T)


def _gather(left: Array, matrix: Array, right: Array) -> Array:
    """sum_lm left_l,i matrix_lm right_m,i for every particle i."""
    xp = namespace(left, matrix)
    return xp.sum(left * xp.matmul(matrix, right), axis=0)


def _kicked(bunch: Bunch, op: Any, ref: ReferenceValues, sign: float) -> Array:
    waves = pipe_waves(bunch, op.effect)
    phi = waves.factors * _density(waves, bunch)
    c = sign * 0.5 * op.length * perveance(op.current, ref)
    x, px, y, py, z, delta = (bunch.coordinates[i] for i in range(6))
    px = px - c * _gather(waves.kx * waves.cx, phi, waves.sy)
    py = py - c * _gather(waves.sx, phi, waves.ky * waves.cy)
    return namespace(px).stack([x, px, y, py, z, delta])


def pipe_kick(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Kick of all particles by the field of the beam."""
    return _kicked(bunch, op, ref, 1.0)


def unpipe_kick(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Inverse of `pipe_kick`, which does not change positions."""
    return _kicked(bunch, op, ref, -1.0)


def pipe_kick_adjoint(bunch: Bunch, op: Any, ref: ReferenceValues, bar: Array) -> Bars:
    """Adjoint as derived above; `bunch` is the beam before the kick."""
    waves, p, q = pipe_waves(bunch, op.effect), bar[1], bar[3]
    xp = namespace(waves.sx)
    ax, ay = waves.kx * waves.cx, waves.ky * waves.cy
    phi = waves.factors * _density(waves, bunch)
    k = perveance(op.current, ref)
    c = 0.5 * op.length * k
    g = xp.matmul(ax * p[None, :], waves.sy.T) + xp.matmul(waves.sx * q[None, :], ay.T)
    share, r = bunch.weights / bunch.total, -c * waves.factors * g
    kxx, kyy = waves.kx * waves.kx, waves.ky * waves.ky
    cross = _gather(ax, phi, ay)
    x_bar = share * _gather(ax, r, waves.sy) - c * (q * cross - p * _gather(kxx * waves.sx, phi, waves.sy))
    y_bar = share * _gather(waves.sx, r, ay) - c * (p * cross - q * _gather(waves.sx, phi, kyy * waves.sy))
    c_bar = -float(xp.sum(phi * g))
    current_bar, reference = perveance_bars(0.5 * op.length * c_bar, op.current, ref)
    coordinates = xp.stack([bar[0] + x_bar, bar[1], bar[2] + y_bar, bar[3], bar[4], bar[5]])
    return Bars(coordinates, [0.5 * k * c_bar, current_bar], reference)


def inside_pipe(bunch: Bunch, op: Any, ref: ReferenceValues) -> Array:
    """Mask of particles inside the pipe."""
    a, b = op.effect.pipe
    return (abs(bunch.coordinates[0]) < 0.5 * a) & (abs(bunch.coordinates[2]) < 0.5 * b)


PIPE_KICK = CollectiveKind(
    "pipe_kick", pipe_kick, unpipe_kick, pipe_kick_adjoint, inside_pipe, constants=("length", "current")
)
