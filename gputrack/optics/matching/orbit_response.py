"""Exact response of the closed orbit at all places to all correctors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import elementwise_grad

from gputrack.backends import Choice
from gputrack.backends.choice import BACKEND
from gputrack.base.arguments import NUMBER, arguments, instance, numbers, optional
from gputrack.base.arrays import Array, untraced
from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.base.symplectic import symplectic_form
from gputrack.elements import Element, RFCavity
from gputrack.elements.map import ReferenceValues, make_state
from gputrack.lattice.argument import LATTICE
from gputrack.lattice.knob_trace import effective_traces
from gputrack.lattice.knobs import Knobs, get_parameter, set_parameter
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import bare
from gputrack.lattice.program import LoweredGroup, compile_program
from gputrack.optics.linear.places import Range
from gputrack.optics.linear.twiss import twiss
from gputrack.optics.linear.twiss_columns import Twiss

MONITORS = instance((str, Range), "a glob pattern of names or a gputrack.Range")


@dataclass(frozen=True, eq=False, repr=False)
class OrbitResponse:
    """Derivatives of the closed orbit at monitors with respect to correctors.

    Attributes
    ----------
    x, y : (m, k) arrays
        d x/d knob and d y/d knob [m per unit of the knob], for m monitors and k knobs.
    knobs : Knobs
    twiss : Twiss
        Optics at the monitors, with their names ``twiss.name``, positions ``twiss.s``, and orbit ``twiss.x``,
        ``twiss.y``.
    """

    x: Array
    y: Array
    knobs: Knobs
    twiss: Twiss

    @property
    def matrix(self) -> Array:
        """Response matrix of both planes, x above y, (2 m, k)."""
        return anp.concatenate([self.x, self.y])

    @property
    def orbit(self) -> Array:
        """Closed orbit at the monitors, x, then y [m], (2 m,)."""
        return anp.concatenate([self.twiss.x, self.twiss.y])

    @property
    def dispersion(self) -> Array:
        """Response to the momentum, d(x, y)/d delta [m], (2 m,)."""
        return anp.concatenate([self.twiss.dx, self.twiss.dy])

    @cached_property
    def frequency(self) -> Array:
        """Response to the frequency of the cavities, -dispersion/(slip f) [m/Hz], (2 m,).

        The revolution follows the cavities: df/f = -slip d delta. Traced if the lattice is, also with respect to the
        common frequency of all cavities.

        Raises
        ------
        InputError
            No cavity is on, or cavities have different frequencies, or only some of the frequencies are traced; or the
            optics are not those of a ring.
        """
        frequency = _common_frequency(self.twiss.lattice)
        quiet = self.twiss.coasting
        rows = self.twiss.element
        return -anp.concatenate([quiet.dx[rows], quiet.dy[rows]]) / (quiet.slip * frequency)

    def __repr__(self) -> str:
        sizes = ", ".join(f"|d{p}| <= {float(np.abs(getattr(self, p)).max()):.4g} m" for p in "xy")
        numbers = f"{len(self.x)} monitors, {len(self.knobs)} knobs"
        return f"<OrbitResponse of {self.twiss.lattice.name!r}: {numbers}, {sizes}>"


@arguments(lattice=LATTICE, monitors=MONITORS, delta=NUMBER, guess=optional(numbers(6)), backend=BACKEND)
def orbit_response(
    lattice: Lattice, correctors: Knobs, monitors: str | Range = "*", *, delta: float = 0.0,
    guess: np.ndarray | None = None, backend: Choice = None,
) -> OrbitResponse:  # fmt: skip
    """Response of the closed orbit of a ring at monitors to correctors or any other knobs.

    Implicit differentiation of the closed orbit: the derivative of the map of each element with respect to its knob is
    propagated by the transfer matrices about the closed orbit, with the periodicity condition. There are neither finite
    differences nor additional orbits.

    Parameters
    ----------
    lattice : Lattice
        With cavities on, the six-dimensional orbit at constant frequency.
    correctors : Knobs
        ``ring.knobs("cor.*.hkick", "cor.*.vkick", each=True)``; or misalignments of magnets, strengths, ...
    monitors : str or Range
        Glob pattern of names of elements (at their entrances), or a range; default all elements.
    delta, guess, backend
        See `closed_orbit`.

    Returns
    -------
    OrbitResponse
        Traced if the lattice is: ``gt.grad`` and ``gt.jacobian`` give its derivatives, for example with respect to
        quadrupoles.

    Raises
    ------
    InputError
        See `twiss`; or `correctors` are not knobs of elements.
    """
    correctors = bound_correctors("orbit_response", lattice, correctors)
    optics = twiss(lattice, delta=delta, orbit=guess, backend=backend)
    rows = optics.rows(monitors)
    places = [place for knob in correctors for place in knob.places]
    owner = np.repeat(np.eye(len(correctors)), [len(knob.places) for knob in correctors], axis=0)
    kicks = _element_derivatives(optics, correctors)
    exits = np.array(places) + 1
    form = symplectic_form(6)
    # symplectic inverse: changes of the orbit, transformed to the start
    inverse = -anp.matmul(form, anp.matmul(anp.swapaxes(optics.matrices[exits], -1, -2), form))
    at_start = anp.einsum("pij,pj->ip", inverse, kicks)
    closed = _closed(optics, anp.dot(optics.matrix, anp.dot(at_start, owner)))
    downstream = (exits[None] <= rows[:, None]).astype(float)  # monitors downstream of the element
    planes = []
    for coordinate in (0, 2):
        row = optics.matrices[rows, coordinate]
        planes.append(anp.dot(row, closed) + anp.dot(anp.dot(row, at_start) * downstream, owner))
    x, y = planes
    return OrbitResponse(x, y, correctors, optics.chosen(rows))


def _common_frequency(lattice: Lattice) -> Any:
    """Common frequency of all cavities that are on, traced if it is differentiated."""
    plain = {i: e.frequency for i, e in enumerate(lattice) if isinstance(e, RFCavity) and e.voltage and e.frequency}
    if len(set(plain.values())) != 1:
        listed = f"{sorted(set(plain.values()))} Hz" if plain else "none"
        raise InputError(f"OrbitResponse: frequency needs cavities that are on, with a common frequency, got {listed}")
    traced: dict[int, Any] = {}
    for knobs, box in effective_traces(lattice):
        for number, knob in enumerate(knobs):
            if knob.parameter == "frequency":
                traced |= dict.fromkeys(plain.keys() & set(knob.places), anp.reshape(box, (-1,))[number])
    if traced and len(traced) < len(plain):
        free = sorted({lattice[i].name for i in plain.keys() - traced.keys()})
        raise InputError(
            "OrbitResponse: frequency has no derivative with respect to the frequency of some cavities alone; include "
            f"{', '.join(free)} in the knobs"
        )
    # with one knob per cavity, the frequencies are assumed to change together
    return sum(traced.values()) / len(traced) if traced else next(iter(plain.values()))


def bound_correctors(owner: str, lattice: Lattice, knobs: Any) -> Knobs:
    """Knobs with their places in a lattice, or raise `InputError` if they are not knobs of its elements."""
    if not isinstance(knobs, Knobs) or not len(knobs) or not all(knob.places for knob in knobs):
        raise InputError(f"{owner}: correctors must be knobs of elements, lattice.knobs(...), got {short(knobs)}")
    return lattice.bound(knobs)


def _closed(optics: Twiss, after: Array) -> Array:
    """Change of the closed orbit at the start (6, k), from the change after one turn."""
    free = optics.bases.shape[-1]
    start = anp.linalg.solve(anp.eye(free) - optics.matrix[:free, :free], after[:free])
    return anp.concatenate([start, np.zeros((6 - free, start.shape[1]))])


def _element_derivatives(optics: Twiss, knobs: Knobs) -> Array:
    """Derivatives of the maps of elements at the orbit with respect to the knobs, for all their places, (places, 6)."""
    lattice = optics.lattice
    wanted = [(place, knob.parameter) for knob in knobs for place in knob.places]
    places = sorted({place for place, _ in wanted})
    active = {i: frozenset(p for q, p in wanted if q == place) for i, place in enumerate(places)}
    few = Lattice(
        [_with_places(lattice[i], names) for i, names in zip(places, active.values(), strict=True)],
        lattice.reference, name=lattice.name, model=lattice.model,
    )  # fmt: skip
    orbits = anp.stack([getattr(optics, name)[np.array(places)] for name in ("x", "px", "y", "py", "z", "delta")])
    columns: dict[tuple[int, str], tuple[Array, int]] = {}
    for group in compile_program(bare(few, traced=True), active=active).groups:
        members = [places[i] for i in group.places]
        traced = _traced_parameters(group, members, lattice)
        for parameter in sorted({p for place, p in wanted if place in set(members)}):
            derivatives = _derivatives(group, traced, parameter, orbits[:, np.array(group.places)], lattice)
            columns |= {(place, parameter): (derivatives, row) for row, place in enumerate(members)}
    return anp.stack([columns[key][0][:, columns[key][1]] for key in wanted])


def _with_places(element: Element, names: frozenset[str]) -> Element:
    """The element with series of sufficient length for the given entries."""
    for name in names:
        element = set_parameter(element, name, get_parameter(element, name))
    return element


def _traced_parameters(group: LoweredGroup, members: Sequence[int], lattice: Lattice) -> dict[str, Any]:
    """Parameters of a group, traced where they are differentiated."""
    p = {name: list(v) if isinstance(v, list) else v for name, v in group.parameters.items()}
    for knobs, box in effective_traces(lattice):
        for number, knob in enumerate(knobs):
            here = np.isin(members, knob.places).astype(float)
            if here.any() and _has(p, knob.parameter):
                value = anp.reshape(box, (-1,))[number]
                _set(p, knob.parameter, _get(p, knob.parameter) + here * (value - untraced(value)))
    return p


def _derivatives(group: LoweredGroup, parameters: dict[str, Any], name: str, orbits: Array, lattice: Lattice) -> Array:
    """Derivatives of the coordinates after the elements of a group with respect to one parameter, (6, elements)."""
    reference = ReferenceValues.of(lattice.require_reference())

    def leaving(values: Any, coordinate: int) -> Any:
        p = {key: list(v) if isinstance(v, list) else v for key, v in parameters.items()}
        _set(p, name, values)
        state = make_state(orbits, reference)
        for call in group.lower(p):
            state = call.forward(state, reference)
        return state[coordinate] + 0.0 * values  # of full shape even if it does not depend on the values

    values = _get(parameters, name)
    return anp.stack([elementwise_grad(leaving)(values, coordinate) for coordinate in range(6)])


def _split(name: str) -> tuple[str, int]:
    series, _, rest = name.partition("[")
    return series, int(rest[:-1]) if rest else -1


def _has(p: dict[str, Any], name: str) -> bool:
    series, order = _split(name)
    return series in p and (order < 0 or order < len(p[series]))


def _get(p: dict[str, Any], name: str) -> Any:
    series, order = _split(name)
    return p[series] if order < 0 else p[series][order]


def _set(p: dict[str, Any], name: str, values: Any) -> None:
    series, order = _split(name)
    if order < 0:
        p[series] = values
    else:
        p[series][order] = values
