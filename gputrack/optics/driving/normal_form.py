"""Lie generators and normal forms of one-turn maps in the coordinates of their linear normal modes.

Maps are m = R t, first t and then the rotation R of one turn, with no linear part in t; for the normal form see
E. Forest, M. Berz, J. Irwin, Part. Accel. 24 (1989) 91. All of it can be differentiated.
"""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np

from gputrack.base.arrays import untraced
from gputrack.base.errors import InputError
from gputrack.optics.driving.mode_coordinates import ModeCoordinates
from gputrack.optics.driving.phasors import scaled, winding
from gputrack.tpsa.lie import exponential_map, lie_logarithm
from gputrack.tpsa.map import Map
from gputrack.tpsa.series import Series
from gputrack.tpsa.vector_field import hamiltonian

#: nearer to a resonance than this, no change of variables removes a term
_RESONANT = 1e-8
#: terms below this are not there
_ROUNDING = 1e-12


def generator(given: Map) -> Series:
    """h of maps t = exp(-:h:)."""
    return -hamiltonian(lie_logarithm(given))


def normal_form(modes: ModeCoordinates, turn: Map) -> tuple[Map, Map]:
    """a and exp(-:K:) with a^-1 m a = R exp(-:K:), K a function of the actions, of the turn m = R t.

    From each degree of h, order by order, exp(:f:) takes what is no function of the actions: f - R f = h.

    Parameters
    ----------
    modes : ModeCoordinates
    turn : Map
        t, a batch of one.

    Raises
    ------
    InputError
        The tunes are on a resonance that the ring drives.
    """
    normalising = Map.identity(modes.space)
    for degree in range(3, modes.order + 2):
        f = _driven(modes, generator(turn), degree)
        step, back = exponential_map(f), exponential_map(-f)
        normalising, turn = normalising @ step, modes.turned(back) @ turn @ step
    return normalising, turn


def _driven(modes: ModeCoordinates, h: Series, degree: int) -> Series:
    """f of one degree, with f - R f = h but for functions of the actions."""
    x, y = winding(h.space)
    turns = ((x != 0) | (y != 0)) & (h.space.degrees == degree)
    gap = 1.0 - anp.exp(2j * np.pi * anp.where(turns, x * modes.twiss.qx + y * modes.twiss.qy, 0.25))
    near = np.abs(untraced(gap)) < _RESONANT
    if near.any() and np.abs(untraced(scaled(h, 1.0 * near).coefficients)).max() > _ROUNDING:
        raise InputError(f"driving_terms: the tunes are on a resonance of order {degree}; change them")
    return scaled(h, anp.where(turns & ~near, 1.0 / anp.where(near, 1.0, gap), 0.0))


def normaliser(given: Map) -> Series:
    """f without functions of the actions alone, of maps a = exp(:f:) or a exp(:k:), k of the actions alone.

    Such a k changes f from the degree above its own on: it is taken away degree by degree.
    """
    f = hamiltonian(lie_logarithm(given))
    for degree in range(3, given.order + 1):
        x, y = winding(f.space)
        actions = (x == 0) & (y == 0) & (f.space.degrees == degree)
        given = given @ exponential_map(-scaled(f, 1.0 * actions))
        f = hamiltonian(lie_logarithm(given))
    return f
