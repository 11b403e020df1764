"""Tracking models: integrator, Hamiltonian and bend edges."""

from __future__ import annotations

from dataclasses import dataclass, field

from gputrack.base.checks import MOST_STEPS, require_integer
from gputrack.base.errors import InputError
from gputrack.elements.schemes import BlanesMoan, LaskarRobutel, Scheme

ORDERS = (2, 4, 6)


@dataclass(frozen=True)
class Steps:
    """Default splitting of a kind of magnet.

    Parameters
    ----------
    scheme : Scheme
        Scheme if the integrator has no order.
    slices : int
        Number of slices with this scheme, or another of its family.
    classical : int
        Number of slices with order 2, 4 or 6.
    """

    scheme: Scheme
    slices: int
    classical: int


@dataclass(frozen=True)
class Integrator:
    """Symmetric splitting of a thick magnet; use `DriftKick` or `MatrixKick`.

    Parameters
    ----------
    order : int or BlanesMoan or LaskarRobutel, optional
        2 (leap-frog), 4 (Forest-Ruth), 6 (Yoshida's solution A), or a scheme of `gputrack.elements.schemes`.
    slices : int, optional
        Number of equal slices per magnet, >= 1.

    Either may be None, for the default of each kind of magnet (see `MatrixKick`).
    """

    order: Scheme | None = None
    slices: int | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        known = isinstance(self.order, (BlanesMoan, LaskarRobutel)) or self.order is None
        if not known and (type(self.order) is not int or self.order not in ORDERS):
            raise InputError(
                f"{name}: order must be 2, 4, 6, gputrack.BlanesMoan() or gputrack.LaskarRobutel(), got {self.order!r}"
            )
        if self.slices is None:
            return
        object.__setattr__(self, "slices", require_integer(name, "slices", self.slices, at_least=1, at_most=MOST_STEPS))

    def steps(self, needed: Steps) -> tuple[Scheme, int]:
        """Scheme and slices, the defaults of a kind of magnet where None."""
        scheme = self.order or needed.scheme
        return scheme, self.slices or (needed.classical if isinstance(scheme, int) else needed.slices)


@dataclass(frozen=True)
class DriftKick(Integrator):
    """Field-free motion (in bends: in the curved frame) between kicks of all fields.

    With the exact Hamiltonian the reference particle leaves the axis in few slices of a strong bend:
    by 1.7e-5 m for 0.9 rad in 10 slices of order 4.
    """

    order: Scheme | None = 4
    slices: int | None = 10


@dataclass(frozen=True)
class MatrixKick(Integrator):
    """The solvable part of the field (quadrupole matrix, exact dipole arc) between kicks of all other fields.

    The quadrupole's linear map is exact at the momentum of each particle, and so is a bend without
    gradient. If order and slices are None, quadrupoles without errors have one slice of ``LaskarRobutel(3)``, with
    errors one of ``BlanesMoan(6)``, other straight magnets one of ``BlanesMoan(4)``, bends with gradients two of
    ``BlanesMoan(6)``, or one with the expanded Hamiltonian. Tunes of the ESR then agree to 1e-11 with those of many
    slices, and tunes of SPEAR3, whose bends have gradients, to 3e-9 (PTC with ten slices of order 6: to 4e-8).
    With an order of 2, 4 or 6 and no slices, quadrupoles without errors have 2, exact bends 10, and all others 4.
    """


@dataclass(frozen=True)
class Exact:
    """Hamiltonian with the full square root sqrt((1+delta)^2 - px^2 - py^2)."""


@dataclass(frozen=True)
class Expanded:
    """Hamiltonian with the square root expanded to second order in px, py."""


@dataclass(frozen=True)
class FullEdge:
    """Bend ends as in Forest, Beam Dynamics (1998) 13.13: rotation, hard-edge fringe, wedge.

    The term of the gap (fint, hgap) is the angle psi of K. L. Brown, SLAC-75, eq. 4, at the momentum of each particle:
    it changes py by k0^2 fint (2 hgap) y/(1 + delta), as integration through a soft edge does. PTC has 1 + delta
    instead (`PTCEdge`), MAD-X neither (`LinearEdge`).
    """


@dataclass(frozen=True)
class PTCEdge(FullEdge):
    """`FullEdge` with the term of the gap proportional to 1 + delta, as in PTC, for comparison with it.

    The vertical kick of the gap is then wrong by a factor (1 + delta)^2; fringes without fint or hgap are the same.
    """


@dataclass(frozen=True)
class LinearEdge:
    """Bend ends as a linear kick k0 tan(e) in x and -k0 tan(e - psi) in y, as in MAD-X twiss.

    The kick does not depend on delta. The right one has psi/(1 + delta), as `FullEdge` has.
    """


@dataclass(frozen=True)
class Model:
    """Tracking model of a lattice, of a selection of elements or of one element.

    Parameters
    ----------
    integrator : DriftKick or MatrixKick
    hamiltonian : Exact or Expanded
    edge : FullEdge, PTCEdge or LinearEdge
    """

    integrator: Integrator = field(default_factory=MatrixKick)
    hamiltonian: Exact | Expanded = field(default_factory=Exact)
    edge: FullEdge | LinearEdge = field(default_factory=FullEdge)

    def __post_init__(self) -> None:
        require_instance("integrator", self.integrator, (DriftKick, MatrixKick))
        require_instance("hamiltonian", self.hamiltonian, (Exact, Expanded))
        require_instance("edge", self.edge, (FullEdge, PTCEdge, LinearEdge))

    @property
    def exact(self) -> bool:
        """Whether the Hamiltonian has the full square root."""
        return isinstance(self.hamiltonian, Exact)


def require_instance(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise `InputError` unless `value` is an instance of one of `kinds`."""
    if not isinstance(value, kinds):
        names = " or ".join(f"gputrack.{kind.__name__}()" for kind in kinds)
        raise InputError(f"Model: {name} must be {names}, got {value!r}")
