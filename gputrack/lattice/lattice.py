"""Lattice: named elements in order, the reference particle and the tracking model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from gputrack.base.checks import short
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import Element
from gputrack.elements.models import Model
from gputrack.lattice.effects import LatticeEffects
from gputrack.lattice.places import orbit_length
from gputrack.lattice.text import LatticeText, describe
from gputrack.lattice.values import LatticeValues

__all__ = ["Lattice", "describe", "orbit_length"]


class Lattice(LatticeValues, LatticeEffects, LatticeText, Sequence[Element]):
    """Elements in beam order, immutable.

    Parameters
    ----------
    elements : iterable of Element
        The same element may occur several times.
    reference : ReferenceParticle, optional
        Required for tracking; usually given by lattice files.
    name : str
    model : Model
        Tracking model of elements without one of their own.

    Raises
    ------
    InputError
        An entry is not an element, or model or reference is of another type.

    Examples
    --------
    ``ring[3]`` is an element; ``ring[3:9]`` and ``ring["q*"]`` are lattices, the latter of the elements with matching
    names; ``ring.s`` gives the positions of the entrances.
    """

    def __init__(
        self,
        elements: Iterable[Element],
        reference: ReferenceParticle | None = None,
        *,
        name: str = "",
        model: Model | None = None,
    ) -> None:
        if not isinstance(name, str):
            raise InputError(f"Lattice: name must be text, got {short(name)}")
        if not isinstance(elements, Iterable) or isinstance(elements, (str, bytes, type)):
            raise InputError(f"Lattice {name!r}: elements must be a list of elements, got {short(elements)}")
        made = tuple(elements)
        for place, element in enumerate(made):
            if not isinstance(element, Element):
                raise InputError(f"Lattice {name!r}: entry {place} of elements must be an element, got {element!r}")
        if reference is not None and not isinstance(reference, ReferenceParticle):
            raise InputError(f"Lattice {name!r}: reference must be a ReferenceParticle, got {reference!r}")
        if model is not None and not isinstance(model, Model):
            raise InputError(f"Lattice {name!r}: model must be a gputrack.Model, got {model!r}")
        self._fill(made, reference, name, model or Model())

    def __iter__(self) -> Iterator[Element]:
        return iter(self.elements)

    @overload
    def __getitem__(self, key: int) -> Element: ...
    @overload
    def __getitem__(self, key: slice | str) -> Lattice: ...
    def __getitem__(self, key: int | slice | str) -> Element | Lattice:
        if isinstance(key, str):
            self._require_untraced("selection of elements")
            return self.made_of(self.elements[i] for i in self.indices(key))
        if isinstance(key, slice):
            self._require_untraced("selection of elements")
            return self.made_of(self.elements[key])
        try:
            if self._elements is None and self.setting is not None and not self.setting.drives(key):
                return self.origin.elements[key]
            return self.elements[key]
        except IndexError:
            raise IndexError(
                f"Lattice {self.name!r} has {len(self)} elements, index {key} is out of range"
            ) from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lattice):
            return NotImplemented
        mine = (self.elements, self.reference, self.name, self.model)
        return mine == (other.elements, other.reference, other.name, other.model)

    __hash__ = None  # type: ignore[assignment]
