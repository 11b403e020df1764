"""Why particles are lost: codes that kernels set, and their summary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class LossCode(IntEnum):
    """Why a particle is no longer tracked; 0 while it is."""

    ALIVE = 0
    APERTURE = 1
    UNPHYSICAL = 2
    NOT_FINITE = 3
    LIMIT = 4
    IMPORTED = 5

    @property
    def description(self) -> str:
        """What happened, in words."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    LossCode.ALIVE: "alive",
    LossCode.APERTURE: "outside the aperture of an element",
    LossCode.UNPHYSICAL: "transverse momentum exceeds the total momentum",
    LossCode.NOT_FINITE: "a coordinate became infinite or not a number",
    LossCode.LIMIT: "|x| or |y| beyond the global limit",
    LossCode.IMPORTED: "already dead in the file it was read from",
}


@dataclass(frozen=True)
class Losses:
    """Summary of the lost particles of a beam (macro-particles, not weights).

    Parameters
    ----------
    n : int
        Particles in the beam, lost ones included.
    by_code : dict
        Number of particles lost for each `LossCode` that occurs.
    by_element : dict
        Number of particles lost at each place in the lattice (-1: not known), most first.
    """

    n: int
    by_code: dict[LossCode, int]
    by_element: dict[int, int]

    @property
    def total(self) -> int:
        """Number of lost particles."""
        return sum(self.by_code.values())

    def __str__(self) -> str:
        lines = [f"{self.total} of {self.n} particles lost"]
        lines += [f"  {count:>8}  {code.name}: {code.description}" for code, count in self.by_code.items()]
        lines += [f"  {count:>8}  at element {place}" for place, count in list(self.by_element.items())[:10]]
        if len(self.by_element) > 10:
            lines.append(f"            at {len(self.by_element) - 10} more elements")
        return "\n".join(lines)
