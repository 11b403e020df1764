"""Fields of a long beam and of a bunch in free space, computed by FFT on a grid around the centroid of the beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gputrack.base.checks import require_integer, require_number, short
from gputrack.base.errors import InputError
from gputrack.collective.open_kick import BUNCH_KICK, LINE_KICK
from gputrack.collective.splines import reach
from gputrack.elements.map import MapCall


@dataclass(frozen=True)
class _OpenField:
    """Size and number of points of a grid around the centroid of the beam."""

    size: tuple[float, ...]
    grid: tuple[int, ...] = ()

    _AXES: ClassVar[str] = ""

    def __post_init__(self) -> None:
        name, count = type(self).__name__, len(self._AXES)
        for argument, value in (("size", self.size), ("grid", self.grid)):
            if not isinstance(value, (tuple, list)) or len(value) != count:
                raise InputError(f"{name}: {argument} must be {count} numbers, got {short(value)}")
        pairs = list(zip(self._AXES, self.size, self.grid, strict=True))
        sizes = [require_number(name, f"size in {axis}", size, unit="m", above=0.0) for axis, size, _ in pairs]
        counts = [require_integer(name, f"grid points in {axis}", points, at_least=4) for axis, _, points in pairs]
        object.__setattr__(self, "size", tuple(sizes))
        object.__setattr__(self, "grid", tuple(counts))

    @property
    def steps(self) -> tuple[float, ...]:
        """Distances of neighbouring points [m]."""
        return tuple(reach(size, count) for size, count in zip(self.size, self.grid, strict=True))


@dataclass(frozen=True)
class OpenField2D(_OpenField):
    """Field of a long beam in free space, by FFT on a grid.

    Particles outside the grid are lost, with the loss code of apertures.

    Parameters
    ----------
    size : (width, height)
        Size of the rectangle around the centroid of the beam that contains the particles [m], > 0.
    grid : (columns, rows)
        Number of points, >= 4 each; the outermost points lie half a step outside the rectangle.

    Raises
    ------
    InputError
        A number is out of range.
    """

    size: tuple[float, float]
    grid: tuple[int, int] = (64, 64)

    needs_current: ClassVar[bool] = True
    _AXES: ClassVar[str] = "xy"

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m] and a current [A]."""
        return MapCall(LINE_KICK, constants={"length": length, "current": current}, effect=self)


@dataclass(frozen=True)
class OpenField3D(_OpenField):
    """Field of a bunch in free space, by FFT on a grid; the charge is that of the real particles (`Beam.weights`).

    Particles outside the grid are lost, with the loss code of apertures.

    Parameters
    ----------
    size : (width, height, length)
        Size of the box around the centroid of the bunch that contains the particles [m], > 0.
    grid : (columns, rows, slices)
        Number of points, >= 4 each.

    Raises
    ------
    InputError
        A number is out of range.
    """

    size: tuple[float, float, float]
    grid: tuple[int, int, int] = (32, 32, 32)

    needs_current: ClassVar[bool] = False
    _AXES: ClassVar[str] = "xyz"

    def kick(self, length: Any, current: Any) -> MapCall:
        """Kick for a length [m]; the current is not used."""
        return MapCall(BUNCH_KICK, constants={"length": length}, effect=self)
