"""Motion of the reference frame through elements, for surveys."""

from __future__ import annotations

from dataclasses import dataclass

from gputrack.base.arrays import Array


@dataclass(frozen=True, eq=False)
class ReferenceMotion:
    """An arc of the reference orbit, or a shift of its frame; numbers, or arrays over elements.

    Attributes
    ----------
    length : array
        Length of the orbit [m].
    angle : array
        Angle by which it is bent [rad], > 0 towards -x.
    tilt : array
        Roll of the plane in which it is bent [rad].
    shift : tuple of 3 arrays, optional
        Shift of the origin along x, y and s [m], in place of an arc.
    """

    length: Array
    angle: Array = 0.0
    tilt: Array = 0.0
    shift: tuple[Array, Array, Array] | None = None
