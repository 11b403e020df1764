"""Collective maps: the kick of a particle depends on all others.

A program is divided at such maps: between two of them particles move independently, through the kernels. Like a
`MapKind`, a `CollectiveKind` defines the map in array mathematics; fast implementations belong to the backends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gputrack.base.arrays import Array
from gputrack.elements.map import ReferenceValues
from gputrack.elements.turn_memory import TurnMemory

COLLECTIVES: dict[str, CollectiveKind] = {}


class Bunch(NamedTuple):
    """The beam as the argument of a collective map.

    Attributes
    ----------
    coordinates : (6, n) array
        0 for particles that are lost.
    weights : (n,) array
        Number of real particles per macroparticle; 0 for lost ones.
    total : float
        Sum of all weights, including those of lost particles, to which the beam current refers.
    charge : float
        Of one real particle, without its sign [e].
    turn : int
    memory : TurnMemory, optional
        States that maps pass on to later turns of the run.
    """

    coordinates: Array
    weights: Array
    total: float
    charge: float = 1.0
    turn: int = 0
    memory: TurnMemory | None = None


class Bars(NamedTuple):
    """Derivatives of a scalar with respect to the arguments of a collective map.

    Attributes
    ----------
    coordinates : (6, n) array
    constants : (constants,) NumPy array
        In the order of the program's table: scalars, then series.
    reference : (5,) NumPy array
        Of `ReferenceValues`.
    """

    coordinates: Array
    constants: Array
    reference: Array


CollectiveFunction = Callable[[Bunch, Any, ReferenceValues], Array]


@dataclass(frozen=True)
class CollectiveKind:
    """One kind of collective map.

    Parameters
    ----------
    name : str
    forward, inverse : callable
        ``(Bunch, op, ReferenceValues) -> coordinates (6, n)``, array mathematics that autograd differentiates. `op` has
        as attributes the constants and series, the collective effect (``op.effect``), and the op's ``number``.
    adjoint : callable
        ``(Bunch before, op, ReferenceValues, bar (6, n)) -> Bars``, derived by hand, in array mathematics;
        tested against autograd through `forward`.
    inside : callable, optional
        ``(Bunch, op, ReferenceValues) -> (n,) bool array``, False for particles that are lost where the map would act,
        with the code of apertures.
    constants : tuple of str
        Real constants, each differentiable.
    series : mapping of str to str
        Lists of real constants, and the attribute of ``op.effect`` with the number of entries of each.
    earlier_turns : callable, optional
        Number of earlier turns that act on the present one, as a function of ``op.effect``; by default 0.
    """

    name: str
    forward: CollectiveFunction
    inverse: CollectiveFunction
    adjoint: Callable[[Bunch, Any, ReferenceValues, Array], Bars]
    inside: Callable[[Bunch, Any, ReferenceValues], Array] | None = None
    constants: tuple[str, ...] = ()
    series: Mapping[str, str] = field(default_factory=dict)
    integers: tuple[str, ...] = ()
    earlier_turns: Callable[[Any], int] | None = None

    def __post_init__(self) -> None:
        assert self.name not in COLLECTIVES
        COLLECTIVES[self.name] = self

    @property
    def code(self) -> int:
        """Op code: negative, since it is not in the kernels."""
        return -1 - list(COLLECTIVES).index(self.name)


def collective_kind(code: int) -> CollectiveKind:
    """The kind of an op code."""
    return list(COLLECTIVES.values())[-1 - code]
