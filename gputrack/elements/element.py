"""Base of all elements: common parameters, and the methods by which element classes define their maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

from gputrack.base.arrays import Array
from gputrack.base.errors import InputError
from gputrack.elements.alignment import align_calls
from gputrack.elements.aperture import Aperture
from gputrack.elements.form import ElementForm
from gputrack.elements.interval import ANY, NOT_NEGATIVE
from gputrack.elements.magnet import Magnet
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model
from gputrack.elements.parameters import OPTION, option, parameter
from gputrack.elements.radiation_kicks import RadiationKicks
from gputrack.elements.reference_motion import ReferenceMotion
from gputrack.elements.space_charge_kicks import SpaceChargeKicks
from gputrack.elements.statics import Body, Statics
from gputrack.elements.symbol import Symbol
from gputrack.elements.validation import validated

ELEMENT_TYPES: dict[str, type[Element]] = {}
Self = TypeVar("Self", bound="Element")


@dataclass(frozen=True, kw_only=True)
class Element:
    """Base class of all elements, which are immutable: `replaced` makes a changed copy.

    Parameters
    ----------
    name : str
        The only positional argument.
    length : float
        Length along the reference orbit [m], >= 0.
    dx, dy : float
        Transverse offset of the element [m], in the local frame at its entrance and at its exit.
    tilt : float
        Roll about the s axis [rad], > 0 turns the element's x axis towards its y axis.
    aperture : Aperture, optional
        Checked at entrance and exit, in the element's own (shifted, rolled) frame.
    model : Model, optional
        Overrides the lattice's model for this element.
    space_charge : SpaceChargeKicks, optional
        Kicks of the beam's own field inside, in elements with a length; set by `Lattice.with_space_charge`.
    radiation : RadiationKicks, optional
        Kicks by the radiation that particles emit inside; set by `Lattice.with_radiation`.
    current : float
        Beam current [A] of the space-charge kicks, >= 0; 0 for the field of a bunch.

    Raises
    ------
    InputError
        A value is not a finite number, or out of the element's range.
    """

    name: str = field(default="", kw_only=False, metadata=OPTION)
    length: float = parameter(unit="m", valid=NOT_NEGATIVE)
    dx: float = parameter(unit="m", free=ANY)
    dy: float = parameter(unit="m", free=ANY)
    tilt: float = parameter(unit="rad", free=ANY)
    aperture: Aperture | None = option(None)
    model: Model | None = option(None)
    space_charge: SpaceChargeKicks | None = option(None)
    radiation: RadiationKicks | None = option(None)
    current: float = parameter(unit="A", valid=NOT_NEGATIVE)

    #: whether elements of this class are collective: they act on the whole beam
    ACTS_ON_BEAM: ClassVar[bool] = False
    #: default number of radiation kicks in elements of this class; 0 if they have no field
    RADIATION_KICKS: ClassVar[int] = 0
    #: symbol of elements of this class in drawings; None if they are not drawn
    SYMBOL: ClassVar[Symbol | None] = Symbol()

    def __new__(cls, *args: Any, **given: Any) -> Any:
        """Refuse arguments that are not parameters of the class."""
        if not given.keys() <= cls.__dataclass_fields__.keys():
            raise _unknown(cls, args, given)
        if len(args) > 1:
            raise InputError(f"{cls.__name__}: only the name is positional; give the others by name, as length=...")
        return object.__new__(cls)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            _register(cls)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"{type(self).__name__}: name must be text, got {self.name!r}")
        for name, value in validated(self).items():
            object.__setattr__(self, name, value)
        if self.aperture is not None and not isinstance(self.aperture, Aperture):
            raise self.input_error(f"aperture must be a gputrack.Aperture, got {self.aperture!r}")
        if self.model is not None and not isinstance(self.model, Model):
            raise self.input_error(f"model must be a gputrack.Model, got {self.model!r}")
        if self.space_charge is not None:
            if not isinstance(self.space_charge, SpaceChargeKicks):
                raise self.input_error(f"space_charge must be gputrack.SpaceChargeKicks, got {self.space_charge!r}")
            self.space_charge.require_current(self.current)
        if self.radiation is not None:
            self._validate_radiation()

    def input_error(self, text: str) -> InputError:
        """An error that names the element, for classes that validate their arguments in ``__post_init__``."""
        return InputError(f"{type(self).__name__} {self.name!r}: {text}")

    def _validate_radiation(self) -> None:
        if not isinstance(self.radiation, RadiationKicks):
            raise self.input_error(f"radiation must be gputrack.RadiationKicks, got {self.radiation!r}")
        if not self.RADIATION_KICKS:
            raise self.input_error("has no field in which particles radiate; omit radiation=")

    # -- use ---------------------------------------------------------------------------------------

    def replaced(self: Self, **changes: Any) -> Self:
        """Copy with some parameters changed.

        Raises
        ------
        InputError
            A name is not a parameter of this element, or a value is not valid.
        """
        known = {f.name for f in fields(self)}
        for name in changes:
            if name not in known:
                raise self.input_error(f"has no parameter {name!r}; it has {', '.join(sorted(known))}")
        return replace(self, **changes)

    @property
    def arc_length(self) -> float:
        """Length of the reference orbit inside [m]."""
        return self.length

    @property
    def collective(self) -> bool:
        """Whether it acts on the whole beam, as elements with a length and space-charge kicks do."""
        return self.ACTS_ON_BEAM or (self.space_charge is not None and self.length > 0.0)

    def single_particle(self) -> Element:
        """Copy without collective effects."""
        return self if self.space_charge is None else self.replaced(space_charge=None, current=0.0)

    def form(self, model: Model, active: frozenset[str] = frozenset()) -> ElementForm:
        """Class and statics, which determine its maps.

        Parameters
        ----------
        model : Model
            Tracking model.
        active : frozenset of str
            Parameters (``"k1"``, ``"knl[2]"``) included in the maps even if they are zero.
        """
        return ElementForm(type(self), self.statics(model, active))

    def statics(self, model: Model, active: frozenset[str]) -> Statics:
        """Statics, see `gputrack.elements.statics`; arguments as of `form`."""
        aligned = bool(self.dx or self.dy or self.tilt or active & _ALIGNMENT)
        kicks = self.space_charge if self.uses("length", active) else None
        radiation = self.radiation if self.has_extended_field(active) else None
        return Statics(aligned, self.aperture, self.body_statics(model, active), kicks, radiation)

    def uses(self, name: str, active: frozenset[str]) -> bool:
        """Whether a parameter is not zero, or active."""
        return name in active or bool(getattr(self, name))

    # -- to be defined by element classes ---------------------------------------------------------------

    def fixed(self) -> frozenset[str]:
        """Parameters that are not free in this element, though its class declares them free."""
        return frozenset()

    def body_statics(self, model: Model, active: frozenset[str]) -> Body:
        """Statics of the body, for classes whose maps depend on more than numbers."""
        return Body()

    def has_extended_field(self, active: frozenset[str]) -> bool:
        """Whether the field has a length over which particles can radiate."""
        return self.uses("length", active)

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: Any, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """Map calls between the faces, from `begin` to `end` in fractions of the length.

        Parameters
        ----------
        p : mapping
            Parameters by name: arrays over elements, or numbers; lists of them for series.
        body : Body
            Result of `body_statics`.
        """
        raise TypeError(f"{cls.__name__} does not define lower_body: its maps")

    @classmethod
    def lower_until(cls, p: Mapping[str, Any], body: Any, part: Any) -> tuple[list[MapCall], list[MapCall]]:
        """Map calls from the entrance face to a part of the length, an array over elements, and those that undo them.

        Steps over negative lengths undo those over positive ones; other classes override this method.
        """
        return cls.lower_body(p, body, 0.0, part), cls.lower_body(p, body, 0.0, -part)

    @classmethod
    def lower_faces(cls, p: Mapping[str, Any], body: Any) -> tuple[list[MapCall], list[MapCall]]:
        """Map calls at the entrance and at the exit."""
        return [], []

    @classmethod
    def lower_radiation(cls, p: Mapping[str, Any], body: Any, share: float, side: int = 0) -> list[MapCall]:
        """Kicks by the radiation emitted in a share of the length, in the element's frame; none without a field.

        `side` is -1 at the entrance and 1 at the exit, where what a turned face adds or takes away is included.
        """
        return []

    @classmethod
    def turned_faces(cls, body: Any) -> bool:
        """Whether the field may end at turned faces: both ends then have a kick by radiation."""
        return False

    @classmethod
    def frame_calls(cls, p: Mapping[str, Any]) -> tuple[list[MapCall], list[MapCall]]:
        """Map calls into the frame of displaced elements at the entrance, and out of it at the exit."""
        return align_calls(p)

    @classmethod
    def frame_calls_inside(cls, p: Mapping[str, Any], part: Any) -> tuple[list[MapCall], list[MapCall]]:
        """Map calls out of the frame of displaced elements at a part of the length, and back into it."""
        enter, leave = align_calls(p)
        return leave, enter

    @classmethod
    def same_maps(cls, p: Mapping[str, Any], body: Any) -> bool:
        """Whether maps with this body are valid for other values `p` (arrays) of free parameters that are active."""
        return True

    @classmethod
    def arc_length_of(cls, p: Mapping[str, Any]) -> Array:
        """Length of the reference orbit [m], as `arc_length`."""
        return p["length"]

    @classmethod
    def reference_motion(cls, p: Mapping[str, Any]) -> ReferenceMotion:
        """Motion of the reference frame, for surveys."""
        return ReferenceMotion(cls.arc_length_of(p))

    @classmethod
    def magnet(cls, p: Mapping[str, Any], body: Any) -> Magnet | None:
        """Fields for linear optics and driving terms; None for elements that are not magnets."""
        return None


def _listed(kind: type[Element]) -> list[str]:
    return [field.name for field in fields(kind) if field.name != "name"]


def _unknown(kind: type[Element], args: tuple[Any, ...], given: Mapping[str, Any]) -> InputError:
    """Error for arguments that are not parameters of an element class, with similar names and all valid ones."""
    from difflib import get_close_matches

    name = args[0] if args else given.get("name", "")
    wrong = next(key for key in given if key not in kind.__dataclass_fields__)
    near = get_close_matches(wrong, _listed(kind), n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ";"
    return InputError(f"{kind.__name__} {name!r}: no parameter {wrong!r}{hint} It has {', '.join(_listed(kind))}")


_ALIGNMENT = frozenset({"dx", "dy", "tilt"})


def _register(cls: type[Element]) -> None:
    """Make a class known by its name, by which files refer to it; only its own module may define it again."""
    known = ELEMENT_TYPES.get(cls.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise InputError(
            f"element class {cls.__name__}: {known.__module__} defines one of that name; choose another name, "
            "or one that begins with an underscore for a base class"
        )
    ELEMENT_TYPES[cls.__name__] = cls
