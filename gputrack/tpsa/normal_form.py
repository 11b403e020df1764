"""Nonlinear normal form of a map about its fixed point: tunes as power series in the actions, and the transformation.

Order by order (E. Forest, M. Berz, J. Irwin, Part. Accel. 24 (1989) 91): the linear part is diagonalised, then terms of
each degree other than rotations by an amplitude-dependent angle are removed by a change of variables. In plane j the
phasor u_j, of eigenvalue exp(2 pi i q_j), is then mapped to u_j exp(2 pi i Q_j(J, delta, ...)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gputrack.base.arrays import Array, is_traced, untraced
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.base.planes import instability, traces, unstable_planes
from gputrack.base.symplectic import symplectic_form
from gputrack.tpsa.components import composed, linear_part, transformed, without_constant
from gputrack.tpsa.inverse import inverse
from gputrack.tpsa.layout import namespace
from gputrack.tpsa.series import Series, variables
from gputrack.tpsa.space import Space
from gputrack.tpsa.vector_field import time_one_map

if TYPE_CHECKING:
    from gputrack.tpsa.map import Map

#: motion is unstable where |eigenvalue| - 1 exceeds this
_GROWTH = 1e-8
#: least distance from a resonance, in units of 2 pi, at which terms are removed
_RESONANT = 1e-9


@dataclass(frozen=True)
class NormalForm:
    """Normal form of one map.

    Attributes
    ----------
    planes : int
        Number of oscillating planes: 2 if delta is constant, else 3.
    tunes : tuple of Series
        Q_j, between 0 and 1, as series in the products u_j conj(u_j) = J_j, the actions (x^2 = 2 beta J cos^2), in
        delta and in the parameters.
    transformation : Map
        From phasors (u_1, conj u_1, u_2, ...) to the coordinates of the map; complex coefficients.
    map : Map
        The map in phasors.
    """

    planes: int
    tunes: tuple[Series, ...]
    transformation: Map
    map: Map

    def tune(self, plane: int, powers: tuple[int, ...] = (), delta: int = 0) -> Any:
        """Coefficient of J_1^a J_2^b ... delta^d in Q of a plane: the derivative divided by a! b! ... d!.

        Parameters
        ----------
        plane : int
            0, 1, ...
        powers : tuple of int
            (a, b, ...), by default zeros.
        delta : int
            d; with three planes delta oscillates and d must be 0.

        Raises
        ------
        InputError
            The order of the map is too low: Q to some degree needs the map to one degree more.
        """
        if plane not in range(self.planes) or len(powers) > self.planes or (delta and self.planes == 3):
            raise InputError(f"NormalForm.tune: no term of plane {plane}, powers {powers}, delta {delta}")
        space = self.map.space
        exponents = [0] * space.dimensions
        for j, power in enumerate(powers):
            exponents[2 * j] = exponents[2 * j + 1] = power
        if delta:
            exponents[5] = delta
        if sum(exponents) > space.order - 1:
            raise InputError(
                f"NormalForm.tune: a term of degree {sum(exponents)} needs a map of order {sum(exponents) + 1}, "
                f"this one has {space.order}"
            )
        found = self.tunes[plane].coefficient(exponents)
        return found if is_traced(found) else float(found)


def normal_form(given: Map) -> NormalForm:
    """Normal form of a map about its fixed point.

    Parameters
    ----------
    given : Map
        With six variables (x, px, y, py, z, delta), not a batch, without constant part (except in z). If delta is
        constant, it is treated as a parameter on which the closed orbit depends, and z is ignored.

    Raises
    ------
    InputError
        The map is of another kind, its motion is unstable, or it is on a resonance.
    """
    if given.space.variables != 6 or given.batch:
        raise InputError(f"normal_form: the map must be one of six variables, got {short(given)}")
    planes, space = 2 if _coasts(given) else 3, given.space
    start = _without_time(given) if planes == 2 else without_constant(given)
    to_orbit = _fixed_point(start) if planes == 2 else list(variables(space)[:6])
    about = _chain(inverse(to_orbit), start, to_orbit)
    linear, values = _phasors(linear_part(about), planes)
    basis, back = (_linear_map(space, m) for m in (linear, namespace(linear).linalg.inv(linear)))
    current, total = _chain(back, about, basis), composed(to_orbit, basis)
    for degree in range(2, space.order + 1):
        field = _removing(current, values, degree, planes)
        step, undone = (time_one_map([Series.of(space, sign * row) for row in field]) for sign in (1.0, -1.0))
        current, total = _chain(undone, current, step), composed(total, step)
    tunes = tuple(_tune(current, j, values) for j in range(planes))
    return NormalForm(planes, tunes, given._like(total), given._like(current))


def _chain(outer: Sequence[Series], middle: Sequence[Series], inner: Sequence[Series]) -> list[Series]:
    """Components of outer after middle after inner."""
    return composed(composed(outer, middle), inner)


def _coasts(given: Map) -> bool:
    """Whether delta is constant and the map does not depend on z."""
    own = np.array(untraced(given[5].coefficients))
    own[given.space.row(_unit(given.space, 5))] -= 1.0
    others = np.array(untraced(given.coefficients))[[0, 1, 2, 3, 5]]
    return not own.any() and not others[:, given.space.exponents[:, 4] > 0].any()


def _unit(space: Space, number: int) -> list[int]:
    exponents: list[int] = np.eye(space.dimensions, dtype=int)[number].tolist()
    return exponents


def _without_time(given: Map) -> list[Series]:
    own = variables(given.space)
    return without_constant([*given.components[:4], own[4], own[5]])


def _fixed_point(given: Sequence[Series]) -> list[Series]:
    """(x, px, y, py) plus the closed orbit as a function of delta and parameters; each step adds one correct order."""
    space = given[0].space
    own = variables(space)
    try:
        turned = np.eye(4) - linear_part(given[:4])[:, :4]
        back = namespace(turned).linalg.inv(turned)
    except np.linalg.LinAlgError:
        raise InputError("normal_form: the linear motion is unstable, or a tune is an integer") from None
    orbit = [0.0 * own[0]] * 4
    for _ in range(space.order):
        moved = composed(given[:4], [*orbit, own[4], own[5]])
        miss = [m - o for m, o in zip(moved, orbit, strict=True)]
        orbit = [o + step for o, step in zip(orbit, transformed(back, miss), strict=True)]
    return [*(x + o for x, o in zip(own[:4], orbit, strict=True)), own[4], own[5]]


def _phasors(matrix: Array, planes: int) -> tuple[Array, Array]:
    """Columns: eigenvectors (v, conj v) of each plane, v^H S v = i, and eigenvalues in that order."""
    size, xp = 2 * planes, namespace(matrix)
    values, vectors = xp.linalg.eig(matrix[:size, :size])
    found = untraced(vectors)
    norm = np.imag(np.einsum("im,ij,jm->m", found.conj(), symplectic_form(size), found))
    if np.abs(np.abs(untraced(values)) - 1.0).max() > _GROWTH or np.abs(norm).min() < 1e-12:
        spectrum = np.round(untraced(values), 6).tolist()
        unstable = unstable_planes(traces(untraced(matrix)[:size, :size]))
        motion = instability(unstable) if unstable else "the linear motion is unstable or damped by radiation"
        raise InputError(
            f"normal_form: {motion}; eigenvalues {spectrum}"
        )
    chosen = np.flatnonzero(norm > 0)
    order = [int(chosen[j]) for j in _by_plane(np.abs(found[:, chosen]) ** 2, planes)]
    columns, eigenvalues = [], []
    for plane, m in enumerate(order):
        v = _normalised(vectors[:, m], plane)
        columns += [v, xp.conj(v)]
        eigenvalues += [values[m], xp.conj(values[m])]
    rest = 6 - size
    whole = xp.concatenate([xp.stack(columns, axis=1), np.zeros((rest, size))])
    other = np.concatenate([np.zeros((size, rest)), np.eye(rest)])
    return xp.concatenate([whole, other], axis=1), xp.concatenate([xp.stack(eigenvalues), np.ones(rest)])


def _normalised(v: Array, plane: int) -> Array:
    """v^H S v = i, with a real position of the plane: a fixed phase makes it differentiable."""
    xp, head = namespace(v), v[2 * plane]
    norm = xp.imag(xp.dot(xp.conj(v), xp.dot(symplectic_form(len(v)), v)))
    return v * (xp.abs(head) / (head * xp.sqrt(norm)))


def _by_plane(shares: np.ndarray, planes: int) -> list[int]:
    """Number of the mode with the largest share of its motion in each plane."""
    left, found = list(range(planes)), []
    for plane in range(planes):
        best = max(left, key=lambda m: shares[2 * plane, m] + shares[2 * plane + 1, m])
        left.remove(best)
        found.append(best)
    return found


def _linear_map(space: Space, matrix: Array) -> list[Series]:
    return transformed(matrix, [s + 0.0j for s in variables(space)[:6]])


def _removing(current: Sequence[Series], values: Array, degree: int, planes: int) -> Array:
    """(6, size) Field b(u) of one degree, whose exponential leaves only rotations of that degree.

    A term c u^m of component j is removed by b = c / (lambda^m - lambda_j). The exponential is as symplectic as the
    map, whereas u + b(u) is so only up to this degree, and u_j conj(u_j) would no longer be an action.
    """
    space, xp = current[0].space, namespace(values)
    first, end = space.first[degree], space.first[degree + 1]
    exponents = space.exponents[first:end]
    phase = xp.angle(values) / (2.0 * np.pi)
    turned = xp.dot(exponents[:, :6], phase)
    rows = []
    for j in range(2 * planes):
        found = current[j].coefficients[first:end]
        # terms that rotate as u_j for any tunes: equal powers of each phasor and its conjugate, times u_j
        balance = exponents[:, 0 : 2 * planes : 2] - exponents[:, 1 : 2 * planes : 2]
        own = np.zeros(planes, dtype=int)
        own[j // 2] = 1 if j % 2 == 0 else -1
        rotations = (balance == own).all(axis=1)
        distance = untraced(turned - phase[j])
        near = np.abs(distance - np.round(distance)) < _RESONANT
        if (near & ~rotations & (np.abs(untraced(found)) > 1e-12)).any():
            raise InputError(f"normal_form: the tunes are on a resonance of order {degree + 1}; change them")
        gap = xp.where(rotations | near, 1.0, xp.exp(2.0j * np.pi * turned) - values[j])
        field = xp.where(rotations | near, 0.0, found / gap)
        rows.append(xp.concatenate([np.zeros(first), field, np.zeros(space.size - end)]))
    return xp.stack(rows + [np.zeros(space.size, dtype=complex)] * (6 - 2 * planes))


def _tune(current: Sequence[Series], plane: int, values: Array) -> Series:
    """Tune from u' = u lambda (1 + ...): the logarithm of u'/(u lambda) gives the phase."""
    space, xp = current[0].space, namespace(values)
    lowered = space.find(space.exponents + np.array(_unit(space, 2 * plane)))
    coefficients = current[2 * plane].coefficients / values[2 * plane]
    ratio = xp.where(lowered >= 0, coefficients[lowered], 0.0)
    phase = Series.of(space, ratio).log().imag / (2.0 * np.pi)
    start = xp.mod(xp.angle(values[2 * plane]) / (2.0 * np.pi), 1.0)
    tune: Series = start + phase
    return tune
