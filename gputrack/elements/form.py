"""Form of an element: its class and statics, which determine its maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gputrack.base.arrays import Array
from gputrack.elements import lowering
from gputrack.elements.magnet import Magnet
from gputrack.elements.map import MapCall
from gputrack.elements.reference_motion import ReferenceMotion
from gputrack.elements.statics import Statics

if TYPE_CHECKING:
    from gputrack.elements.element import Element


@dataclass(frozen=True)
class ElementForm:
    """An element class with statics: elements of equal form have the same maps, with other constants.

    Methods take `p`, the parameters by name: arrays over elements, or numbers of one; lists of them for series.
    """

    kind: type[Element]
    statics: Statics

    def lower(self, p: Mapping[str, Any]) -> list[MapCall]:
        """Map calls, see `gputrack.elements.lowering`."""
        return lowering.lower(self.kind, p, self.statics)

    def lower_pieces(self, p: Mapping[str, Any], cuts: Sequence[float]) -> list[list[MapCall]]:
        """Map calls piece by piece of elements that are cut, see `gputrack.elements.lowering.lower_pieces`."""
        return lowering.lower_pieces(self.kind, p, self.statics, cuts)

    def same_maps(self, p: Mapping[str, Any]) -> bool:
        """Whether this form is valid for other values of free parameters."""
        return self.kind.same_maps(p, self.statics.body)

    def arc_length(self, p: Mapping[str, Any]) -> Array:
        """Length of the reference orbit [m]."""
        return self.kind.arc_length_of(p)

    def magnet(self, p: Mapping[str, Any]) -> Magnet | None:
        """Fields for linear optics and driving terms; None for elements that are not magnets."""
        return self.kind.magnet(p, self.statics.body)

    def reference_motion(self, p: Mapping[str, Any]) -> ReferenceMotion:
        """Motion of the reference frame through the elements."""
        return self.kind.reference_motion(p)
