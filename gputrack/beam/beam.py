"""The beam: particles with their weights and losses."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gputrack.autodiff.cupy_box import to_cupy
from gputrack.base.arrays import Array, is_cupy, is_traced, module_named, namespace, out_of_memory, to_numpy
from gputrack.base.checks import short
from gputrack.base.errors import DeviceMemoryError, InputError
from gputrack.base.losses import LossCode, Losses
from gputrack.base.reference import ReferenceParticle
from gputrack.beam.arrays import (
    beam_coordinates,
    beam_vector,
    require_codes,
    require_finite,
    require_weights,
)
from gputrack.beam.constructors import BeamConstructors
from gputrack.beam.file import load_beam, save_beam
from gputrack.beam.measured import BeamMoments
from gputrack.beam.moments import PLANES

if TYPE_CHECKING:
    import os

_ARRAYS = ("coordinates", "weights", "loss_code", "loss_turn", "loss_element")
_FIELDS = (*_ARRAYS, "reference", "turn")


class Beam(BeamConstructors, BeamMoments):
    """Particles at one place of the lattice. Immutable: `replaced` makes a changed copy.

    Parameters
    ----------
    coordinates : (6, n) array
        Rows x [m], px, y [m], py, z [m], delta, normalised to the reference momentum; z = -beta c tau is the
        distance ahead of the reference particle. NumPy or CuPy; the beam lives on the device of this array.
        NumPy arrays are copied and are read-only; do not modify CuPy arrays after passing them. Lost particles have
        their coordinates before the map in which they were lost, in the frame of the lattice even in a misaligned
        element.
    reference : ReferenceParticle
    weights : (n,) array or float, optional
        Number of real particles per macro-particle, > 0; default 1.
    loss_code : (n,) integer array, optional
        `LossCode` of each particle; default 0, not lost.
    loss_turn, loss_element : (n,) integer arrays, optional
        Turn and place in the lattice of the loss; -1 for survivors and where unknown.
    turn : int
        Number of completed turns.

    Raises
    ------
    InputError
        An array has a wrong shape, type or device; a weight is not > 0; coordinates of a survivor are not finite.
    """

    coordinates: Array
    reference: ReferenceParticle
    weights: Array
    loss_code: Array
    loss_turn: Array
    loss_element: Array
    turn: int

    def __init__(
        self,
        coordinates: Array,
        reference: ReferenceParticle,
        *,
        weights: Any = None,
        loss_code: Any = None,
        loss_turn: Any = None,
        loss_element: Any = None,
        turn: int = 0,
    ) -> None:
        if not isinstance(reference, ReferenceParticle):
            raise InputError(f"Beam: reference must be a gputrack.ReferenceParticle, got {short(reference)}")
        if isinstance(turn, bool) or not isinstance(turn, (int, np.integer)):
            raise InputError(f"Beam: turn must be an integer, got {short(turn)}")
        if abs(int(turn)) >= 2**62:
            raise InputError(f"Beam: turn must fit 64 bits, got {short(turn)}")
        self.reference = reference
        self.turn = int(turn)
        c = self.coordinates = beam_coordinates(coordinates)
        self.weights = beam_vector("weights", weights, 1.0, c, "float64")
        self.loss_code = beam_vector("loss_code", loss_code, LossCode.ALIVE, c, "int32")
        self.loss_turn = beam_vector("loss_turn", loss_turn, -1, c, "int64")
        self.loss_element = beam_vector("loss_element", loss_element, -1, c, "int32")
        require_weights(self.weights)
        require_codes(self.loss_code)
        require_finite(c, self.alive)

    @classmethod
    def of_arrays(cls, reference: ReferenceParticle, turn: int, **arrays: Array) -> Self:
        """A beam of all five arrays, valid ones as tracking makes them: nothing is checked or copied.

        NumPy arrays become read-only.
        """
        for array in arrays.values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        beam = cls.__new__(cls)
        beam.reference, beam.turn = reference, turn
        beam.coordinates, beam.weights = arrays["coordinates"], arrays["weights"]
        beam.loss_code, beam.loss_turn = arrays["loss_code"], arrays["loss_turn"]
        beam.loss_element = arrays["loss_element"]
        return beam

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            raise AttributeError(f"Beam.{name} cannot be changed; make a changed copy: beam.replaced({name}=...)")
        super().__setattr__(name, value)

    def replaced(self, **changes: Any) -> Beam:
        """Copy with new values of some of coordinates, reference, weights, loss_code, loss_turn, loss_element, turn.

        A new reference leaves the (normalised) coordinates unchanged.
        """
        for name in changes:
            if name not in _FIELDS:
                raise InputError(f"Beam.replaced: no field {name!r}; the fields are {', '.join(_FIELDS)}")
        fields = {name: getattr(self, name) for name in _FIELDS} | changes
        return Beam(fields.pop("coordinates"), fields.pop("reference"), **fields)

    def to_device(self, xp: str) -> Beam:
        """Copy of the beam in ``"numpy"`` (host) or ``"cupy"`` (GPU) memory.

        Raises
        ------
        BackendError
            CuPy is required but not installed.
        DeviceMemoryError
            The beam does not fit into the memory of the GPU.
        """
        module = module_named(xp)
        move = to_numpy if module is np else to_cupy
        try:
            return self.replaced(**{name: move(getattr(self, name)) for name in _ARRAYS})
        except out_of_memory() as error:
            raise DeviceMemoryError(
                f"Beam.to_device: {self.n} particles need at least {76 * self.n} bytes on the GPU ({error}); leave "
                "them in host memory and track with backend='cuda', which streams them in chunks"
            ) from error

    # -- particles -----------------------------------------------------------------------------

    @property
    def x(self) -> Array:
        """Horizontal positions [m], (n,)."""
        return self.coordinates[0]

    @property
    def px(self) -> Array:
        """Horizontal momenta Px/P0, (n,)."""
        return self.coordinates[1]

    @property
    def y(self) -> Array:
        """Vertical positions [m], (n,)."""
        return self.coordinates[2]

    @property
    def py(self) -> Array:
        """Vertical momenta Py/P0, (n,)."""
        return self.coordinates[3]

    @property
    def z(self) -> Array:
        """Distances -beta c tau ahead of the reference particle [m], (n,)."""
        return self.coordinates[4]

    @property
    def delta(self) -> Array:
        """Relative momentum deviations (P - P0)/P0, (n,)."""
        return self.coordinates[5]

    @property
    def n(self) -> int:
        """Number of (macro-)particles, lost ones included."""
        return int(self.coordinates.shape[1])

    @cached_property
    def alive(self) -> Array:
        """Mask of the surviving particles, bool (n,)."""
        return self.loss_code == int(LossCode.ALIVE)

    @property
    def lost(self) -> Array:
        """Mask of the lost particles, bool (n,)."""
        return ~self.alive

    @cached_property
    def n_lost(self) -> int:
        """Number of lost (macro-)particles."""
        return int(self.lost.sum())

    @property
    def transmission(self) -> float:
        """Weight of the surviving particles divided by the weight of all."""
        return float((self.weights * self.alive).sum() / self.weights.sum())

    def losses(self) -> Losses:
        """Numbers of lost particles by loss code and by element; ``print(beam.losses())`` shows a table."""
        lost = self.lost
        by_code = {LossCode(code): count for code, count in _counts(self.loss_code[lost])}
        by_element = dict(sorted(_counts(self.loss_element[lost]), key=lambda item: (-item[1], item[0])))
        return Losses(self.n, by_code, by_element)

    # -- files and text --------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an openPMD HDF5 file that `Beam.load` reads; see `gputrack.beam.file.save_beam`."""
        save_beam(self, path)

    @staticmethod
    def load(
        path: str | os.PathLike[str],
        *,
        reference: ReferenceParticle | None = None,
        reference_time: float | None = None,
        xp: str = "numpy",
    ) -> Beam:
        """Read a gputrack beam file or any openPMD particle file; see `gputrack.beam.file.load_beam`."""
        return load_beam(Beam, path, reference=reference, reference_time=reference_time, xp=xp)

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        ref = self.reference.plain
        device = "traced" if is_traced(self.coordinates) else "cupy" if is_cupy(self.coordinates) else "numpy"
        text = (
            f"{self.n} particles ({self.n_lost} lost), turn {self.turn}, {device}, "
            f"mass {ref.mass:.6g} eV, charge {ref.charge:+g} e, p0c {ref.p0c:.6g} eV"
        )
        quick = "_moments" in self.__dict__ or self.n <= 100_000  # printing should not take seconds
        if self.n_lost < self.n and device != "traced" and quick:
            planes = ", ".join(f"{plane} {self.emittance(plane):.4g}" for plane in PLANES)
            text += f"; rms emittances [m] {planes}"
        return f"<Beam: {text}>"


def _counts(values: Array) -> list[tuple[int, int]]:
    """Distinct integers in ascending order with the number of occurrences."""
    distinct, counts = namespace(values).unique(values, return_counts=True)
    return list(zip(distinct.tolist(), counts.tolist(), strict=True))
