"""Floor coordinates of the reference orbit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gputrack.base.arguments import arguments
from gputrack.base.errors import InputError
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import recording_program
from gputrack.optics.linear.trajectory import positions, row_names


@dataclass(frozen=True, eq=False)
class Survey:
    """Position of the reference orbit at the entrance of every element and at the end, as in MAD-X's `survey`.

    Attributes
    ----------
    name : tuple of str
    s : (n + 1,) array
        [m]
    x, y, z : (n + 1,) arrays
        Position [m]; the orbit starts at 0 along z, x to its left and y up.
    theta, phi, psi : (n + 1,) arrays
        Azimuth, elevation and roll of the frame [rad]; theta is continuous, and a bend with angle > 0 turns towards -x.
    """

    name: tuple[str, ...]
    s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    theta: np.ndarray
    phi: np.ndarray
    psi: np.ndarray

    def __repr__(self) -> str:
        end = f"x {self.x[-1]:g}, y {self.y[-1]:g}, z {self.z[-1]:g} m, theta {self.theta[-1]:g} rad"
        return f"<Survey: {len(self.name)} rows over {self.s[-1]:g} m; ends at {end}>"


@arguments(lattice=LATTICE)
def survey(lattice: Lattice) -> Survey:
    """Floor coordinates along a lattice; not differentiable, raises `InputError` for a traced lattice.

    Each element is a rigid motion; the products from the start are computed for all elements at once in log2(n) steps.
    """
    if lattice.traced:
        raise InputError(f"Lattice {lattice.name!r}: survey is not differentiable; use a lattice that is not traced")
    frames = _scanned(_motions(lattice))
    frames = np.concatenate([np.eye(4)[None], frames])
    turn, place = frames[:, :3, :3], frames[:, :3, 3]
    return Survey(
        row_names(lattice), positions(lattice), place[:, 0], place[:, 1], place[:, 2],
        np.unwrap(np.arctan2(turn[:, 0, 2], turn[:, 2, 2])),
        np.arctan2(turn[:, 1, 2], np.hypot(turn[:, 0, 2], turn[:, 2, 2])),
        np.arctan2(turn[:, 1, 0], turn[:, 1, 1]),
    )  # fmt: skip


def _motions(lattice: Lattice) -> np.ndarray:
    """(n, 4, 4) Motion of the frame through each element, relative to the frame at its entrance."""
    motions = np.tile(np.eye(4), (len(lattice), 1, 1))
    for group in recording_program(lattice).groups:
        motion, places = group.reference_motion(), np.array(group.places)
        length, angle, tilt = (np.broadcast_to(v, len(places)) for v in (motion.length, motion.angle, motion.tilt))
        motions[places, 2, 3] = length
        bent = angle != 0.0
        motions[places[bent]] = _arcs(length[bent], angle[bent], tilt[bent])
        if motion.shift is not None:
            motions[places, :3, 3] = np.stack(motion.shift, axis=1)
    return motions


def _arcs(length: np.ndarray, angle: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """Arcs in planes rolled by tilt."""
    half = 0.5 * angle
    chord = length * np.sinc(half / np.pi)
    roll, arc = np.tile(np.eye(4), (2, len(angle), 1, 1))
    roll[:, 0, 0], roll[:, 0, 1], roll[:, 1, 0], roll[:, 1, 1] = np.cos(tilt), -np.sin(tilt), np.sin(tilt), np.cos(tilt)
    arc[:, 0, 0], arc[:, 0, 2], arc[:, 2, 0], arc[:, 2, 2] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    arc[:, 0, 3], arc[:, 2, 3] = -chord * np.sin(half), chord * np.cos(half)
    result: np.ndarray = roll @ arc @ np.swapaxes(roll, 1, 2)
    return result


def _scanned(motions: np.ndarray) -> np.ndarray:
    """Cumulative products of motions."""
    done, reach = motions, 1
    while reach < len(done):
        done = np.concatenate([done[:reach], done[:-reach] @ done[reach:]])
        reach *= 2
    return done
