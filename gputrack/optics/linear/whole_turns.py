"""Whole turns of phase advances above half a turn, which positions at the ends of an element do not show.

The position of a mode in a plane, as a complex number w, goes round the origin; its angle between two places is known
modulo one turn. Without coupling the angle increases, and is below half a turn if the element is shorter than the
distance over which a parallel beam is focused twice. The matrix B of d(x, y)/d(px, py) of an element shows this: with
a constant gradient K and length L, B = L sin(phi)/phi with phi^2 = K L^2, so that from phi = pi the smaller singular
value of B is at most 0.22 L. Thin kicks at the ends (faces) do not change B, rotations do not change its singular
values. With coupling w can also pass the origin within half a turn of phi: if the chord from w to w' is closer to it
than the path is curved. Such elements are divided until no piece is in doubt.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gputrack.backends import Choice
from gputrack.base.arrays import untraced
from gputrack.base.cache import Entry
from gputrack.elements.observation import ObservationPoints
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.closed_orbit import untraced_lattice
from gputrack.optics.linear.trajectory import trajectory

#: B or its smaller singular value, relative to the length, below which an element is divided; 0.22 is half a turn
_FOCUSED = 0.3
#: deviation of a path from its chord, relative to the difference of B from that of a drift: 0.53 for quadrupoles
_CURVED = 0.6
#: sizes of the other mode [m^(1/2)] below this are no coupling
_COUPLED = 1e-7
#: lengths and sizes below this [m, m^(1/2)] are rounding
_ROUNDING = 1e-9
_SHORTEST: Entry[np.ndarray] = Entry("least d x/d px of elements that are not in doubt")
#: pieces of an element; no two have a common factor, so that whole turns in each piece are noticed
_PIECES = (5, 13, 34, 89, 233)


def whole_turns(
    lattice: Lattice, passed: Any, bases: Any, steps: Any, s: Any, points: ObservationPoints | None, backend: Choice
) -> Any:
    """Whole turns of the modes of both planes between adjacent places, (2, places - 1), or 0.0 if there are none.

    Parameters
    ----------
    lattice : Lattice
    passed : (places, 6, 7) array
        Orbit and matrices, see `trajectory`.
    bases : (places, 4, 4) or (places, 6, 6) array
        Normal modes.
    steps : list of pairs of arrays
        For each plane w x w' and w . w' of its mode at adjacent places: sizes times sine and cosine of the angle.
    s : (places,) array
        Positions [m].
    points : ObservationPoints, optional
        Places inside elements.
    backend : {"array", "host", "cuda"} or Streamed, optional
    """
    s, basis, sines = untraced(s), untraced(bases), [untraced(sine) for sine, _ in steps]
    shortest = lattice.cache.get(_SHORTEST, lambda: _shortest(s)) if s is lattice.positions else _shortest(s)
    if not _coupled(basis[:, 0, 2:4]) and not (np.minimum(*sines) < shortest).any():
        return 0.0
    doubtful = _doubtful(basis, s)
    if not doubtful.any():
        return 0.0
    plain = untraced_lattice(lattice) if lattice.traced else lattice
    return _turns_by_pieces(plain, untraced(passed)[0, :, 0], basis, s, doubtful, points, backend)


def _shortest(s: np.ndarray) -> np.ndarray:
    """Least d x/d px of elements between places that are not in doubt, uncoupled."""
    least: np.ndarray = _FOCUSED * (s[1:] - s[:-1]) - _ROUNDING
    return least


def _coupled(other: np.ndarray) -> bool:
    """Whether a plane contains the mode of the other one, from its positions."""
    return bool(other.any()) and bool(np.abs(other).max() > _COUPLED)


def _turns_by_pieces(
    lattice: Lattice, orbit: np.ndarray, bases: np.ndarray, s: np.ndarray, doubtful: np.ndarray,
    points: ObservationPoints | None, backend: Choice,
) -> np.ndarray:  # fmt: skip
    """Whole turns from the optics at further places in the elements in doubt."""
    count, size = len(lattice), bases.shape[-1]
    if points is None:
        points = ObservationPoints(count, np.zeros(0, dtype=int), np.zeros(0))
    for pieces in _PIECES:
        finer, rows = _divided(points, np.flatnonzero(doubtful), pieces)
        matrices = trajectory(lattice, orbit, finer, backend)[:, :size, 1 : 1 + size]
        fine = matrices @ bases[0]
        if not (_doubtful(fine, finer.along(lattice.positions)) & ~_still(fine)).any():
            break
    sums = [np.concatenate([[0.0], np.cumsum(_angles(fine, plane))])[rows] for plane in (0, 1)]
    turns: np.ndarray = np.round([np.diff(sums[plane]) - _angles(bases, plane) for plane in (0, 1)])
    return turns


def _divided(points: ObservationPoints, steps: np.ndarray, pieces: int) -> tuple[ObservationPoints, np.ndarray]:
    """Observation points with further ones between rows `steps` and the next, and the present rows among the new."""
    rows = 1 + points.places + np.arange(len(points.places))
    begin = np.zeros(1 + points.total)
    begin[rows] = points.parts
    end = np.ones(1 + points.total)
    end[rows] = points.parts
    fractions = np.arange(1, pieces) / pieces
    low, high = begin[steps, None], end[steps + 1, None]
    places = np.concatenate([points.places, np.repeat(points.elements[steps], pieces - 1)])
    parts = np.concatenate([points.parts, (low + (high - low) * fractions).reshape(-1)])
    order = np.lexsort((parts, places))
    finer = ObservationPoints(points.count, places[order], parts[order])
    present = np.zeros(1 + points.total, dtype=int)
    present[1 + points.exits] = 1 + finer.exits
    present[rows] = 1 + points.places + np.argsort(order)[: len(rows)]
    return finer, present


def _doubtful(bases: np.ndarray, s: np.ndarray) -> np.ndarray:
    """(places - 1,) Whether the phase advance to the next place may exceed half a turn."""
    w = np.ascontiguousarray(bases[:, 0:4:2].transpose(1, 2, 0))  # (planes, 2 modes, places)
    length = s[1:] - s[:-1]
    (xx, xy), (yx, yy) = _response(w)
    determinant, size = xx * yy - xy * yx, xx * xx + xy * xy + yx * yx + yy * yy
    doubtful = determinant * determinant < (_FOCUSED * length) ** 2 * size
    thick = length > _ROUNDING
    if _coupled(w[0, 2:4]):
        trace = xx + yy  # for a drift its square is twice `size`
        doubtful |= _near_origin(w, _CURVED**2 * thick * (size - 0.5 * trace * trace), length * length)
    found: np.ndarray = thick & doubtful
    return found


def _near_origin(w: np.ndarray, curved: np.ndarray, squared: np.ndarray) -> np.ndarray:
    """(places - 1,) Whether a chord is closer to the origin than `curved` / `squared` (both squares) allows."""
    powers = w * w
    near = np.zeros(len(curved), dtype=bool)
    for plane in (0, 1):
        c, s = 2 * plane, 2 * plane + 1
        own, whole = powers[plane, c] + powers[plane, s], powers[:, c : s + 1].sum(axis=(0, 1))
        reach = curved * np.maximum(whole[1:], whole[:-1])
        # where the angle is below a quarter turn, the distance is at least that of the nearer end over sqrt(2)
        wide = w[plane, c, 1:] * w[plane, c, :-1] + w[plane, s, 1:] * w[plane, s, :-1] < 0.0
        some = np.flatnonzero(wide | (0.5 * squared * np.minimum(own[1:], own[:-1]) < reach))
        if some.size:
            distance = _distance(w[plane, c : s + 1, some], w[plane, c : s + 1, some + 1])
            near[some] |= squared[some] * distance < reach[some]
    return near


def _distance(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(n,) Square of the distance of chords from points (n, 2) to points (n, 2) from the origin."""
    chord = end - begin
    foot = np.clip(-np.sum(begin * chord, axis=1) / np.maximum(np.sum(chord**2, axis=1), _ROUNDING**2), 0.0, 1.0)
    square: np.ndarray = np.sum((begin + foot[:, None] * chord) ** 2, axis=1)
    return square


def _response(w: np.ndarray) -> np.ndarray:
    """(2, 2, places - 1) d(x, y)/d(px, py) [m] from one place to the next, from positions (2, 2 modes, places)."""
    before, after = w[None, :, :, :-1], w[:, None, :, 1:]
    modes = range(0, w.shape[1], 2)
    total: np.ndarray = sum(before[:, :, c] * after[:, :, c + 1] - before[:, :, c + 1] * after[:, :, c] for c in modes)
    return total


def _still(bases: np.ndarray) -> np.ndarray:
    """(places - 1,) Whether positions are those of the place before: an element with a length that does nothing."""
    still: np.ndarray = np.abs(bases[1:, 0:4:2] - bases[:-1, 0:4:2]).max(axis=(1, 2)) < _ROUNDING
    return still


def _angles(bases: np.ndarray, plane: int) -> np.ndarray:
    """(places - 1,) Phase advances of the mode of a plane to the next place [2 pi], between -1/2 and 1/2."""
    c, s = bases[:, 2 * plane, 2 * plane], bases[:, 2 * plane, 2 * plane + 1]
    sine, cosine = c[:-1] * s[1:] - s[:-1] * c[1:], c[:-1] * c[1:] + s[:-1] * s[1:]
    angles: np.ndarray = np.arctan2(sine, cosine) / (2.0 * np.pi)
    return angles
