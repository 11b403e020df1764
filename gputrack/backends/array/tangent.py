"""Tangents on the backend `array`: autograd's forward mode through each array map; the judge of the dual kernels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_jvp

from gputrack.backends.array.adjoint import packed, rebuilt
from gputrack.backends.array.losses import acceptable, loss_codes
from gputrack.backends.protocol import Launch, Particles, Tangents
from gputrack.base.losses import LossCode
from gputrack.elements.aperture import inside
from gputrack.elements.map import MapKind, ReferenceValues, make_state


def tangents_by_arrays(particles: Particles, tangents: Tangents, launch: Launch) -> np.ndarray:
    """Run one stretch of turns, in place; see `HostBackend.step_tangent`."""
    loop = _Loop(particles, tangents, launch)
    ops = list(enumerate(zip(launch.program.ops.tolist(), launch.program.calls, strict=True)))
    ops = ops[launch.first_op : launch.end_op]
    with np.errstate(all="ignore"):  # what goes wrong in a particle becomes a loss code
        if ops and launch.turns:
            loop.keep(particles.coordinates, tangents.coordinates, launch.first_turn, launch.first_op)
        for turn in range(launch.first_turn, launch.first_turn + launch.turns):
            for k, (row, (kind, op)) in ops:
                loop.apply(kind, op, row[1], turn, k)
    records: np.ndarray = loop.records
    return records


class _Loop:
    def __init__(self, particles: Particles, tangents: Tangents, launch: Launch) -> None:
        self.particles, self.tangents, self.launch = particles, tangents, launch
        self.ref = ReferenceValues.of(launch.reference)
        self.records = np.zeros_like(launch.records.flat)

    @property
    def alive(self) -> np.ndarray:
        result: np.ndarray = self.particles.loss_code == LossCode.ALIVE
        return result

    def apply(self, kind: MapKind, op: SimpleNamespace, place: int, turn: int, k: int) -> None:
        coordinates = self.particles.coordinates
        if kind.name == "record":
            self.record(op, turn)
        elif kind.name == "aperture":
            lost = self.alive & ~inside(make_state(coordinates, self.ref), op)
            self.lose(lost, int(LossCode.APERTURE), turn, k)
        else:
            constants = packed(kind, op)
            rates = self.tangents.constants[place : place + constants.size]
            after = pushed(kind, op, coordinates, self.tangents.coordinates, constants, rates, self.ref,
                           self.tangents.reference)  # fmt: skip
            self.keep(*after, turn, k)

    def keep(self, coordinates: np.ndarray, tangents: np.ndarray, turn: int, k: int) -> None:
        """Take over what can be tracked on; lose the others where they were."""
        after = make_state(coordinates, self.ref)
        good = acceptable(after, self.launch.limit)
        self.lose(self.alive & ~good, loss_codes(after, self.launch.limit), turn, k)
        living = self.alive
        self.particles.coordinates[:, living] = coordinates[:, living]
        self.tangents.coordinates[:, living] = tangents[:, living]

    def lose(self, lost: np.ndarray, codes: Any, turn: int, k: int) -> None:
        p = self.particles
        p.loss_code[:] = np.where(lost, codes, p.loss_code)
        p.loss_turn[lost], p.loss_op[lost] = turn, k

    def record(self, op: SimpleNamespace, turn: int) -> None:
        if turn % op.every:
            return
        row = turn // op.every - -(-self.launch.first_turn // op.every)
        view, start = self.launch.records.views[op.monitor], int(self.launch.records.starts[op.monitor])
        rates = self.records[start : start + view.size].reshape(view.shape)
        view[row, op.place][:, self.alive] = self.particles.coordinates[:, self.alive]
        rates[row, op.place][:, self.alive] = self.tangents.coordinates[:, self.alive]


def pushed(
    kind: MapKind, op: SimpleNamespace, coordinates: np.ndarray, tangents: np.ndarray, constants: np.ndarray,
    constants_tangent: np.ndarray, ref: ReferenceValues, reference_tangent: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Coordinates and tangents (6, n) after one map."""
    size, shape = coordinates.size, coordinates.shape

    def forward(numbers: Any) -> Any:
        own = ReferenceValues(*(numbers[size + constants.size + i] for i in range(len(ref))))
        state = make_state(numbers[:size].reshape(shape), own)
        return anp.stack(kind.forward(state, rebuilt(kind, op, numbers[size:]), own)[:6])

    at = np.concatenate([coordinates.reshape(-1), constants, ref])
    along = np.concatenate([tangents.reshape(-1), constants_tangent, reference_tangent])
    value, tangent = make_jvp(forward)(at)(along)
    return value, tangent
