"""Knobs of a lattice, and changed copies of it with other values."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from gputrack.base.arrays import is_traced, untraced
from gputrack.base.cache import Entry, Identity
from gputrack.base.checks import require_flag, short
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.elements.models import Model
from gputrack.lattice.changes import knobs_of_changes
from gputrack.lattice.knobs import REFERENCE_KNOB, Knob, Knobs, bound_knobs, get_parameter, knob_values
from gputrack.lattice.places import LatticePlaces
from gputrack.lattice.setting import Setting, with_parameters

_NO_KNOBS = Knobs(())
_BOUND: Entry[Knobs] = Entry("knobs of other lattices", most=32)


class LatticeValues(LatticePlaces):
    """Methods of `gputrack.Lattice` about parameters, model and reference particle."""

    def with_model(self, model: Model, select: str | None = None) -> Self:
        """Copy tracked with `model`; with `select`, only for elements matching a glob."""
        if not isinstance(model, Model):
            raise InputError(f"with_model: model must be a gputrack.Model, got {model!r}")
        if select is None:
            return self._filled(self.elements, self.reference, model, traces=self.traces)
        return self.with_changes(select, model=model)

    def with_reference(self, reference: ReferenceParticle) -> Self:
        """Copy with another reference particle, whose momentum may be traced; normalised strengths are unchanged."""
        if reference is not None and not isinstance(reference, ReferenceParticle):
            raise InputError(f"Lattice {self.name!r}: reference must be a ReferenceParticle, got {reference!r}")
        return self._set(self.setting or Setting(self, _NO_KNOBS, np.zeros(0)), reference, self.traces)

    def with_changes(self, select: str, **changes: Any) -> Self:
        """Copy with parameters changed on all elements matching a glob.

        Changes of numbers cost as little as `with_knobs`; for others new elements are made.
        """
        quick = None if self.traces else knobs_of_changes(self.origin, select, changes)
        if quick is not None:
            setting = self.setting or Setting(self, _NO_KNOBS, np.zeros(0))
            if setting.admits(*quick):
                return self._set(setting.followed_by(*quick), self.reference, ())
        chosen = set(self.indices(select))
        if changes.keys() - {"model", "aperture", "name"}:
            self._require_untraced("with_changes")
        return self.made_of(
            element.replaced(**changes) if i in chosen else element for i, element in enumerate(self.elements)
        ).with_traces(self.traces)

    def knobs(self, *handles: str, each: bool = False) -> Knobs:
        """Handles to parameters, each ``"glob.parameter"`` or ``"glob.knl[1]"``; one knob drives a family.

        With `each`, every matching element has a knob of its own. Families of unequal magnets follow by arithmetic:
        with ``sextupoles = ring.knobs("sd*.k2", each=True)``, a family is scaled by one number in
        ``ring.with_knobs(sextupoles, sextupoles.values * (1.0 + scale))`` and shifted in
        ``ring.with_knobs(sextupoles, sextupoles.values + offset)``.

        ``"reference.p0c"`` is the momentum of the reference particle times c [eV]. Normalised strengths are unchanged:
        it acts through velocities and cavities. A beam must have the reference of the lattice through which it is
        tracked: ``changed = ring.with_knobs(knobs, values)``, then
        ``gt.track(changed, beam.replaced(reference=changed.reference))``.

        Raises
        ------
        InputError
            No element matches, an element has no such parameter, or a family's values differ.
        """
        for handle in handles:
            if not isinstance(handle, str):
                raise InputError(f"knobs: each handle must be text, as 'qf*.k1', got {short(handle)}")
        if not require_flag("knobs", "each", each):
            return Knobs(tuple(self._knob(handle) for handle in handles))
        return Knobs(tuple(knob for handle in handles for knob in self._knobs_of_places(handle)))

    def _knobs_of_places(self, handle: str) -> list[Knob]:
        if handle == REFERENCE_KNOB:
            return [self._knob(handle)]
        places, parameter = self._driven(handle)
        names = [self.elements[i].name for i in places]
        unique, order = len(set(names)) == len(names), self.order
        return [
            Knob(f"{name}.{parameter}{'' if unique else f'@{i}'}", (i,), parameter, self._value(i, parameter), order)
            for i, name in zip(places, names, strict=True)
        ]

    def _value(self, place: int, parameter: str) -> float:
        return get_parameter(self.elements[place], parameter)

    def _driven(self, handle: str) -> tuple[tuple[int, ...], str]:
        """Places and parameter of a handle."""
        pattern, dot, parameter = handle.rpartition(".")
        if not dot:
            raise InputError(f"knob handle {short(handle)} must have the form 'element.parameter', as 'qf*.k1'")
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
        return Knob(handle, places, parameter, values.pop(), self.order)

    def with_knobs(self, knobs: Knobs, values: Any) -> Self:
        """Copy with new values of `knobs`, in their order.

        Values traced by autograd are stored with the lattice, so that its results can be differentiated.

        Parameters
        ----------
        knobs : Knobs
            Knobs of this lattice, or of another one with the same number of elements of the knobs' names: they drive
            the same occurrences of these names, wherever they are.
        values : (n,) array, or number
            One for each knob.

        Raises
        ------
        InputError
            Names, their number of occurrences or classes differ from those of the lattice to which the knobs belong;
            or a value is not valid.
        """
        knobs = self.bound(knobs)
        numbers = knob_values(knobs, untraced(values))
        reference = self.reference
        for number in np.flatnonzero(knobs.of_reference):  # traced by itself
            p0c = values.reshape(-1)[number] if is_traced(values) else float(numbers[number])
            reference = self.require_reference().with_p0c(p0c)
        traces = ((knobs, values),) if is_traced(values) else ()
        fixed = () if is_traced(values) or not self.traces else ((knobs, None),)
        traces = (*self.traces, *traces, *fixed)
        setting = self.setting or Setting(self, _NO_KNOBS, np.zeros(0))
        if setting.admits(knobs, numbers):
            return self._set(setting.followed_by(knobs, numbers), reference, traces)
        elements = with_parameters(self.elements, knobs, numbers)
        return self._filled(elements, reference, self.model, traces=traces)

    def bound(self, knobs: Knobs) -> Knobs:
        """Knobs with their places in this lattice, see `with_knobs`; the same object if they are its own.

        Raises
        ------
        InputError
            They are not knobs, or belong to a lattice with other elements of their names.
        """
        if not isinstance(knobs, Knobs):
            remedy = "knobs[i:i+1]" if isinstance(knobs, Knob) else "lattice.knobs(...)"
            raise InputError(f"Lattice {self.name!r}: knobs must be those of {remedy}, got {short(knobs)}")
        return self.origin.cache.get(_BOUND, lambda: bound_knobs(knobs, self.order), Identity(knobs))

    def based_on(self, knobs: Knobs, numbers: np.ndarray, reference: ReferenceParticle | None) -> Self:
        """Copy of this lattice of elements with values of knobs, known to be valid."""
        return self._set(Setting(self, knobs, numbers), reference, ())
