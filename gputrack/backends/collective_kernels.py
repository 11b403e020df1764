"""Fast ways to run maps of the whole beam, which backends may have; they act in place.

They stand in `KERNELS`, by the backend's and the map's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gputrack.elements.collective_map import Bars, Bunch, CollectiveKind
from gputrack.elements.map import ReferenceValues


class Kernel(Protocol):
    """A fast way to run one kind of map."""

    def step(self, bunch: Bunch, op: Any, ref: ReferenceValues, backwards: bool) -> Any:
        """Act with the map on the bunch's coordinates, or undo it.

        Returns
        -------
        int8 array (n,), or None
            `LossCode` of those who could not be tracked on and stay as they were; None where all can.
        """
        ...

    def undo_adjoint(self, bunch: Bunch, op: Any, ref: ReferenceValues, bar: Any) -> Bars:
        """Undo the map and pull `bar` (6, n) back, both in place; the result's coordinates are `bar`."""
        ...


#: (backend, kind of map) to what makes its kernel for a number of threads, or for None on a GPU
KERNELS: dict[tuple[str, str], Callable[[Any], Kernel]] = {}


def kernel_of(backend: Any, kind: CollectiveKind) -> Kernel | None:
    """The kernel for a kind of map, where the backend has one."""
    make = KERNELS.get((backend.name, kind.name))
    return None if make is None else make(getattr(backend, "threads", None))
