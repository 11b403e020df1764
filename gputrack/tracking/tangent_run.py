"""Tracking run with tangents: directions of differentiation, and a backend that propagates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from autograd.core import JVPNode
from autograd.tracer import isbox

from gputrack.autodiff.cupy_box import unsealed
from gputrack.backends.derivatives import Tangents
from gputrack.backends.launch import Launch, Particles
from gputrack.backends.protocol import Backend
from gputrack.base.arrays import is_traced, namespace
from gputrack.base.errors import InputError
from gputrack.elements.map import ReferenceValues
from gputrack.lattice.knob_tangent import constants_tangent
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.program import Program
from gputrack.tracking.moment_recorder import pushed_moments


@dataclass(frozen=True)
class Directions:
    """Tangents of the arguments of a run; None for constant ones.

    Attributes
    ----------
    coordinates : array (6, n), or None
    reference : NumPy array (5,), or None
        Of `ReferenceValues`.
    knobs : list of (arrays or None)
        For each set of traced knobs.
    """

    coordinates: Any
    reference: Any
    knobs: list[Any]


def directions_of(coordinates: Any, reference: Any, *knobs: Any) -> Directions | None:
    """Tangents of the (traced) arguments of a run in autograd's forward mode; None in other modes.

    The innermost trace determines the mode, as in autograd's rules of a primitive.
    """
    arguments = [coordinates, reference, *knobs]
    top = max((value._trace for value in arguments if isbox(value)), default=None)
    nodes = [value._node if isbox(value) and value._trace == top else None for value in arguments]
    if not any(isinstance(node, JVPNode) for node in nodes):
        return None
    tangents = [None if node is None else unsealed(node.g) for node in nodes]
    if any(is_traced(tangent) for tangent in tangents):
        raise InputError("track: second derivatives by forward mode over another mode are not available")
    return Directions(tangents[0], tangents[1], tangents[2:])


@dataclass
class Carrier:
    """Backend that propagates tangents along with the particles.

    Attributes
    ----------
    backend : Backend
    tangents : Tangents
    moments : sequence of bool
        Whether each monitor records moments.
    recorded : list of lists of arrays
        Tangents of each monitor's records in each stretch of turns.
    """

    backend: Backend
    tangents: Tangents
    moments: Sequence[bool]
    recorded: list[list[Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """That of the backend."""
        return self.backend.name

    @property
    def copying(self) -> float:
        """That of the backend."""
        return self.backend.copying

    def step(self, particles: Particles, launch: Launch) -> None:
        """Run a launch forwards, in place."""
        flat = self.backend.step_tangent(particles, self.tangents, launch)
        views = launch.records.views
        ends = np.cumsum([view.size for view in views], dtype=int).tolist()
        tangents = [flat[end - view.size : end].reshape(view.shape) for view, end in zip(views, ends, strict=True)]
        for number, view in enumerate(views):
            if self.moments[number]:
                tangents[number] = pushed_moments(tangents[number], view, launch.weights)
        self.recorded.append(tangents)

    def record(self, number: int, places: int) -> Any:
        """Tangents of a monitor's record: of coordinates (t, p, 6, n), or of moments (t, p, 7, 6)."""
        parts = [parts[number] for parts in self.recorded]
        xp, shape = namespace(self.tangents.coordinates), self.tangents.coordinates.shape
        if self.moments[number]:
            xp, shape = np, (7, 6)
        return xp.concatenate(parts) if parts else xp.zeros((0, places, *shape))


def carrier(
    backend: Backend, program: Program, coordinates: Any, directions: Directions, knobs: Sequence[Knobs],
    moments: Sequence[bool],
) -> Carrier:  # fmt: skip
    """Backend with tangents along `directions`, starting at `coordinates` (6, n); `moments` as in `Carrier`."""
    xp = namespace(coordinates)
    given = directions.coordinates
    start = xp.zeros(coordinates.shape) if given is None else xp.array(given, dtype=xp.float64, copy=True, order="C")
    moved = [(own, tangent) for own, tangent in zip(knobs, directions.knobs, strict=True) if tangent is not None]
    size = len(ReferenceValues._fields)
    reference = np.zeros(size) if directions.reference is None else np.asarray(directions.reference, dtype=float)
    return Carrier(backend, Tangents(start, constants_tangent(program, moved), reference), moments)
