"""Linear optics of a ring from the eigenvectors of its finite-difference matrix."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from gputrack.errors import InputError
from gputrack.initial_twiss import InitialTwiss
from gputrack.lattice import Lattice
from gputrack.optics.closed_orbit import bunch_around, closed_orbit, has_rf, matrix_of
from gputrack.optics.passage import passage

PLANES = ("horizontal", "vertical", "longitudinal")
#: |eigenvalue| above 1 by more than this is motion that grows; differences are good to about 1e-9
_GROWTH = 1e-6


@dataclass(frozen=True)
class LinearOptics:
    """Linear optics at the entrance of every element and at the end of a ring.

    Parameters
    ----------
    s : (n + 1,) array
        Positions [m].
    betx, alfx, mux, bety, alfy, muy : (n + 1,) arrays
        beta [m], alpha, and phase advance from the start in units of 2 pi, of the mode nearest to each plane
        (Mais and Ripken's beta_x1, beta_y2, where the planes are coupled).
    dx, dpx, dy, dpy : (n + 1,) arrays
        Dispersion, d(x, px, y, py)/d delta [m, 1]; with cavities on, that of the synchrotron mode.
    x, px, y, py, z, delta : (n + 1,) arrays
        Closed orbit [m, 1].
    qx, qy : float
        Tunes with their integer parts.
    qs : float
        Synchrotron tune, between 0 and 1/2; 0 without cavities.
    matrix : (6, 6) array
        One-turn matrix at the start.
    """

    s: np.ndarray
    betx: np.ndarray
    alfx: np.ndarray
    mux: np.ndarray
    bety: np.ndarray
    alfy: np.ndarray
    muy: np.ndarray
    dx: np.ndarray
    dpx: np.ndarray
    dy: np.ndarray
    dpy: np.ndarray
    x: np.ndarray
    px: np.ndarray
    y: np.ndarray
    py: np.ndarray
    z: np.ndarray
    delta: np.ndarray
    qx: float
    qy: float
    qs: float
    matrix: np.ndarray

    @property
    def start(self) -> InitialTwiss:
        """Twiss parameters at the start, from which matched beams are made."""
        return InitialTwiss(**{f.name: float(getattr(self, f.name)[0]) for f in fields(InitialTwiss)})

    def __repr__(self) -> str:
        return (
            f"<LinearOptics: qx {self.qx:.6f}, qy {self.qy:.6f}, qs {self.qs:.6f}; at the start "
            f"betx {self.betx[0]:.6g} m, alfx {self.alfx[0]:.3g}, bety {self.bety[0]:.6g} m, "
            f"alfy {self.alfy[0]:.3g}, dx {self.dx[0]:.3g} m, dy {self.dy[0]:.3g} m>"
        )


def linear_optics(lattice: Lattice, delta: float = 0.0) -> LinearOptics:
    """Tunes, beta functions and dispersion around the closed orbit.

    Matrices are central differences of tracked particles, good to about 1e-9. Modes are the eigenvectors v of
    the one-turn matrix, normalised to v^H S v = i: beta_x = 2 |v_x|^2 and so on, as in E. D. Courant and
    H. S. Snyder, Ann. Phys. 3 (1958) 1, and G. Ripken, DESY R1-70/04 (1970).

    Parameters
    ----------
    lattice : Lattice
    delta : float
        Relative momentum deviation; with cavities on, where the search for the orbit starts.

    Returns
    -------
    LinearOptics

    Raises
    ------
    InputError
        There is no closed orbit, or the motion around it is unstable; the message names the plane.
    """
    orbit = closed_orbit(lattice, delta)
    bunches = passage(lattice, bunch_around(orbit))
    matrices, orbits = matrix_of(bunches), bunches[..., 0]
    one_turn = matrices[-1]
    free = 6 if has_rf(lattice) else 4
    tunes, modes = _modes(lattice, one_turn[:free, :free])
    vectors = matrices[:, :free, :free] @ modes
    dispersion = _dispersion(matrices, vectors)
    columns: dict[str, np.ndarray] = {}
    for plane, name in enumerate("xy"):
        columns |= _mode_columns(name, plane, vectors)
    names = ("x", "px", "y", "py", "z", "delta")
    return LinearOptics(
        s=lattice.s,
        **columns,
        **{f"d{name}": dispersion[:, i] for i, name in enumerate(names[:4])},
        **{name: orbits[:, i] for i, name in enumerate(names)},
        qx=float(columns["mux"][-1]),
        qy=float(columns["muy"][-1]),
        qs=float(min(tunes[2], 1.0 - tunes[2])) if free == 6 else 0.0,
        matrix=one_turn,
    )


def _symplectic_form(size: int) -> np.ndarray:
    return np.kron(np.eye(size // 2), np.array([[0.0, 1.0], [-1.0, 0.0]]))


def _modes(lattice: Lattice, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tunes (size/2,) and normalised eigenvectors (size, size/2), in the order of the planes."""
    values, vectors = np.linalg.eig(matrix)
    form = _symplectic_form(len(matrix))
    norm = np.imag(np.einsum("im,ij,jm->m", vectors.conj(), form, vectors))
    if np.abs(np.abs(values) - 1.0).max() > _GROWTH or np.abs(norm).min() < 1e-12:
        raise _unstable(lattice, matrix)
    # Of each conjugate pair, the one of positive norm turns with the motion.
    chosen = norm > 0
    if chosen.sum() != len(matrix) // 2:
        raise _unstable(lattice, matrix)
    values, vectors = values[chosen], vectors[:, chosen] / np.sqrt(norm[chosen])
    order = _by_plane(vectors)
    values, vectors = values[order], vectors[:, order]
    return np.mod(np.angle(values) / (2.0 * np.pi), 1.0), vectors


def _by_plane(vectors: np.ndarray) -> list[int]:
    """The mode that has most of its action in each plane."""
    form = _symplectic_form(2)
    order: list[int] = []
    for plane in range(vectors.shape[1]):
        part = vectors[2 * plane : 2 * plane + 2]
        share = np.imag(np.einsum("im,ij,jm->m", part.conj(), form, part))
        share[order] = -np.inf
        order.append(int(np.argmax(share)))
    return order


def _mode_columns(name: str, plane: int, vectors: np.ndarray) -> dict[str, np.ndarray]:
    position, momentum = vectors[:, 2 * plane, plane], vectors[:, 2 * plane + 1, plane]
    turned = np.angle(position[1:] / position[:-1]) / (2.0 * np.pi)
    return {
        f"bet{name}": 2.0 * np.abs(position) ** 2,
        f"alf{name}": -2.0 * np.real(position * momentum.conj()),
        f"mu{name}": np.concatenate([[0.0], np.cumsum(turned)]),
    }


def _dispersion(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Dispersion of x, px, y, py along the ring, (n + 1, 4)."""
    if vectors.shape[1] == 6:
        mode = vectors[:, :, 2]
        return np.real(mode[:, :4] * mode[:, 5:].conj()) / np.abs(mode[:, 5:]) ** 2
    one_turn = matrices[-1]
    start = np.linalg.solve(np.eye(4) - one_turn[:4, :4], one_turn[:4, 5])
    return np.asarray(matrices[:, :4, :4] @ start + matrices[:, :4, 5])


def _unstable(lattice: Lattice, matrix: np.ndarray) -> InputError:
    """Name the plane and its trace; planes that are each stable are unstable together."""
    traces = [float(np.trace(matrix[i : i + 2, i : i + 2])) for i in range(0, len(matrix), 2)]
    named = list(zip(PLANES, traces, strict=False))
    bad = [(plane, trace) for plane, trace in named if not abs(trace) < 2.0 - _GROWTH]
    if bad:
        what = " and ".join(f"{plane} motion is unstable (trace {trace:.6g})" for plane, trace in bad)
    else:
        listed = ", ".join(f"{plane} {trace:.6g}" for plane, trace in named)
        what = f"coupled motion is unstable (traces {listed})"
    mend = "; check the lag of the cavities" if [plane for plane, _ in bad] == ["longitudinal"] else ""
    return InputError(f"Lattice {lattice.name!r}: {what}; stable rings have traces between -2 and 2{mend}")
