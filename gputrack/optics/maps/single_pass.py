"""One pass of single particles through a program, on any backend: orbits, transfer matrices and their derivatives."""

from __future__ import annotations

import numpy as np

from gputrack.backends import Choice, choose_backend
from gputrack.backends.derivatives import MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.launch import Launch, Particles, make_records
from gputrack.base.errors import InputError
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.program import Program

#: limit on |x| and |y| [m]: practically none, but with a finite square
LIMIT = 1e100


class Pass:
    """One pass of single particles through a program.

    Parameters
    ----------
    lattice : Lattice
        Provides the reference particle, and the name for messages.
    program : Program
        Without apertures and collective maps.
    places : int
        Number of places recorded by the program's only monitor.
    backend : {"array", "host", "cuda"} or Streamed, optional
        See `gputrack.backends.choose_backend`; arrays are NumPy's.

    Attributes
    ----------
    gradient_size : int
        Number of constants of the program and members of `ReferenceValues`: length of arrays of derivatives with
        respect to these, in this order.
    """

    def __init__(self, lattice: Lattice, program: Program, places: int = 0, backend: Choice = None) -> None:
        self.name, self.program, self.places = lattice.name, program, places
        self.reference = lattice.require_reference().plain
        self.backend = choose_backend(backend, np.zeros((6, 1)), 1)
        self.gradient_size = len(program.constants) + len(ReferenceValues._fields)

    def particles(self, coordinates: np.ndarray) -> np.ndarray:
        """Coordinates (6, n) of particles after the pass.

        Raises
        ------
        InputError
            A particle is lost.
        """
        particles = Particles.alive(np.array(coordinates, dtype=float, order="C"))
        self.backend.step(particles, self._launch(coordinates.shape[1]))
        self._require_survivors(coordinates[:, 0], particles)
        return np.asarray(particles.coordinates)

    def matrices(self, orbit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Orbit and transfer matrix from the start, at the recorded places and at the end.

        Parameters
        ----------
        orbit : (6,) array
            At the start.

        Returns
        -------
        (array (places, 6, 7), array (6, 7))
            ``[..., 0]`` is the orbit, ``[..., 1:]`` the matrix.

        Raises
        ------
        InputError
            The orbit is not six finite numbers; or a particle on it is lost.
        """
        self._require_orbit(orbit)
        launch, particles = self._launch(6), Particles.alive(np.repeat(orbit[:, None], 6, axis=1))
        tangents = self._tangents(np.eye(6))
        recorded = self.backend.step_tangent(particles, tangents, launch)
        self._require_survivors(orbit, particles)
        end = np.concatenate([particles.coordinates[:, :1], tangents.coordinates], axis=1)
        if not self.places:
            return np.zeros((0, 6, 7)), end
        orbits = launch.records.views[0][0][:, :, :1]
        return np.concatenate([orbits, recorded.reshape(self.places, 6, 6)], axis=2), end

    def matrices_adjoint(
        self, end: np.ndarray, end_bar: np.ndarray, bar: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of a function of the results of `matrices`.

        Parameters
        ----------
        end : (6, 1 + n) array
            Orbit at the end, and n columns of the matrix to it.
        end_bar : (6, 1 + n) array
            Derivatives with respect to these.
        bar : (places, 6, 1 + n) array, optional
            Derivatives with respect to orbits and columns at the recorded places.

        Returns
        -------
        (array (6,), array (gradient_size,))
            Derivatives with respect to the orbit at the start; and to constants and reference.
        """
        n = end.shape[1] - 1
        particles, tangents = Particles.alive(np.repeat(end[:, :1], n, axis=1)), self._tangents(end[:, 1:])
        # all columns have the same orbit, whose cotangents are added to one of them
        orbit_bar, record_bars = np.zeros((6, n)), np.zeros((2, self.places, 6, n))
        orbit_bar[:, 0] = end_bar[:, 0]
        if bar is not None:
            record_bars[0, :, :, 0], record_bars[1] = bar[:, :, 0], bar[:, :, 1:]
        bars = TangentCotangents(orbit_bar, np.ascontiguousarray(end_bar[:, 1:]), *record_bars.reshape(2, -1))
        gradient = self.backend.step_tangent_adjoint(particles, tangents, bars, self._launch(n))
        return bars.coordinates.sum(axis=1), gradient

    def rates(self, orbit: np.ndarray, along: np.ndarray, columns: int) -> tuple[np.ndarray, MatrixRates]:
        """Derivatives of the first columns of matrices from the start, along a displacement of the orbit there.

        Parameters
        ----------
        orbit, along : (6,) arrays
            Orbit and displacement at the start.
        columns : int

        Returns
        -------
        (array (places, 6, columns), MatrixRates)
            Rates at the recorded places; and the state at the end.

        Raises
        ------
        InputError
            The orbit is not six finite numbers; or a particle on it is lost.
        """
        self._require_orbit(orbit)
        spread = np.ones(columns)
        rates = MatrixRates(
            np.outer(orbit, spread), np.eye(6)[:, :columns].copy(), np.outer(along, spread), np.zeros((6, columns))
        )
        recorded = self.backend.step_rates(rates, self._launch(columns))
        if not (np.isfinite(rates.orbits).all() and np.isfinite(rates.rates).all()):
            raise self._lost(orbit)
        return recorded.reshape(self.places, 6, columns), rates

    def rates_adjoint(
        self, end: MatrixRates, end_bar: np.ndarray, bar: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives of a function of the results of `rates`.

        Parameters
        ----------
        end : MatrixRates
            State at the end; unchanged.
        end_bar : (6, columns) array
            Derivatives with respect to ``end.rates``.
        bar : (places, 6, columns) array, optional
            Derivatives with respect to the rates at the recorded places.

        Returns
        -------
        (array (6,), array (6,), array (gradient_size,))
            Derivatives with respect to orbit and displacement at the start; and to constants and reference.
        """
        shape = end.rates.shape
        seeds = None if bar is None else np.ascontiguousarray(bar).reshape(-1)
        bars = RateCotangents(np.array(end_bar, order="C"), np.zeros(shape), np.zeros(shape), seeds)
        gradient = self.backend.step_rates_adjoint(end.copied(), bars, self._launch(shape[1]))
        return bars.orbits.sum(axis=1), bars.along.sum(axis=1), gradient

    def _launch(self, columns: int) -> Launch:
        records = make_records([(1, self.places)] if self.places else [], columns, np)
        return Launch(self.program, self.reference, 0, 1, LIMIT, records)

    def _tangents(self, columns: np.ndarray) -> Tangents:
        zeros = np.zeros(len(self.program.constants)), np.zeros(len(ReferenceValues._fields))
        return Tangents(np.array(columns, order="C"), *zeros)

    def _require_orbit(self, orbit: np.ndarray) -> None:
        if orbit.shape != (6,) or not np.isfinite(orbit).all():
            raise InputError(f"Lattice {self.name!r}: orbit must be six finite numbers, got {orbit.tolist()}")

    def _require_survivors(self, orbit: np.ndarray, particles: Particles) -> None:
        if particles.loss_code.any() or not np.isfinite(particles.coordinates).all():
            raise self._lost(orbit)

    def _lost(self, orbit: np.ndarray) -> InputError:
        return InputError(f"Lattice {self.name!r}: a particle on the orbit {orbit.tolist()} is lost before the end")
