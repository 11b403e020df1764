"""What backends do, what they are given and what they give back."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from gputrack.backends.derivatives import Cotangents, MatrixRates, RateCotangents, TangentCotangents, Tangents
from gputrack.backends.launch import Launch, Particles
from gputrack.base.arrays import Array
from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import ReferenceValues


class Stream(NamedTuple):
    """A GPU through which beams in host memory are sent in chunks: its number, and particles at a time if given."""

    device: int
    chunk: int | None


class Runner(Protocol):
    """What runs stretches of turns.

    Attributes
    ----------
    name : str
        "array", "host" or "cuda".
    copying : float
        Seconds of the last launch that do not depend on its turns, spent on copies between host and device.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 (above)

    @property
    def copying(self) -> float: ...  # noqa: D102 (above)

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run a launch, in place: forwards, or backwards with each map inverted."""
        ...


class CollectiveKernel(Protocol):
    """A kernel of one kind of map of the whole beam."""

    def step(self, bunch: Bunch, op: Any, ref: ReferenceValues, backwards: bool) -> Array | None:
        """Act with the map on the bunch's coordinates, or undo it.

        Returns
        -------
        int8 array (n,), or None
            `LossCode` of particles that could not be tracked on and stay as they were; None where all could.
        """
        ...

    def undo_adjoint(self, bunch: Bunch, op: Any, ref: ReferenceValues, bar: Array) -> Bars:
        """Undo the map and pull `bar` (6, n) back, both in place; the result's coordinates are `bar`."""
        ...


class CollectiveRunner(Protocol):
    """What runs maps of the whole beam.

    Attributes
    ----------
    name : str
        "array", "host" or "cuda".
    """

    @property
    def name(self) -> str: ...  # noqa: D102 (above)

    def collective_kernel(self, kind: CollectiveKind) -> CollectiveKernel | None:
        """Kernel of a kind of map of the whole beam; None where its array mathematics is run."""
        ...


class Backend(Runner, CollectiveRunner, Protocol):
    """A way to run programs: `array`, `host` or `cuda`.

    Methods return when the results are there. Those that give derivatives return, as one NumPy array
    (n_constants + 5,), the derivatives with respect to the constants of the launch's ops, then to the members of
    `ReferenceValues`, each taken by itself. Sums over particles are taken in an order that depends on their number
    alone, not on threads.

    Attributes
    ----------
    threads : int, or None
        CPU threads; None on a GPU.
    stream : Stream, or None
        Where beams in host memory are sent in chunks; None where particles are tracked where they are.
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
            Tangents of the recorded coordinates, laid out as ``launch.records.flat``; 0 where nothing was recorded.
        """
        ...

    def step_adjoint(self, particles: Particles, cotangents: Cotangents, launch: Launch) -> np.ndarray:
        """Undo a launch, in place, and pull cotangents back through it.

        Parameters
        ----------
        particles : Particles
            After the launch; as they were before it when the call returns.
        cotangents : Cotangents
        launch : Launch
            As it was run forwards.
        """
        ...

    def step_tangent_adjoint(
        self, particles: Particles, tangents: Tangents, cotangents: TangentCotangents, launch: Launch
    ) -> np.ndarray:
        """Undo one turn with tangents, in place, and pull cotangents of both back: the adjoint of `step_tangent`.

        Parameters
        ----------
        particles, tangents : Particles, Tangents
            After the turn, no particle lost; before it when the call returns. Tangents of constants are zero.
        cotangents : TangentCotangents
        launch : Launch
            One turn of single particles, as it was run forwards.
        """
        ...

    def step_rates(self, rates: MatrixRates, launch: Launch) -> Array:
        """Carry rates of transfer matrices through one turn, in place. Particles are not lost, but become NaN.

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
            After the turn; before it when the call returns.
        cotangents : RateCotangents
        launch : Launch
        """
        ...
