"""Particle losses: codes of their causes, set by the kernels, and a summary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class LossCode(IntEnum):
    """Cause of the loss of a particle; 0 for survivors."""

    ALIVE = 0
    APERTURE = 1
    UNPHYSICAL = 2
    NOT_FINITE = 3
    LIMIT = 4
    IMPORTED = 5

    @property
    def description(self) -> str:
        """Cause in words."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    LossCode.ALIVE: "alive",
    LossCode.APERTURE: "outside the aperture of an element",
    LossCode.UNPHYSICAL: "transverse momentum exceeds the total momentum",
    LossCode.NOT_FINITE: "a coordinate is infinite or not a number",
    LossCode.LIMIT: "|x| or |y| beyond the global limit",
    LossCode.IMPORTED: "lost before, according to the file it was read from",
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
        Number of particles lost at each element's place in the lattice (-1: unknown), most first.
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
