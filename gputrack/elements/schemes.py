"""Splittings beyond the classical ones, as orders of `DriftKick` and `MatrixKick`."""

from __future__ import annotations

from dataclasses import dataclass

from gputrack.base.errors import InputError


@dataclass(frozen=True)
class LaskarRobutel:
    """SABA, for kicks that are small compared with the outer steps, with Gauss-Legendre nodes and weights.

    The error of one step h is of order kick * h^(2 stages) + kick^2 h^2; there are no backward steps. Source: R. I.
    McLachlan, BIT 35 (1995) 258; J. Laskar and P. Robutel, Celest. Mech. Dyn. Astron. 80 (2001) 39.

    Parameters
    ----------
    stages : int
        Kicks per slice: 2 or 3.
    """

    stages: int = 3

    def __post_init__(self) -> None:
        if type(self.stages) is not int or self.stages not in (2, 3):
            raise InputError(f"LaskarRobutel: stages must be 2 or 3, got {self.stages!r}")


@dataclass(frozen=True)
class BlanesMoan:
    """Schemes with coefficients optimised for small errors: more kicks per slice, and far fewer slices.

    Order 4 has 6 kicks per slice. Order 6 has 14, and is reached if the outer Hamiltonian is quadratic in the
    momenta; terms of third order in the slopes of the exact Hamiltonian have order 4. For the same number of kicks the
    error is about a hundredth of that of Forest and Ruth's or Yoshida's scheme. Source: S. Blanes and P. C. Moan,
    J. Comput. Appl. Math. 142 (2002) 313, tables 2 and 3.

    Parameters
    ----------
    order : int
        4 or 6.
    """

    order: int = 4

    def __post_init__(self) -> None:
        if type(self.order) is not int or self.order not in (4, 6):
            raise InputError(f"BlanesMoan: order must be 4 or 6, got {self.order!r}")


#: 2, 4 and 6: leap-frog, Forest & Ruth, Yoshida
Scheme = int | LaskarRobutel | BlanesMoan
