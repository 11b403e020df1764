"""Twiss parameters along a lattice, as columns, and the quantities that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.autodiff.slices import part
from gputrack.backends import Choice
from gputrack.base.arrays import Array, untraced
from gputrack.base.checks import require_integer
from gputrack.base.dataframe import data_frame
from gputrack.base.errors import InputError
from gputrack.beam.initial_twiss import SCALARS, InitialTwiss
from gputrack.elements.observation import ObservationPoints
from gputrack.lattice.lattice import Lattice
from gputrack.optics.linear.chromatic import ChromaticFunctions, chromatic_functions, chromaticities, tunes_of_momentum
from gputrack.optics.linear.coupled_functions import (
    PLANES,
    EdwardsTeng,
    MaisRipken,
    alpha,
    beta,
    coupling_factor,
    drift_of_arrival,
    own_block,
    phase,
    phase_steps,
    plane_columns,
)
from gputrack.optics.linear.motion import Motion, motion_inside, ring_motion
from gputrack.optics.linear.normal_modes import UnstableMotionError
from gputrack.optics.linear.places import Positions, Range, Slices, require_places, rows_matching
from gputrack.optics.linear.trajectory import coasting as without_rf
from gputrack.optics.linear.trajectory import positions, row_names
from gputrack.optics.linear.whole_turns import whole_turns

COORDINATES = ("x", "px", "y", "py", "z", "delta")
#: fields of `Twiss` other than columns
NO_COLUMNS = ("qx", "qy", "qs", "matrices", "bases", "lattice", "periodic", "form", "element", "whole", "backend")
#: largest order of chromaticities: that of the maps is one higher
MOST_ORDER = 11


@dataclass(frozen=True, eq=False, repr=False)
class Twiss:
    """Optics at the entrance of every element and, in the last row, at the end of the lattice; or at given places.

    Parameters
    ----------
    name : tuple of str
        Name of the element at whose entrance, or inside which, each row is; "end" for the last one.
    s : (n + 1,) array
        Positions [m].
    betx, alfx, mux, bety, alfy, muy : (n + 1,) arrays
        beta [m], alpha, and phase advance from the start [2 pi] of the mode closest to each plane, in the given form
        (`MaisRipken` or `EdwardsTeng`); both forms agree if the planes are not coupled.
    dx, dpx, dy, dpy : (n + 1,) arrays
        Dispersion, d(x, px, y, py)/d delta [m, 1]; with cavities on, that of the synchrotron mode.
    x, px, y, py, z, delta : (n + 1,) arrays
        Orbit [m, 1].
    qx, qy : float
        Phase advances from start to end [2 pi]: tunes with their integer parts, if periodic.
    qs : float
        Synchrotron tune, between 0 and 1/2; 0 without cavities.
    matrices : (n + 1, 6, 6) array
        Transfer matrices from the start.
    bases : (n + 1, 4, 4) or (n + 1, 6, 6) array
        Normal modes, see `normal_modes`.
    lattice : Lattice
    periodic : bool
        Whether it is a ring.
    form : MaisRipken or EdwardsTeng
        Form of the columns of both modes.
    element : (n + 1,) int array
        Index in the lattice of the element of each row.
    whole : Twiss, optional
        For selected rows, the optics of all rows, to which quantities of the whole lattice refer.
    backend : {"array", "host", "cuda"} or Streamed, optional
        Backend of the maps, also for quantities computed later.

    Notes
    -----
    Further quantities are computed at first use: `dqx`, `dqy`, `chromaticity`, `chromatic`, `momentum_compaction`,
    `slip`, and the functions of coupled motion.
    """

    name: tuple[str, ...]
    s: np.ndarray
    betx: Array
    alfx: Array
    mux: Array
    bety: Array
    alfy: Array
    muy: Array
    dx: Array
    dpx: Array
    dy: Array
    dpy: Array
    x: Array
    px: Array
    y: Array
    py: Array
    z: Array
    delta: Array
    qx: Any
    qy: Any
    qs: Any
    matrices: Array
    bases: Array
    lattice: Lattice = field(repr=False)
    periodic: bool
    form: MaisRipken | EdwardsTeng
    element: np.ndarray
    whole: Twiss | None = None
    backend: Choice = None

    # -- places ------------------------------------------------------------------------------------------------------

    @cached_property
    def columns(self) -> dict[str, Array]:
        """Columns by name; the names of the rows come first."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in NO_COLUMNS}

    def rows(self, where: str | Range) -> np.ndarray:
        """Rows with names that match a glob pattern, as in ``tw.betx[tw.rows("bpm*")]``, or rows in a `Range`.

        Raises
        ------
        InputError
            No name matches, or the range ends before it begins.
        """
        return rows_matching(where, self.name, self.element)

    def chosen(self, rows: Any) -> Twiss:
        """Selected rows, in any order; quantities of the whole lattice are unchanged."""
        columns = {name: np.array(self.name)[rows] if name == "name" else c[rows] for name, c in self.columns.items()}
        columns["name"] = tuple(columns["name"].tolist())
        more = {name: getattr(self, name)[rows] for name in ("matrices", "bases", "element")}
        return replace(self, **columns, **more, whole=self.whole or self)

    def between(self, first: str, last: str) -> Twiss:
        """From the entrance of the first element that matches glob `first` to the exit of the last matching `last`."""
        return self.chosen(self.rows(Range(first, last)))

    def refined(self, at: Slices | Positions) -> Twiss:
        """Optics at places inside elements; see `twiss`."""
        if self.whole is not None:
            return self.whole.refined(at)
        points, rows = require_places(at).places(self.lattice)
        inside = motion_inside(self.lattice, self.orbit, self.bases[0], self.dispersion[0], points, self.backend)
        motion = Motion(*inside, self.qs, self.periodic)
        fine = twiss_of_motion(self.lattice, motion, self.form, self.backend, points)
        return fine if rows is None else fine.chosen(rows)

    def at(self, row: int | str) -> InitialTwiss:
        """Twiss parameters at a row, or at the first row of a name, from which beams are made and lines start.

        They contain the normal modes, hence the coupling of the planes.
        """
        row = int(self.rows(row)[0]) if isinstance(row, str) else row
        return InitialTwiss(**{name: getattr(self, name)[row] for name in SCALARS}, basis=self.bases[row])

    @property
    def start(self) -> InitialTwiss:
        """Twiss parameters at the start."""
        return self.at(0)

    @property
    def matrix(self) -> Array:
        """(6, 6) Matrix from start to end, the one-turn matrix of a ring."""
        return (self.whole or self).matrices[-1]

    @property
    def dispersion(self) -> Array:
        """(n + 1, 4) Columns dx, dpx, dy, dpy."""
        return anp.stack([self.dx, self.dpx, self.dy, self.dpy], axis=1)

    # -- coupled motion ------------------------------------------------------------------------------------------------

    def beta(self, plane: str, mode: int) -> Array:
        """Mais and Ripken's beta [m] of mode 1, 2 or (with cavities on) 3 in plane "x" or "y", (n + 1,)."""
        return beta(self.bases, *self._indices(plane, mode))

    def alpha(self, plane: str, mode: int) -> Array:
        """Mais and Ripken's alpha of mode 1, 2 or 3 in plane "x" or "y", (n + 1,)."""
        return alpha(self.bases, *self._indices(plane, mode))

    def _indices(self, plane: str, mode: int) -> tuple[int, int]:
        modes = self.bases.shape[-1] // 2
        if plane not in PLANES or mode not in range(1, modes + 1):
            raise InputError(f"Twiss: plane must be 'x' or 'y' and mode 1 to {modes}, got {plane!r} and {mode!r}")
        return PLANES.index(plane), mode - 1

    @property
    def gamma_squared(self) -> Array:
        """(n + 1,) Edwards and Teng's g^2; 1 without coupling."""
        return coupling_factor(self.bases)

    # -- momentum ------------------------------------------------------------------------------------------------------

    @cached_property
    def coasting(self) -> Twiss:
        """Optics of the ring with its cavities off, at the momentum of the orbit at the start."""
        self._require_periodic("momentum compaction and chromaticities")
        if self.whole is not None:
            return self.whole.coasting
        quiet = without_rf(self.lattice)
        if quiet is self.lattice:
            return self
        motion = ring_motion(quiet, self.delta[0], None, self.backend)
        return twiss_of_motion(quiet, motion, MaisRipken(), self.backend)

    def _require_periodic(self, quantities: str) -> None:
        if not self.periodic:
            raise InputError(f"Twiss: {quantities} are defined for rings only, not with start=")

    @property
    def slip(self) -> Any:
        """Slip factor d(revolution time)/(revolution time)/d delta of a coasting beam: > 0 above transition."""
        quiet = self.coasting
        return -drift_of_arrival(quiet.matrix, quiet.dispersion[0]) / quiet.s[-1]

    @property
    def momentum_compaction(self) -> Any:
        """d(path length)/(path length)/d delta: the slip factor plus 1/gamma0^2."""
        return self.slip + self.lattice.require_reference().gamma0 ** -2

    def chromaticity(self, order: int = 1) -> Array:
        """(2,) Derivatives d^order (qx, qy)/d delta^order of a coasting beam, at the momentum of the orbit.

        Computed exactly from the one-turn map to order + 1, including the dispersive orbit to all orders.

        Raises
        ------
        InputError
            The order is not from 1 to 11; or this is not a ring.
        """
        if require_integer("chromaticity", "order", order, at_least=1) > MOST_ORDER:
            raise InputError(f"chromaticity: order must be <= {MOST_ORDER}, got {order}")
        quiet = self.coasting
        if order not in self._tunes:
            try:
                found = quiet._tune_derivatives(order)
            except UnstableMotionError:
                name = self.lattice.name
                raise InputError(f"Lattice {name!r}: coupled modes of equal tunes have no chromaticity") from None
            self._tunes.update(found)
        return self._tunes[order]

    def _tune_derivatives(self, order: int) -> dict[int, Array]:
        """Derivatives of the tunes of a coasting beam up to an order."""
        if order == 1:
            ends = anp.stack([self.bases[0], self.bases[-1]])
            return {1: chromaticities(self.lattice, self.orbit, ends, self.matrix, self.backend)}
        series = tunes_of_momentum(self.lattice, self.orbit, order)
        return {k: math.factorial(k) * series[:, k] for k in range(1, order + 1)}

    @cached_property
    def _tunes(self) -> dict[int, Array]:
        """Derivatives of the tunes computed so far, by order."""
        return {}

    @property
    def dqx(self) -> Any:
        """Horizontal chromaticity d qx/d delta."""
        return self.chromaticity()[0]

    @property
    def dqy(self) -> Any:
        """Vertical chromaticity d qy/d delta."""
        return self.chromaticity()[1]

    @property
    def orbit(self) -> Array:
        """(6,) Orbit at the start."""
        return anp.stack([getattr(self, name)[0] for name in COORDINATES])

    @cached_property
    def chromatic(self) -> ChromaticFunctions:
        """W functions, d mu/d delta and second-order dispersion of a coasting beam, at the ends of all elements."""
        if self.periodic:
            coasting: Twiss = self.coasting
            return coasting._chromatic(None)
        if self.whole is not None:
            return self.whole.chromatic
        return self._chromatic((self.bases[0][:4, :4], self.dispersion[0]))

    def _chromatic(self, start: tuple[Array, Array] | None) -> ChromaticFunctions:
        ends = np.unique(self.element, return_index=True)[1]  # the first row of each element is its entrance
        return chromatic_functions(self.lattice, self.orbit, self.matrices[ends], start, self.backend)

    # -- output --------------------------------------------------------------------------------------------------------

    @cached_property
    def summary(self) -> dict[str, float]:
        """Quantities of the whole lattice by name."""
        names = ["qx", "qy", "qs"]
        if self.periodic:
            names += ["dqx", "dqy", "momentum_compaction", "slip"]
        figures = {"length": float(untraced(positions(self.lattice))[-1])}
        figures |= {name: getattr(self, name) for name in names}
        for name in ("betx", "bety", "dx", "dy"):
            figures[f"{name}_max"] = np.max(np.abs(getattr(self, name)))
        return figures

    def __repr__(self) -> str:
        kind = "ring" if self.periodic else "line"
        lines = [f"<Twiss of {kind} {self.lattice.name!r}: {len(self.name)} rows"]
        lines += [f"  {name:<20} {float(value):.10g}" for name, value in self.summary.items()]
        start = ", ".join(f"{name} {getattr(self, name)[0]:.6g}" for name in ("betx", "alfx", "bety", "alfy", "dx"))
        return "\n".join([*lines, f"  at the start         {start}>"])

    def to_pandas(self) -> Any:
        """Columns as a `pandas.DataFrame`.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame(self.columns)

    def plot(self) -> Any:
        """Beta functions and dispersion below a drawing of the lattice, as a `matplotlib.figure.Figure`."""
        from gputrack.optics import plotting  # matplotlib takes half a second to import

        return plotting.twiss_figure(self)


def twiss_of_motion(
    lattice: Lattice, motion: Motion, form: MaisRipken | EdwardsTeng, backend: Choice,
    points: ObservationPoints | None = None,
) -> Twiss:  # fmt: skip
    """Twiss parameters of motion at the ends of all elements, or at given places."""
    names, s, element = row_names(lattice), positions(lattice), np.arange(len(lattice) + 1)
    if points is not None:
        names, s, element = tuple(names[i] for i in points.elements.tolist()), points.along(s), points.elements
    bases, blocks = motion.bases, [own_block(motion.bases, plane) for plane in (0, 1)]
    steps = [phase_steps(block) for block in blocks]
    turns = whole_turns(lattice, motion.passed, bases, steps, s, points, backend)
    turned = (turns, turns) if isinstance(turns, float) else turns
    columns: dict[str, Array] = {}
    for plane in (0, 1):
        columns |= plane_columns(bases, plane, form, blocks[plane], phase(steps[plane], turned[plane]))
    return Twiss(
        name=names,
        s=s,
        **columns,
        **{f"d{name}": motion.dispersion[:, i] for i, name in enumerate(COORDINATES[:4])},
        **{name: part(motion.passed, np.s_[:, i, 0]) for i, name in enumerate(COORDINATES)},
        qx=columns["mux"][-1],
        qy=columns["muy"][-1],
        qs=motion.qs,
        matrices=motion.matrices,
        bases=motion.bases,
        lattice=lattice,
        periodic=motion.periodic,
        form=form,
        element=element,
        backend=backend,
    )
