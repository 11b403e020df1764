"""Maps: the steps that elements are made of, and the constants that kernels read for them.

An element is *lowered* to a short list of map calls (alignment, edge, body, ...). Each kind of map has a function in
array mathematics and a kernel twin of the same name in a header: ``kernels/elements/<stem>.h``, or a file anywhere. The
op code, the packing of constants and the kernels' switch all follow from the `MapKind` declared beside the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from gputrack.base.arrays import Array, sqrt
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.elements.roles import Role

MAPS: dict[str, MapKind] = {}
_codes = count()
MOST_INTEGERS = 8


def built_in_maps() -> list[MapKind]:
    """Maps of gputrack itself, in the order of their op codes."""
    return [kind for kind in MAPS.values() if kind.built_in]


class ReferenceValues(NamedTuple):
    """Constants of the reference particle in maps; twin of `Reference` in kernels/program/state.h."""

    beta0: Array
    inverse_gamma0_squared: Array
    # |q| / E0 and |q| / (p0 c) [1/V]. Without the sign of the charge: as strengths of magnets, a voltage is
    # that seen by the reference particle: antiparticles are tracked through the same lattice (MAD-X).
    charge_over_energy: Array
    charge_over_momentum: Array
    # two thirds of the classical radius q^2/(4 pi eps0 m c^2), times (p0/(m c))^3 [m]
    radiation: Array

    @classmethod
    def of(cls, reference: ReferenceParticle) -> ReferenceValues:
        """Values for one reference particle."""
        energy = reference.energy
        return cls(
            reference.p0c / energy,
            1.0 / (energy / reference.mass) ** 2,
            abs(reference.charge) / energy,
            abs(reference.charge) / reference.p0c,
            2.0 / 3.0 * reference.classical_radius * (reference.p0c / reference.mass) ** 3,
        )


class State(NamedTuple):
    """Coordinates, and functions of delta; twin of `State` in kernels/program/state.h.

    opd = 1 + delta; inverse = 1/opd; slip = beta/beta0 - 1, without cancellation.
    """

    x: Array
    px: Array
    y: Array
    py: Array
    z: Array
    delta: Array
    opd: Array
    inverse: Array
    slip: Array


def make_state(coordinates: Any, ref: ReferenceValues) -> State:
    """State of particles from their six coordinates."""
    x, px, y, py, z, delta = (coordinates[i] for i in range(6))
    zero = 0.0 * delta
    return refreshed(State(x, px, y, py, z, delta, zero, zero, zero), ref)


def refreshed(s: State, ref: ReferenceValues) -> State:
    """`s` with the functions of delta for its present delta.

    With E/E0 = energy, beta/beta0 = opd/energy and opd^2 - energy^2 = delta (2 + delta)/gamma0^2.
    """
    opd = 1.0 + s.delta
    energy = sqrt(ref.beta0 * ref.beta0 * opd * opd + ref.inverse_gamma0_squared)
    excess = s.delta * (2.0 + s.delta) * ref.inverse_gamma0_squared
    return s._replace(opd=opd, inverse=1.0 / opd, slip=excess / (energy * (opd + energy)))


MapFunction = Callable[[State, Any, ReferenceValues], State]


@dataclass(frozen=True, eq=False)
class MapKind:
    """One kind of map. Its declaration registers it: nothing else is needed.

    Parameters
    ----------
    name : str
        Name of the kernel function, and of the Python function.
    header : str or Path
        File with the kernel twin: a stem in ``kernels/elements/``, or the path of a header anywhere. That one may
        include the files of ``kernels/`` (``"numbers/pair.h"``) and those beside it.
    forward, inverse : callable
        ``(State, op, ReferenceValues) -> State``; `op` has the integers, constants and series as attributes.
    integers : tuple of str
        Integers of each op that control loops and branches (at most 8).
    constants : tuple of str
        Real constants, each differentiable.
    series : mapping of str to str
        Lists of real constants, and the integer that counts the entries of each.

    Attributes
    ----------
    code : int
        Op code.

    Raises
    ------
    InputError
        The name is that of a map of gputrack or not an identifier, there are too many integers, or the header is text
        or missing.

    Notes
    -----
    A kind declared again, as in a notebook, replaces the one of that name for elements that are lowered from then on;
    programs made before keep theirs.
    """

    name: str
    header: str | Path
    forward: MapFunction
    inverse: MapFunction
    integers: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    series: Mapping[str, str] = field(default_factory=dict)
    code: int = field(init=False)

    def __post_init__(self) -> None:
        _validate(self)
        object.__setattr__(self, "code", next(_codes))
        MAPS[self.name] = self

    @property
    def built_in(self) -> bool:
        """Whether its kernel is one of ``kernels/elements/``."""
        return isinstance(self.header, str)

    def integers_of(self, body: Any) -> dict[str, int]:
        """The integers, from the attributes of the same names of a body."""
        return {name: getattr(body, name) for name in self.integers}


def _validate(kind: MapKind) -> None:
    known = MAPS.get(kind.name)
    if known is not None and known.built_in:
        raise InputError(f"MapKind: gputrack has a map named {kind.name!r}; choose another name")
    for name in (kind.name, *kind.integers, *kind.constants, *kind.series):
        if not name.isidentifier():
            raise InputError(f"MapKind {kind.name!r}: names must be identifiers of Python and C++, got {name!r}")
    if len(kind.integers) > MOST_INTEGERS:
        raise InputError(f"MapKind {kind.name!r}: may have {MOST_INTEGERS} integers, got {len(kind.integers)}")
    if isinstance(kind.header, str) and not kind.header.isidentifier():  # text names a file of kernels/elements/
        raise InputError(f"MapKind {kind.name!r}: header must be a pathlib.Path, got {kind.header!r}; use Path(...)")
    if not kind.built_in and not Path(kind.header).is_file():
        raise InputError(f"MapKind {kind.name!r}: no file {str(kind.header)!r}; give the header with the kernel twin")


@dataclass(frozen=True)
class MapCall:
    """Map with its integers, constants as numbers or as arrays over elements, and role.

    A `CollectiveKind` has an object, `effect`, in place of integers.
    """

    kind: Any
    integers: Mapping[str, int] = field(default_factory=dict)
    constants: Mapping[str, Array] = field(default_factory=dict)
    series: Mapping[str, list[Array]] = field(default_factory=dict)
    effect: Any = None
    role: Role = Role.BODY

    def op(self) -> SimpleNamespace:
        """Integers, constants and series as attributes, for map functions."""
        return SimpleNamespace(**self.integers, **self.constants, **self.series)

    def forward(self, s: State, ref: ReferenceValues) -> State:
        """Apply the map in array mathematics."""
        after: State = self.kind.forward(s, self.op(), ref)
        return after

    def inverse(self, s: State, ref: ReferenceValues) -> State:
        """Undo the map in array mathematics."""
        before: State = self.kind.inverse(s, self.op(), ref)
        return before
