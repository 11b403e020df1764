"""Data of a lattice: its elements, or values of knobs set on another lattice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, cast

from gputrack.base.arrays import is_traced
from gputrack.base.cache import Cache
from gputrack.base.errors import InputError
from gputrack.base.reference import ReferenceParticle
from gputrack.elements import Element
from gputrack.elements.models import Model
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.setting import Setting

#: knobs with traced values, or None where an untraced value overrides
Traces = tuple[tuple[Knobs, Any], ...]


class LatticeState:
    """Elements (or a setting of knobs on another lattice), reference particle, model and traced knobs."""

    name: str
    reference: ReferenceParticle | None
    model: Model
    cache: Cache

    def _fill(
        self, elements: tuple[Element, ...] | None, reference: ReferenceParticle | None, name: str, model: Model,
        setting: Setting | None = None, traces: Traces = (),
    ) -> None:  # fmt: skip
        self._elements = elements
        #: values of knobs on another lattice, from which the elements are made on first use
        self.setting = setting
        self.reference, self.name, self.model = reference, name, model
        #: knobs whose values are being differentiated, with the traced values; later ones override earlier ones
        self.traces = traces
        #: results derived from this lattice
        self.cache = Cache()

    def _filled(
        self, elements: tuple[Element, ...] | None, reference: ReferenceParticle | None, model: Model,
        setting: Setting | None = None, traces: Traces = (),
    ) -> Self:  # fmt: skip
        """A lattice of the same name, without checks of its parts."""
        changed = object.__new__(type(self))
        changed._fill(elements, reference, self.name, model, setting, traces)
        return changed

    def _set(self, setting: Setting, reference: ReferenceParticle | None, traces: Traces) -> Self:
        """Lattice with a setting of knobs; its elements are not made yet."""
        return self._filled(None, reference, self.model, setting, traces)

    @property
    def origin(self) -> Self:
        """Lattice of elements on which the knobs are set (same names and classes); itself without a setting."""
        return self if self.setting is None else cast(Self, self.setting.origin)

    @property
    def elements(self) -> tuple[Element, ...]:
        """All elements in order."""
        if self._elements is None:
            assert self.setting is not None
            self._elements = self.setting.elements()
        return self._elements

    def made_of(self, elements: Iterable[Element]) -> Self:
        """Lattice of other elements, with the same reference, name and model."""
        return self._filled(tuple(elements), self.reference, self.model)

    def with_traces(self, traces: Traces) -> Self:
        """Copy with other traced knobs, see `traces`."""
        return self._filled(self._elements, self.reference, self.model, self.setting, traces)

    @property
    def traced(self) -> bool:
        """Whether its knobs or its reference are being differentiated."""
        own = self.reference is not None and self.reference.traced
        return own or any(is_traced(box) for _, box in self.traces)

    def _require_untraced(self, method: str) -> None:
        if self.traces:
            raise InputError(
                f"Lattice {self.name!r}: {method} is not available while knobs are being differentiated; "
                "call it before with_knobs"
            )

    def require_reference(self) -> ReferenceParticle:
        """Reference particle; raises `InputError` if there is none."""
        if self.reference is None:
            raise InputError(
                f"Lattice {self.name!r} has no reference particle; give one with "
                "lattice.with_reference(gputrack.ReferenceParticle.electron(total=3e9))"
            )
        return self.reference
