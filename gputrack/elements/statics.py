"""Statics: non-differentiable data that select the maps of an element.

Elements of one class with equal statics are lowered together, as arrays over the elements. Statics are read in element
classes alone; all others ask an object of `gputrack.elements.form.ElementForm`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gputrack.elements.aperture import Aperture
from gputrack.elements.radiation_kicks import RadiationKicks
from gputrack.elements.space_charge_kicks import SpaceChargeKicks


@dataclass(frozen=True)
class Body:
    """Statics of a body; a class whose maps depend on more than numbers derives its own from it, frozen as well."""


@dataclass(frozen=True)
class NoBody(Body):
    """There are no maps between the faces."""


@dataclass(frozen=True)
class Statics:
    """Statics that all elements have.

    Attributes
    ----------
    aligned : bool
        Whether the element has a frame of its own: it is displaced or rolled, or can be.
    aperture : Aperture, optional
        Checked at entrance and exit.
    body : Body
        Of the element's class.
    space_charge, radiation : optional
        Kicks inside.
    """

    aligned: bool
    aperture: Aperture | None
    body: Body
    space_charge: SpaceChargeKicks | None
    radiation: RadiationKicks | None
