"""How elements are tracked: integrator, Hamiltonian and bend-edge model, as small objects."""

from __future__ import annotations

from dataclasses import dataclass, field

from gputrack.errors import InputError

ORDERS = (2, 4, 6)


@dataclass(frozen=True)
class Integrator:
    """Symmetric splitting of a thick magnet; use `DriftKick` or `MatrixKick`.

    Parameters
    ----------
    order : int
        2 (leap-frog), 4 (Forest-Ruth) or 6 (Yoshida's solution A).
    slices : int
        Number of equal slices per magnet, >= 1.
    """

    order: int = 4
    slices: int = 10

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InputError(f"{type(self).__name__}: order must be 2, 4 or 6, got {self.order!r}")
        if isinstance(self.slices, bool) or not isinstance(self.slices, int) or self.slices < 1:
            raise InputError(
                f"{type(self).__name__}: slices must be an integer >= 1, got {self.slices!r}"
            )


@dataclass(frozen=True)
class DriftKick(Integrator):
    """Field-free motion (in bends: in the curved frame) split from all field kicks."""


@dataclass(frozen=True)
class MatrixKick(Integrator):
    """The solvable part with its field (quadrupole matrix, exact dipole arc) split from the rest.

    The quadrupole part is the exact linear map at each particle's own momentum, so tunes do not
    depend on the number of slices.
    """


@dataclass(frozen=True)
class Exact:
    """Hamiltonian with the full square root sqrt((1+delta)^2 - px^2 - py^2)."""


@dataclass(frozen=True)
class Expanded:
    """Hamiltonian with the square root expanded to second order in px, py."""


@dataclass(frozen=True)
class FullEdge:
    """Bend ends as in Forest, Beam Dynamics (1998) 13.13: rotation, hard-edge fringe, wedge."""


@dataclass(frozen=True)
class LinearEdge:
    """Bend ends as a linear kick k0 tan(e) in x and -k0 tan(e - psi) in y, as in MAD-X twiss."""


@dataclass(frozen=True)
class Model:
    """What a lattice, a selection or one element is tracked with.

    Parameters
    ----------
    integrator : DriftKick or MatrixKick
    hamiltonian : Exact or Expanded
    edge : FullEdge or LinearEdge
    """

    integrator: Integrator = field(default_factory=MatrixKick)
    hamiltonian: Exact | Expanded = field(default_factory=Exact)
    edge: FullEdge | LinearEdge = field(default_factory=FullEdge)

    def __post_init__(self) -> None:
        require_instance("integrator", self.integrator, (DriftKick, MatrixKick))
        require_instance("hamiltonian", self.hamiltonian, (Exact, Expanded))
        require_instance("edge", self.edge, (FullEdge, LinearEdge))

    @property
    def exact(self) -> bool:
        """Whether the Hamiltonian keeps the square root."""
        return isinstance(self.hamiltonian, Exact)


def require_instance(name: str, value: object, kinds: tuple[type, ...]) -> None:
    """Raise `InputError` unless `value` is an instance of one of `kinds`."""
    if not isinstance(value, kinds):
        names = " or ".join(f"gputrack.{kind.__name__}()" for kind in kinds)
        raise InputError(f"Model: {name} must be {names}, got {value!r}")
