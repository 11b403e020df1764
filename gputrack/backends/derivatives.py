"""Derivatives propagated through a launch: forwards, backwards, and of transfer matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gputrack.base.arrays import Array


@dataclass
class Tangents:
    """Derivatives of the inputs and outputs of a launch along one direction.

    Attributes
    ----------
    coordinates : float64 array (6, n)
        Changed in place. Lost particles have the tangents of their last coordinates.
    constants : float64 NumPy array (n_constants,)
        Of the program's constants.
    reference : float64 NumPy array (5,)
        Of `ReferenceValues`.
    """

    coordinates: Array
    constants: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True)
class MomentCotangents:
    """Derivatives of a scalar with respect to recorded moments, as numbers for `gputrack.beam.moment_rules.seeded`.

    Attributes
    ----------
    seeds : float64 array
        Of all monitors of moments, each (recorded turns, places, MOMENT_SEEDS), concatenated.
    starts : int64 array (monitors,)
        Index of the first number of each; -1 for monitors of coordinates. Both arrays are on the particles' device.
    first_turn : int
        First turn of the run, of which the launch may be a part.
    """

    seeds: Array
    starts: Array
    first_turn: int


@dataclass
class Cotangents:
    """Derivatives of a scalar with respect to the outputs of a launch, and to its inputs.

    Attributes
    ----------
    coordinates : float64 array (6, n)
        With respect to the coordinates after the launch; changed in place to those with respect to the coordinates
        before it.
    records : float64 array, optional
        With respect to the recorded coordinates, laid out as ``launch.records.flat``; by default zero.
    moments : MomentCotangents, optional
        With respect to recorded moments; by default zero. The launch needs weights.
    """

    coordinates: Array
    records: Array | None = None
    moments: MomentCotangents | None = None


@dataclass
class TangentCotangents:
    """Derivatives of a scalar with respect to coordinates and their tangents, after a launch and before it.

    For tangents v before the launch, those after it are J v, with the transfer matrix J.

    Attributes
    ----------
    coordinates, tangents : float64 arrays (6, n)
        Changed in place from those after the launch to those before it.
    records, record_tangents : float64 arrays
        With respect to the recorded coordinates and their tangents, laid out as ``launch.records.flat``.
    """

    coordinates: Array
    tangents: Array
    records: Array
    record_tangents: Array


@dataclass
class MatrixRates:
    """Orbits o displaced by e v + h d, with independent infinitesimals e and h, before and after a launch.

    With J the transfer matrix and J'[d] its derivative along d, a displaced orbit becomes
    F(o) + e J v + h J d + e h (J w + J'[d] v). With w = 0 at the start, `rates` are J'[d] v.

    Attributes
    ----------
    orbits, tangents, along, rates : float64 arrays (6, n)
        F(o), J v, J d, and the coefficient of e h; changed in place.
    """

    orbits: Array
    tangents: Array
    along: Array
    rates: Array

    def copied(self) -> MatrixRates:
        """Copy with arrays of its own."""
        return MatrixRates(*(array.copy() for array in vars(self).values()))


@dataclass
class RateCotangents:
    """Derivatives of a scalar function of `MatrixRates.rates`, after a launch and before it.

    Attributes
    ----------
    rates : float64 array (6, n)
        Changed in place from those after the launch to those before it.
    records : float64 array, optional
        With respect to the rates at the records, laid out as ``launch.records.flat``; by default zero.
    along, orbits : float64 arrays (6, n)
        With respect to d and to the orbits before the launch; set by the backend.
    """

    rates: Array
    along: Array
    orbits: Array
    records: Array | None = None
