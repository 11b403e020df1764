"""Lie generators and normal forms of one-turn maps in the coordinates of their linear normal modes.

Maps are m = R t: first t, whose linear part is the identity, then the rotation R of one turn. For the normal form see
E. Forest, M. Berz, J. Irwin, Part. Accel. 24 (1989) 91. All functions are differentiable.
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

#: terms closer to a resonance than this cannot be removed by a change of variables
_RESONANT = 1e-8
#: terms below this are rounding errors
_ROUNDING = 1e-12


def generator(maps: Map) -> Series:
    """Generator h of maps t = exp(-:h:)."""
    return -hamiltonian(lie_logarithm(maps))


def normal_form(modes: ModeCoordinates, turn: Map) -> tuple[Map, Map]:
    """Maps a and exp(-:K:) with a^-1 m a = R exp(-:K:), K a function of the actions, for the turn m = R t.

    Degree by degree, exp(:f:) with f - R f = h removes the terms of h that are not functions of the actions.

    Parameters
    ----------
    modes : ModeCoordinates
    turn : Map
        Map t, a batch of one.

    Raises
    ------
    InputError
        The tunes are on a resonance that is driven.
    """
    normalising = Map.identity(modes.space)
    for degree in range(3, modes.order + 2):
        f = _generating_function(modes, generator(turn), degree)
        step, back = exponential_map(f), exponential_map(-f)
        normalising, turn = normalising @ step, modes.conjugated(back) @ turn @ step
    return normalising, turn


def _generating_function(modes: ModeCoordinates, h: Series, degree: int) -> Series:
    """Terms f of one degree with f - R f = h, except for functions of the actions."""
    x, y = winding(h.space)
    turns = ((x != 0) | (y != 0)) & (h.space.degrees == degree)
    gap = 1.0 - anp.exp(2j * np.pi * anp.where(turns, x * modes.twiss.qx + y * modes.twiss.qy, 0.25))
    near = np.abs(untraced(gap)) < _RESONANT
    if near.any() and np.abs(untraced(scaled(h, 1.0 * near).coefficients)).max() > _ROUNDING:
        raise InputError(f"driving_terms: the tunes are on a driven resonance of order {degree}; change the tunes")
    return scaled(h, anp.where(turns & ~near, 1.0 / anp.where(near, 1.0, gap), 0.0))


def normaliser(maps: Map) -> Series:
    """f without functions of the actions alone, of maps a = exp(:f:) or a exp(:k:), k a function of the actions.

    k changes the terms of f above its own degree and is therefore removed degree by degree.
    """
    f = hamiltonian(lie_logarithm(maps))
    for degree in range(3, maps.order + 1):
        x, y = winding(f.space)
        actions = (x == 0) & (y == 0) & (f.space.degrees == degree)
        maps = maps @ exponential_map(-scaled(f, 1.0 * actions))
        f = hamiltonian(lie_logarithm(maps))
    return f
