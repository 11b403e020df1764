"""Lattice: named elements in order, the reference particle and the tracking model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import accumulate
from typing import Any, overload

import numpy as np

from gputrack.base.arrays import is_traced, untraced
from gputrack.base.cache import Cache, Entry
from gputrack.base.checks import require_flag
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import Element, RadiationKicks, SpaceChargeKicks
from gputrack.elements.models import Model
from gputrack.elements.parameters import parameter_names, series_names
from gputrack.lattice.knobs import (
    REFERENCE_KNOB,
    Knob,
    Knobs,
    get_parameter,
    knob_values,
)
from gputrack.lattice.setting import Setting, knobs_of_changes, with_parameters

_NO_KNOBS = Knobs(())
_PLACES: Entry[list[int]] = Entry("places of names", most=64)
_POSITIONS: Entry[np.ndarray] = Entry("positions")


Traces = tuple[tuple[Knobs, Any], ...]


class Lattice(Sequence[Element]):
    """Elements in the order in which particles meet them. A value: nothing changes it.

    Parameters
    ----------
    elements : iterable of Element
        The same element may stand in many places.
    reference : ReferenceParticle, optional
        Needed to track; files usually give it.
    name : str
    model : Model
        How elements are tracked that have no model of their own.

    Raises
    ------
    InputError
        An entry is not an element, or the model or reference is not one.

    Examples
    --------
    ``ring[3]`` is an element, ``ring[3:9]`` and ``ring["q*"]`` are lattices (the latter of the elements whose
    names match), ``ring.s`` the positions of the entrances.
    """

    def __init__(
        self,
        elements: Iterable[Element],
        reference: ReferenceParticle | None = None,
        *,
        name: str = "",
        model: Model | None = None,
    ) -> None:
        made = tuple(elements)
        for place, element in enumerate(made):
            if not isinstance(element, Element):
                raise InputError(f"Lattice {name!r}: entry {place} must be an element, got {element!r}")
        if reference is not None and not isinstance(reference, ReferenceParticle):
            raise InputError(f"Lattice {name!r}: reference must be a ReferenceParticle, got {reference!r}")
        if model is not None and not isinstance(model, Model):
            raise InputError(f"Lattice {name!r}: model must be a gputrack.Model, got {model!r}")
        self._fill(made, reference, name, model or Model())

    def _fill(
        self, elements: tuple[Element, ...] | None, reference: ReferenceParticle | None, name: str, model: Model,
        setting: Setting | None = None, traces: Traces = (),
    ) -> None:  # fmt: skip
        self._elements = elements
        #: values of knobs on another lattice, from which the elements are made when they are asked for
        self.setting = setting
        self.reference, self.name, self.model = reference, name, model
        #: knobs whose values are being differentiated, with the traced values; later ones override earlier ones
        self.traces = traces
        #: what was derived from it
        self.cache = Cache()

    def _set(self, setting: Setting, reference: ReferenceParticle | None, traces: Traces) -> Lattice:
        """The lattice of a setting, whose elements are not made yet."""
        changed = Lattice.__new__(Lattice)
        changed._fill(None, reference, self.name, self.model, setting, traces)
        return changed

    @property
    def origin(self) -> Lattice:
        """The lattice on which knobs are set: of the same names and classes, and made of elements; or this one."""
        return self if self.setting is None else self.setting.origin

    @property
    def elements(self) -> tuple[Element, ...]:
        """All elements in order."""
        if self._elements is None:
            assert self.setting is not None
            self._elements = self.setting.elements()
        return self._elements

    # -- sequence ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.origin.elements)

    def __iter__(self) -> Iterator[Element]:
        return iter(self.elements)

    @overload
    def __getitem__(self, key: int) -> Element: ...
    @overload
    def __getitem__(self, key: slice | str) -> Lattice: ...
    def __getitem__(self, key: int | slice | str) -> Element | Lattice:
        if isinstance(key, str):
            self._require_untraced("elements are selected")
            return self.made_of(self.elements[i] for i in self.indices(key))
        if isinstance(key, slice):
            self._require_untraced("elements are selected")
            return self.made_of(self.elements[key])
        try:
            if self._elements is None and self.setting is not None and not self.setting.drives(key):
                return self.origin.elements[key]
            return self.elements[key]
        except IndexError:
            raise IndexError(
                f"Lattice {self.name!r} has {len(self)} elements, there is no element {key}"
            ) from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lattice):
            return NotImplemented
        mine = (self.elements, self.reference, self.name, self.model)
        return mine == (other.elements, other.reference, other.name, other.model)

    __hash__ = None  # type: ignore[assignment]

    def made_of(self, elements: Iterable[Element]) -> Lattice:
        """A lattice of other elements, with the same reference, name and model."""
        return Lattice(elements, self.reference, name=self.name, model=self.model)

    def with_traces(self, traces: Traces) -> Lattice:
        """The same lattice with other values that are being differentiated, see `traces`."""
        changed = Lattice.__new__(Lattice)
        changed._fill(self._elements, self.reference, self.name, self.model, self.setting, traces)
        return changed

    @property
    def traced(self) -> bool:
        """Whether its knobs or its reference are being differentiated."""
        own = self.reference is not None and self.reference.traced
        return own or any(is_traced(box) for _, box in self.traces)

    def _require_untraced(self, what: str) -> None:
        if self.traces:
            raise InputError(
                f"Lattice {self.name!r}: {what} while its knobs are being differentiated; do it before with_knobs"
            )

    # -- places --------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Names in order; one name may occur many times."""
        return [element.name for element in self.origin.elements]

    @property
    def lengths(self) -> np.ndarray:
        """Length of the reference orbit in each element [m], shape (n,)."""
        if self.setting is not None:
            return self.setting.lengths()
        return np.array([orbit_length(element) for element in self.elements], dtype=float)

    @property
    def s(self) -> np.ndarray:
        """Position of each element's entrance and of the end of the lattice [m], shape (n + 1,)."""
        return self.positions.copy()

    @property
    def positions(self) -> np.ndarray:
        """The same as `s`, read-only."""
        if self.setting is not None and not self.setting.changes_lengths:
            return self.origin.positions
        return self.cache.get(_POSITIONS, self._accumulated)

    def _accumulated(self) -> np.ndarray:
        ends = np.array([0.0, *accumulate(self.lengths.tolist())])
        ends.flags.writeable = False
        return ends

    @property
    def length(self) -> float:
        """Length of the reference orbit [m]."""
        return float(self.positions[-1])

    def indices(self, pattern: str) -> list[int]:
        """Places of the elements whose names match a glob pattern (case as in the names).

        Raises
        ------
        InputError
            No name matches; the message shows similar ones.
        """
        return list(self.places(pattern))

    def places(self, pattern: str) -> list[int]:
        """The same as `indices`: the list that is held for the next call, not to be changed."""
        return self.origin.cache.get(_PLACES, lambda: self._matching(pattern), pattern)

    def _matching(self, pattern: str) -> list[int]:
        found = [i for i, name in enumerate(self.names) if fnmatchcase(name, pattern)]
        if not found:
            raise InputError(self._no_match(pattern))
        return found

    def _no_match(self, pattern: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(pattern.strip("*"), sorted(set(self.names)), n=3, cutoff=0.5)
        hint = f"; near: {', '.join(near)}" if near else ""
        return f"Lattice {self.name!r}: no element matches {pattern!r}{hint}"

    # -- changed copies --------------------------------------------------------------------------

    def with_model(self, model: Model, select: str | None = None) -> Lattice:
        """The lattice tracked with `model`; with `select`, only for elements matching a glob."""
        if not isinstance(model, Model):
            raise InputError(f"with_model: model must be a gputrack.Model, got {model!r}")
        if select is None:
            return Lattice(self.elements, self.reference, name=self.name, model=model).with_traces(self.traces)
        return self.with_changes(select, model=model)

    def with_reference(self, reference: ReferenceParticle) -> Lattice:
        """The same (normalised) lattice for another reference particle, whose momentum may be traced."""
        if reference is not None and not isinstance(reference, ReferenceParticle):
            raise InputError(f"Lattice {self.name!r}: reference must be a ReferenceParticle, got {reference!r}")
        return self._set(self.setting or Setting(self, _NO_KNOBS, np.zeros(0)), reference, self.traces)

    def with_changes(self, select: str, **changes: Any) -> Lattice:
        """The lattice with parameters changed on all elements matching a glob.

        Changes of numbers alone cost as little as `with_knobs`; others make elements anew.
        """
        quick = None if self.traces else knobs_of_changes(self.origin, select, changes)
        if quick is not None:
            setting = self.setting or Setting(self, _NO_KNOBS, np.zeros(0))
            if setting.admits(*quick):
                return self._set(setting.followed_by(*quick), self.reference, ())
        chosen = set(self.indices(select))
        if changes.keys() - {"model", "aperture", "name"}:
            self._require_untraced("parameters are changed")
        return self.made_of(
            element.replaced(**changes) if i in chosen else element for i, element in enumerate(self.elements)
        ).with_traces(self.traces)

    def with_space_charge(
        self,
        field: Any,
        *,
        current: float | None = None,
        kicks_per_element: int | Mapping[str, int] = 1,
        select: str = "*",
    ) -> Lattice:
        """The lattice with kicks of the beam's own field inside its elements.

        Parameters
        ----------
        field : PipeModes, PipeBunch, OpenField2D, OpenField3D
            How the field is computed.
        current : float
            Beam current [A], >= 0: a parameter of each element, so that ``"*.current"`` is a knob. The field of a
            bunch, such as `OpenField3D`, has none: its charge is that of the particles' weights.
        kicks_per_element : int, or mapping of globs to int
            Evenly spread over the length. With a mapping, elements that no glob matches have no kicks.
        select : str
            Glob of the elements that have kicks; those without length have none.
        """
        self._require_untraced("space charge is put in")
        chosen = set(self.indices(select))
        numbers = kicks_per_element if isinstance(kicks_per_element, Mapping) else {"*": kicks_per_element}
        elements = list(self.elements)
        for pattern, number in numbers.items():
            kicks = SpaceChargeKicks(field, number)
            for i in chosen.intersection(self.indices(pattern)):
                elements[i] = elements[i].replaced(space_charge=kicks, current=kicks.require_current(current))
        return self.made_of(elements)

    def with_radiation(
        self, kicks_per_element: int | Mapping[str, int] | None = None, *, select: str = "*"
    ) -> Lattice:
        """The lattice in whose magnets particles radiate: they lose the mean energy of what they would emit.

        Bends, straight magnets, solenoids, correctors and thin multipoles with `lrad` radiate, in the field at each
        particle's place, across its direction; fringe fields, and thin kicks without `lrad`, do not. Any charged
        particle does, at any energy. Motion is then no longer symplectic: a cavity has to give the energy back, and
        `damping` finds the orbit that closes, and how fast particles near it are damped; `envelope` adds what the
        randomness of photons does to a beam, which tracking leaves out.

        A gradient undoes the turns; undoing damping makes errors of rounding grow as fast as the motion was damped,
        exp(turns/damping time in turns): a few damping times are well within double precision.

        Parameters
        ----------
        kicks_per_element : int, or mapping of globs to int
            At both ends, and between, see `RadiationKicks`. Where not given, 4 in bends and 2 in other magnets: in the
            demonstration ring damping partition numbers are then right to 4e-8, and the equilibrium emittance to 4e-6
            (with 3 in bends to 2e-7 and 8e-3). With a mapping, elements that no glob matches do not radiate.
        select : str
            Glob of the elements that radiate; those without a field do not.

        Raises
        ------
        InputError
            A number is not an integer >= 1, no name matches, or a thin bend has no `lrad`.
        """
        self._require_untraced("radiation is put in")
        chosen = set(self.indices(select))
        numbers = kicks_per_element if isinstance(kicks_per_element, Mapping) else {"*": kicks_per_element}
        elements = list(self.elements)
        for pattern, number in numbers.items():
            given = None if number is None else RadiationKicks(number)
            for i in chosen.intersection(self.indices(pattern)):
                if elements[i].RADIATION_KICKS:
                    kicks = given or RadiationKicks(elements[i].RADIATION_KICKS)
                    elements[i] = elements[i].replaced(radiation=kicks)
        return self.made_of(elements)

    def without_radiation(self) -> Lattice:
        """The lattice in which nothing radiates."""
        self._require_untraced("radiation is taken out")
        return self.made_of(e.replaced(radiation=None) if e.radiation is not None else e for e in self.elements)

    @cached_property
    def first_radiating(self) -> Element | None:
        """The first element in which particles radiate."""
        if self.setting is not None:
            return self.origin.first_radiating
        return next((element for element in self.elements if element.radiation is not None), None)

    @cached_property
    def first_collective(self) -> Element | None:
        """The first element that acts on the whole beam."""
        if self.setting is not None:
            return self.origin.first_collective or self.first_growing(self.setting.knobs)
        return next((element for element in self.elements if element.collective), None)

    def first_growing(self, knobs: Knobs) -> Element | None:
        """The first element with kicks of space charge, which act where there is a length, whose length is a knob."""
        elements = self.origin.elements
        places = knobs.driven["length"][0].tolist() if "length" in knobs.driven else []
        return next((elements[i] for i in sorted(places) if elements[i].space_charge is not None), None)

    def without_collective_effects(self) -> Lattice:
        """The lattice without what acts on the whole beam: space charge is taken out, other effects are markers."""
        self._require_untraced("collective effects are taken out")
        return self.made_of(element.single_particle() for element in self.elements)

    def require_reference(self) -> ReferenceParticle:
        """The reference particle, or an error that says how to give one."""
        if self.reference is None:
            raise InputError(
                f"Lattice {self.name!r} has no reference particle; give one with "
                "lattice.with_reference(gputrack.ReferenceParticle.electron(total=3e9))"
            )
        return self.reference

    # -- knobs -----------------------------------------------------------------------------------

    def knobs(self, *handles: str, each: bool = False) -> Knobs:
        """Handles to parameters, each ``"glob.parameter"`` or ``"glob.knl[1]"``; one drives a family.

        With `each`, there is one knob for every place instead, each with its own value. Expressions do the rest:
        with ``sextupoles = ring.knobs("sd*.k2", each=True)``, a family of differing magnets is scaled by one number
        in ``ring.with_knobs(sextupoles, sextupoles.values * (1.0 + scale))``, shifted in
        ``ring.with_knobs(sextupoles, sextupoles.values + offset)``.

        ``"reference.p0c"`` is the momentum of the reference particle times c [eV]. Strengths are normalised to it
        and stay as they are: it acts through velocities and cavities. A beam has to be given the reference of the
        lattice that it is tracked through: ``changed = ring.with_knobs(knobs, values)``, then
        ``gt.track(changed, beam.replaced(reference=changed.reference))``.

        Raises
        ------
        InputError
            No element matches, an element has no such parameter, or a family's values differ.
        """
        if not require_flag("knobs", "each", each):
            return Knobs(tuple(self._knob(handle) for handle in handles))
        return Knobs(tuple(knob for handle in handles for knob in self._knobs_of_places(handle)))

    def _knobs_of_places(self, handle: str) -> list[Knob]:
        if handle == REFERENCE_KNOB:
            return [self._knob(handle)]
        places, parameter = self._driven(handle)
        names = [self.elements[i].name for i in places]
        unique = len(set(names)) == len(names)
        return [
            Knob(f"{name}.{parameter}{'' if unique else f'@{i}'}", (i,), parameter, self._value(i, parameter))
            for i, name in zip(places, names, strict=True)
        ]

    def _value(self, place: int, parameter: str) -> float:
        return get_parameter(self.elements[place], parameter)

    def _driven(self, handle: str) -> tuple[tuple[int, ...], str]:
        """Places and parameter of a handle."""
        pattern, dot, parameter = handle.rpartition(".") if isinstance(handle, str) else ("", "", "")
        if not dot:
            raise InputError(f"knob {handle!r} must read 'element.parameter', for example 'qf*.k1'")
        return tuple(self.indices(pattern)), parameter

    def _knob(self, handle: str) -> Knob:
        if handle == REFERENCE_KNOB:
            return Knob(handle, (), "p0c", self.require_reference().plain.p0c)
        places, parameter = self._driven(handle)
        values = {self._value(i, parameter) for i in places}
        if len(values) > 1:
            raise InputError(
                f"knob {handle!r} drives {len(places)} elements with different values "
                f"({min(values):g} to {max(values):g}); choose a narrower pattern, or one knob for each: each=True"
            )
        return Knob(handle, places, parameter, values.pop())

    def with_knobs(self, knobs: Knobs, values: Any) -> Lattice:
        """The lattice with new values for `knobs`, in their order.

        Values that autograd is tracing stay with the lattice, so that what is computed from it can be
        differentiated.
        """
        numbers = knob_values(knobs, untraced(values))
        reference = self.reference
        for number in np.flatnonzero(knobs.of_reference):  # carries its trace itself
            p0c = values.reshape(-1)[number] if is_traced(values) else float(numbers[number])
            reference = self.require_reference().with_p0c(p0c)
        traces = ((knobs, values),) if is_traced(values) else ()
        fixed = () if is_traced(values) or not self.traces else ((knobs, None),)
        traces = (*self.traces, *traces, *fixed)
        setting = self.setting or Setting(self, _NO_KNOBS, np.zeros(0))
        if setting.admits(knobs, numbers):
            return self._set(setting.followed_by(knobs, numbers), reference, traces)
        elements = with_parameters(self.elements, knobs, numbers)
        return Lattice(elements, reference, name=self.name, model=self.model).with_traces(traces)

    def based_on(self, knobs: Knobs, numbers: np.ndarray, reference: ReferenceParticle | None) -> Lattice:
        """Values of knobs that elements admit, set on this lattice, which is made of elements."""
        return self._set(Setting(self, knobs, numbers), reference, ())

    # -- text --------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Number of elements of each class, most frequent first."""
        counts: dict[str, int] = {}
        for element in self.elements:
            counts[type(element).__name__] = counts.get(type(element).__name__, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def __repr__(self) -> str:
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.counts().items())
        return f"<Lattice {self.name!r}: {len(self)} elements, {self.length:.8g} m ({kinds})>"

    def table(self, first: int = 0, count: int = 40) -> str:
        """Readable table of `count` elements from `first` on: place, name, class, s, length, strengths."""
        rows = [f"{'':>5} {'name':<16} {'class':<16} {'s [m]':>12} {'length':>10}  parameters"]
        s = self.s
        for i in range(first, min(first + count, len(self))):
            element = self.elements[i]
            rows.append(
                f"{i:>5} {element.name:<16.16} {type(element).__name__:<16} {s[i]:>12.6f} "
                f"{orbit_length(element):>10.6f}  {describe(element)}"
            )
        if first + count < len(self):
            rows.append(f"      ... {len(self) - first - count} more")
        return "\n".join(rows)


def orbit_length(element: Element) -> float:
    """Length of the reference orbit in an element [m]."""
    return element.arc_length


def describe(element: Element) -> str:
    """Parameters of an element that are not at their defaults, as text."""
    parts = []
    for name in (*parameter_names(type(element)), *series_names(type(element))):
        value = getattr(element, name)
        if name != "length" and value not in (0.0, None, ()):
            parts.append(f"{name}={value:.8g}" if isinstance(value, float) else f"{name}={list(value)}")
    return " ".join(parts)
