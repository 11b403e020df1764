"""Protocol of the backends: methods, arguments and results."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from gputrack.backends.derivatives import Cotangents, MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.launch import Launch, Particles
from gputrack.base.arrays import Array
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import ReferenceValues


class Stream(NamedTuple):
    """GPU through which beams in host memory are streamed: its number, and the particles per chunk if given."""

    device: int
    chunk: int | None


class Runner(Protocol):
    """Object that runs stretches of turns.

    Attributes
    ----------
    name : str
        "array", "host" or "cuda".
    copying : float
        Time [s] of the last launch spent on copies between host and device, independent of the number of turns.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 (above)

    @property
    def copying(self) -> float: ...  # noqa: D102 (above)

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run a launch, in place: forwards, or backwards with each map inverted."""
        ...


class CollectiveKernel(Protocol):
    """Kernel of one kind of collective map."""

    def step(self, bunch: Bunch, op: Any, ref: ReferenceValues, backwards: bool) -> Array | None:
        """Apply the map to the bunch's coordinates, or undo it.

        Returns
        -------
        int8 array (n,), or None
            `LossCode` of particles lost by the map, whose coordinates are unchanged; None if none is lost.
        """
        ...

    def undo_adjoint(self, bunch: Bunch, op: Any, ref: ReferenceValues, bar: Array) -> Bars:
        """Undo the map and pull `bar` (6, n) back, both in place; ``result.coordinates`` is `bar`."""
        ...


class CollectiveRunner(Protocol):
    """Object that runs collective maps.

    Attributes
    ----------
    name : str
        "array", "host" or "cuda".
    """

    @property
    def name(self) -> str: ...  # noqa: D102 (above)

    def collective_kernel(self, kind: CollectiveKind) -> CollectiveKernel | None:
        """Kernel of a kind of collective map; None if it runs by array mathematics."""
        ...


class Backend(Runner, CollectiveRunner, Protocol):
    """Backend that runs programs: `array`, `host` or `cuda`.

    Methods return when the results are complete. Adjoint methods return, as one NumPy array (n_constants + 5,), the
    derivatives with respect to the constants of the launch's ops, then to the members of `ReferenceValues` as
    independent variables. The order of sums over particles depends on their number only, not on threads.

    Attributes
    ----------
    threads : int, or None
        CPU threads; None on a GPU.
    stream : Stream, or None
        GPU through which beams in host memory are streamed; None if particles are tracked in their own memory.
    """

    @property
    def threads(self) -> int | None: ...  # noqa: D102 (above)

    @property
    def stream(self) -> Stream | None: ...  # noqa: D102 (above)

    def step_tangent(self, particles: Particles, tangents: Tangents, launch: Launch) -> Array:
        """Run a launch forwards, in place, with tangents.

        Returns
        -------
        float64 array
            Tangents of the recorded coordinates, laid out as ``launch.records.flat``; 0 where none are recorded.
        """
        ...

    def step_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """Undo a launch, in place, and pull cotangents back through it.

        Parameters
        ----------
        particles : Particles
            State after the launch, changed in place to that before it.
        cotangents : Cotangents
        launch : Launch
            The same as in the forward run.
        """
        ...

    def step_tangent_adjoint(
        self, particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
    ) -> np.ndarray:
        """Undo one turn with tangents, in place, and pull cotangents of both back: the adjoint of `step_tangent`.

        Parameters
        ----------
        particles, tangents : Particles, Tangents
            State after the turn, no particle lost; changed in place to that before it. Tangents of constants are zero.
        cotangents : TangentCotangents
        launch : Launch
            One turn without collective maps, the same as in the forward run.
        """
        ...

    def step_rates(self, rates: MatrixRates, launch: Launch) -> Array:
        """Propagate rates of transfer matrices through one turn, in place. Particles are not lost but become NaN.

        Returns
        -------
        float64 array
            `MatrixRates.rates` at the records, laid out as ``launch.records.flat``; nothing else is recorded.
        """
        ...

    def step_rates_adjoint(self, rates: MatrixRates, cotangents: RateCotangents, launch: Launch) -> np.ndarray:
        """Undo one turn, in place, and pull cotangents of the rates back: the adjoint of `step_rates`.

        Parameters
        ----------
        rates : MatrixRates
            State after the turn, changed in place to that before it.
        cotangents : RateCotangents
        launch : Launch
        """
        ...
