"""Last coordinates of lost particles in the lattice's frame.

While a run goes on they are in the frame of the element in which a particle was lost: there the backward sweep brings
it back to life. Who looks at the result wants them in the frame that all others are in.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_jvp, make_vjp

from gputrack.backends.protocol import Particles
from gputrack.base.arrays import namespace, to_numpy
from gputrack.elements.frames import ways_out
from gputrack.elements.map import MAPS, ReferenceValues, make_state
from gputrack.lattice.program import LoweredGroup, Program


@dataclass(frozen=True)
class _Step:
    """One map out, for some of the particles: their numbers, its op code, and where its constants stand."""

    who: np.ndarray
    kind: Any
    forwards: bool
    integers: dict[str, int]
    constants: np.ndarray  # (particles, constants)


@dataclass(frozen=True)
class LostPlaces:
    """Particles lost in frames of elements in this run.

    Attributes
    ----------
    columns : (m,) int array
        Which they are.
    steps : list
        Maps that lead them out, in order.
    program : Program
    """

    columns: np.ndarray
    steps: list[_Step]
    program: Program

    def moved(self, coordinates: Any, ref: ReferenceValues) -> Any:
        """All coordinates (6, n), those of these particles in the lattice's frame; on their device."""
        return self._with(coordinates, self._moved(self._numbers(coordinates, ref)))

    def pushed(self, coordinates: Any, ref: ReferenceValues, tangents: Any, rates: Any, ref_rates: Any) -> Any:
        """Tangents (6, n) of what `moved` gives, from those of coordinates, constants and the reference's values."""
        along = np.concatenate([self._own(tangents).reshape(-1), rates, ref_rates])
        with np.errstate(all="ignore"):
            return self._with(tangents, make_jvp(self._moved)(self._numbers(coordinates, ref))(along)[1])

    def pulled(self, coordinates: Any, ref: ReferenceValues, bar: Any) -> tuple[Any, np.ndarray]:
        """Cotangents (6, n) of coordinates, and those of all constants and the reference's values behind them."""
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
        """The maps as a function of coordinates, constants and the reference's values in one vector."""
        size, count = 6 * len(self.columns), len(ReferenceValues._fields)
        own = ReferenceValues(*(numbers[i - count] for i in range(count)))
        here = anp.reshape(numbers[:size], (6, -1))
        for step in self.steps:
            constants = {name: numbers[size + step.constants[:, i]] for i, name in enumerate(step.kind.constants)}
            op = SimpleNamespace(**step.integers, **constants)
            act = step.kind.forward if step.forwards else step.kind.inverse
            after = anp.stack(act(make_state(here[:, step.who], own), op, own)[:6])
            order = np.arange(len(self.columns))
            order[step.who] = len(self.columns) + np.arange(len(step.who))
            here = anp.concatenate([here, after], axis=1)[:, order]
        return here


def lost_places(program: Program, particles: Particles, backwards: bool = False) -> LostPlaces | None:
    """Who was lost in a frame of its element, and the way out of it; None where nobody was."""
    own = [number for number, group in enumerate(program.groups) if _has_frames(group)]
    if not own:
        return None
    xp = namespace(particles.loss_op)
    columns = to_numpy(xp.nonzero(particles.loss_op >= 0)[0])
    ops = to_numpy(particles.loss_op[xp.asarray(columns)])
    elements = program.elements[ops]
    groups = program.rows[0][elements]
    # the state before an op; backwards, what is lost is what comes out of it
    offsets = ops - np.searchsorted(program.elements, elements) + int(backwards)
    found: list[tuple[np.ndarray, list[tuple[int, bool]]]] = []
    for number in set(own) & set(groups.tolist()):
        group = program.groups[number]
        ways = ways_out(group.kind, group.parameters, group.statics)
        assert len(ways) == len(group.calls) + 1
        for offset in np.unique(offsets[groups == number]).tolist():
            who = np.flatnonzero((groups == number) & (offsets == offset))
            found.append((who, ways[min(offset, len(group.calls))]))  # behind them stand records
    kept = np.unique(np.concatenate([who for who, way in found if way])) if any(way for _, way in found) else None
    if kept is None:
        return None
    first = np.searchsorted(program.elements, elements)
    steps = [
        _step(program, np.searchsorted(kept, who), first[who] + number, forwards)
        for who, way in found for number, forwards in way
    ]  # fmt: skip
    return LostPlaces(columns[kept], steps, program)


def _has_frames(group: LoweredGroup) -> bool:
    """Whether some maps of these elements act in a frame of their own."""
    return bool(group.statics[0]) or any(call.kind.name == "boost" for call in group.calls)


def _step(program: Program, who: np.ndarray, ops: np.ndarray, forwards: bool) -> _Step:
    rows = program.ops[ops]
    kind = list(MAPS.values())[int(rows[0, 0])]
    assert not kind.series, "maps between frames have none"
    integers = dict(zip(kind.integers, rows[0, 2:].tolist(), strict=False))
    return _Step(who, kind, forwards, integers, rows[:, 1:2] + np.arange(len(kind.constants)))
