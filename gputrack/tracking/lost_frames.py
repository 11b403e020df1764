"""Last coordinates of lost particles in the frame of the lattice.

During a run they are in the frame of the element in which a particle was lost, where the backward sweep restores it.
In the result they are in the frame of the lattice, as those of survivors.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_jvp, make_vjp

from gputrack.backends.launch import Particles
from gputrack.base.arrays import namespace, to_numpy
from gputrack.elements.frames import Path, has_own_frame, lattice_frame_paths
from gputrack.elements.map import ReferenceValues, make_state
from gputrack.elements.roles import Role
from gputrack.lattice.program import LoweredGroup, Program


@dataclass(frozen=True)
class _Step:
    """Map on the path to the frame of the lattice, for some of the particles.

    Attributes
    ----------
    particles : (m,) int array
        Indices among the particles lost in frames of elements.
    kind : MapKind
    forwards : bool
    integers : dict
    constants : (m, number of constants) int array
        Indices of each particle's constants in the program's table.
    """

    particles: np.ndarray
    kind: Any
    forwards: bool
    integers: dict[str, int]
    constants: np.ndarray


@dataclass(frozen=True)
class LostPlaces:
    """Particles of a run that were lost in frames of elements.

    Attributes
    ----------
    columns : (m,) int array
        Their indices in the beam.
    steps : list
        Maps to the frame of the lattice, in order.
    program : Program
    """

    columns: np.ndarray
    steps: list[_Step]
    program: Program

    def moved(self, coordinates: Any, ref: ReferenceValues) -> Any:
        """Coordinates (6, n) of all particles, with these transformed to the frame of the lattice."""
        return self._with(coordinates, self._moved(self._numbers(coordinates, ref)))

    def pushed(self, coordinates: Any, ref: ReferenceValues, tangents: Any, rates: Any, ref_rates: Any) -> Any:
        """Tangents (6, n) of the result of `moved`, given those of coordinates, constants and reference."""
        along = np.concatenate([self._own(tangents).reshape(-1), rates, ref_rates])
        with np.errstate(all="ignore"):
            return self._with(tangents, make_jvp(self._moved)(self._numbers(coordinates, ref))(along)[1])

    def pulled(self, coordinates: Any, ref: ReferenceValues, bar: Any) -> tuple[Any, np.ndarray]:
        """Cotangents (6, n) of the coordinates; and those of all constants, then of the reference."""
        with np.errstate(all="ignore"):
            bars = make_vjp(self._moved)(self._numbers(coordinates, ref))[0](self._own(bar))
        size = 6 * len(self.columns)
        return self._with(bar, bars[:size].reshape(6, -1)), bars[size:]

    def _own(self, values: Any) -> np.ndarray:
        return to_numpy(values[:, namespace(values).asarray(self.columns)])

    def _with(self, values: Any, own: np.ndarray) -> Any:
        xp = namespace(values)
        whole = xp.array(values, copy=True)
        whole[:, xp.asarray(self.columns)] = xp.asarray(own)
        return whole

    def _numbers(self, coordinates: Any, ref: ReferenceValues) -> np.ndarray:
        return np.concatenate([self._own(coordinates).reshape(-1), self.program.constants, np.array(ref)])

    def _moved(self, numbers: Any) -> Any:
        """The maps as a function of one vector: coordinates, constants and reference values."""
        size, count = 6 * len(self.columns), len(ReferenceValues._fields)
        own = ReferenceValues(*(numbers[i - count] for i in range(count)))
        here = anp.reshape(numbers[:size], (6, -1))
        for step in self.steps:
            constants = {name: numbers[size + step.constants[:, i]] for i, name in enumerate(step.kind.constants)}
            op = SimpleNamespace(**step.integers, **constants)
            act = step.kind.forward if step.forwards else step.kind.inverse
            after = anp.stack(act(make_state(here[:, step.particles], own), op, own)[:6])
            order = np.arange(len(self.columns))
            order[step.particles] = len(self.columns) + np.arange(len(step.particles))
            here = anp.concatenate([here, after], axis=1)[:, order]
        return here


def lost_places(program: Program, particles: Particles, backwards: bool = False) -> LostPlaces | None:
    """Particles lost in frames of elements, with the maps to the frame of the lattice; None if there are none."""
    own = [number for number, group in enumerate(program.groups) if has_own_frame(_roles(group))]
    if not own:
        return None
    xp = namespace(particles.loss_op)
    columns = to_numpy(xp.nonzero(particles.loss_op >= 0)[0])
    ops = to_numpy(particles.loss_op[xp.asarray(columns)])
    elements = program.elements[ops]
    groups, first = program.rows[0][elements], np.searchsorted(program.elements, elements)
    # lost coordinates are those before an op, or after it in backwards tracking
    offsets = ops - first + int(backwards)
    found: list[tuple[np.ndarray, Path]] = []
    for number in set(own) & set(groups.tolist()):
        paths = lattice_frame_paths(_roles(program.groups[number]))
        for offset in np.unique(offsets[groups == number]).tolist():
            path = paths[min(offset, len(paths) - 1)]  # records come last
            if path:
                found.append((np.flatnonzero((groups == number) & (offsets == offset)), path))
    if not found:
        return None
    moved = np.unique(np.concatenate([lost for lost, _ in found]))
    steps = [
        _step(program, np.searchsorted(moved, lost), first[lost] + number, forwards)
        for lost, path in found for number, forwards in path
    ]  # fmt: skip
    return LostPlaces(columns[moved], steps, program)


def _roles(group: LoweredGroup) -> list[Role]:
    return [call.role for call in group.calls]


def _step(program: Program, particles: np.ndarray, ops: np.ndarray, forwards: bool) -> _Step:
    rows = program.ops[ops]
    kind = program.kind_of[int(rows[0, 0])]
    assert not kind.series, "maps between frames have none"
    integers = dict(zip(kind.integers, rows[0, 2:].tolist(), strict=False))
    return _Step(particles, kind, forwards, integers, rows[:, 1:2] + np.arange(len(kind.constants)))
