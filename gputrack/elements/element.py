"""What every element has: name, length, misalignment, aperture, model; checks at the door."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from gputrack.base.errors import InputError
from gputrack.elements.alignment import align_calls
from gputrack.elements.aperture import Aperture, aperture_calls
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model
from gputrack.elements.radiation_kicks import RadiationKicks
from gputrack.elements.space_charge_kicks import SpaceChargeKicks

ELEMENT_TYPES: dict[str, type[Element]] = {}
MAX_MULTIPOLE_ORDER = 20
Self = TypeVar("Self", bound="Element")


@dataclass(frozen=True, kw_only=True)
class Element:
    """Base of all elements. Elements are values: make a changed one with `replaced`.

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
        Kicks of the beam's own field inside, in elements with a length; `Lattice.with_space_charge` puts them there.
    radiation : RadiationKicks, optional
        Kicks of the energy that particles radiate inside; `Lattice.with_radiation` puts them there.
    current : float
        Beam current [A] that kicks of space charge belong to, >= 0; 0 where the field is that of a bunch.

    Raises
    ------
    InputError
        A value is not a finite number, or out of the element's range.
    """

    name: str = field(default="", kw_only=False)
    length: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    tilt: float = 0.0
    aperture: Aperture | None = None
    model: Model | None = None
    space_charge: SpaceChargeKicks | None = None
    radiation: RadiationKicks | None = None
    current: float = 0.0

    #: whether all elements of this class act on the whole beam
    ACTS_ON_BEAM: ClassVar[bool] = False
    #: kicks that do for what particles radiate in elements of this class; 0: there is no field
    RADIATION_KICKS: ClassVar[int] = 0
    #: parameters that may not be negative
    _NOT_NEGATIVE: ClassVar[tuple[str, ...]] = ("length", "current")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            ELEMENT_TYPES[cls.__name__] = cls

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"{type(self).__name__}: name must be text, got {self.name!r}")
        for name in parameter_names(type(self)):
            value = self._require_number(name, getattr(self, name))
            object.__setattr__(self, name, value)
        for name in series_names(type(self)):
            object.__setattr__(self, name, self._require_series(name, getattr(self, name)))
        for name in self._NOT_NEGATIVE:
            if getattr(self, name) < 0:
                unit = {"length": " m", "current": " A"}.get(name, "")
                raise self._error(f"{name} must be >= 0{unit}, got {getattr(self, name)!r}")
        if self.aperture is not None and not isinstance(self.aperture, Aperture):
            raise self._error(f"aperture must be a gputrack.Aperture, got {self.aperture!r}")
        if self.model is not None and not isinstance(self.model, Model):
            raise self._error(f"model must be a gputrack.Model, got {self.model!r}")
        if self.space_charge is not None and not isinstance(self.space_charge, SpaceChargeKicks):
            raise self._error(f"space_charge must be gputrack.SpaceChargeKicks, got {self.space_charge!r}")
        if self.space_charge is not None:
            self.space_charge.require_current(self.current)
        if self.radiation is not None:
            self._require_radiating()

    # -- checks ------------------------------------------------------------------------------

    def _error(self, text: str) -> InputError:
        return InputError(f"{type(self).__name__} {self.name!r}: {text}")

    def _require_radiating(self) -> None:
        if not isinstance(self.radiation, RadiationKicks):
            raise self._error(f"radiation must be gputrack.RadiationKicks, got {self.radiation!r}")
        if not self.RADIATION_KICKS:
            raise self._error("has no field to radiate in; leave radiation out")

    def _require_number(self, name: str, value: object) -> float | None:
        if value is None and name in optional_names(type(self)):
            return None
        if isinstance(value, (bool, str, bytes)) or value is None:
            raise self._error(f"{name} must be a number, got {value!r}")
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise self._error(f"{name} must be a number, got {value!r}") from None
        if not math.isfinite(number):
            raise self._error(f"{name} must be finite, got {value!r}")
        return number

    def _require_series(self, name: str, value: object) -> tuple[float, ...]:
        if isinstance(value, (str, bytes)):
            raise self._error(f"{name} must be a list of numbers, got {value!r}")
        try:
            entries: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]
        except TypeError:
            raise self._error(f"{name} must be a list of numbers, got {value!r}") from None
        if len(entries) > MAX_MULTIPOLE_ORDER + 1:
            raise self._error(
                f"{name} may have {MAX_MULTIPOLE_ORDER + 1} entries (order "
                f"{MAX_MULTIPOLE_ORDER}), got {len(entries)}"
            )
        return tuple(self._require_number(f"{name}[{i}]", v) for i, v in enumerate(entries))  # type: ignore[misc]

    # -- many values at once -------------------------------------------------------------------

    def _free(self) -> Mapping[str, tuple[float, float]]:
        """Parameters (of series, their names) and the open intervals in which any finite value of one is right,
        whatever the others are; none where a class does not say so. A class says so where it has checks of its own,
        or statics.
        """
        return {}

    @classmethod
    def _same_maps(cls, p: Mapping[str, Any], body_statics: Any) -> bool:
        """Whether maps of these statics do for other values `p` (arrays) of free parameters that are active."""
        return True

    # -- use ---------------------------------------------------------------------------------

    def replaced(self: Self, **changes: Any) -> Self:
        """A copy with some parameters changed.

        Raises
        ------
        InputError
            A name is not a parameter of this element, or a value is not valid.
        """
        known = {f.name for f in fields(self)}
        for name in changes:
            if name not in known:
                raise self._error(
                    f"has no parameter {name!r}; it has {', '.join(sorted(known))}"
                )
        return replace(self, **changes)

    def statics(self, model: Model, active: frozenset[str]) -> Hashable:
        """Everything about this element that shapes its maps but is not a differentiable number.

        Elements of one class with equal statics are lowered together, as arrays. `active` names
        parameters that must keep their place in the maps even where they are zero.
        """
        aligned = any(self._uses(name, active) for name in ("dx", "dy", "tilt"))
        kicks = self.space_charge if self._uses("length", active) else None
        radiation = self.radiation if self._extended(active) else None
        return aligned, self.aperture, self._body_statics(model, active), kicks, radiation

    def _extended(self, active: frozenset[str]) -> bool:
        """Whether fields are spread over a length, on which particles can radiate."""
        return self._uses("length", active)

    @property
    def collective(self) -> bool:
        """Whether it acts on the whole beam; kicks of space charge do where there is a length."""
        return self.ACTS_ON_BEAM or (self.space_charge is not None and self.length > 0.0)

    def single_particle(self) -> Element:
        """The element without what acts on the whole beam."""
        return self if self.space_charge is None else self.replaced(space_charge=None, current=0.0)

    def _uses(self, name: str, active: frozenset[str]) -> bool:
        return name in active or bool(getattr(self, name))

    def _body_statics(self, model: Model, active: frozenset[str]) -> Hashable:
        return ()

    @classmethod
    def lower(cls, p: Mapping[str, Any], statics: Any) -> list[MapCall]:
        """Map calls for elements with parameters `p` (arrays over elements) and equal statics."""
        kicks: dict[float, list[MapCall]] = {}
        for part, inside in (*cls._space_charge_kicks(p, statics), *cls._radiation_kicks(p, statics)):
            kicks.setdefault(part, []).extend(inside)
        where = sorted(kicks)
        calls, *others = cls.lower_pieces(p, statics, where)
        for part, piece in zip(where, others, strict=True):
            calls += [*kicks[part], *piece]
        return calls

    @classmethod
    def _space_charge_kicks(cls, p: Mapping[str, Any], statics: Any) -> Iterator[tuple[float, list[MapCall]]]:
        """Kicks of the beam's own field, and in what parts of the length they act."""
        kicks = statics[3]
        if kicks is None:
            return
        kick = kicks.call(cls._arc_length(p) / kicks.number, p["current"])
        for part in ((i + 0.5) / kicks.number for i in range(kicks.number)):
            # the field is that of a beam about the reference orbit, not about the element's axis
            leave, enter = cls._align_inside(p, part) if statics[0] else ([], [])
            yield part, [*leave, kick, *enter]

    @classmethod
    def _radiation_kicks(cls, p: Mapping[str, Any], statics: Any) -> Iterator[tuple[float, list[MapCall]]]:
        """Kicks of what particles radiate, likewise."""
        if statics[4] is None:
            return
        for part, share in zip(*statics[4].nodes(), strict=True):
            calls = cls._radiation_calls(p, statics[2], share)
            if calls:
                yield part, calls

    @classmethod
    def lower_pieces(cls, p: Mapping[str, Any], statics: Any, cuts: Sequence[float] = ()) -> list[list[MapCall]]:
        """Map calls of elements that are cut, piece by piece: together they are the elements.

        Parameters
        ----------
        p, statics
            As of `lower`.
        cuts : sequence of float
            Where, in fractions of the length, rising from 0 to 1. Faces and the way into the elements' own frames
            belong to the first piece, the way out to the last one; cuts between are seen in the elements' frames.
        """
        aligned, aperture, body_statics, *_ = statics
        enter, leave = cls._align(p) if aligned else ([], [])
        check = aperture_calls(aperture)
        first, last = cls._lower_faces(p, body_statics)
        edges = (0.0, *cuts, 1.0)
        pieces = [cls._lower_body(p, body_statics, a, b) if a < b else [] for a, b in pairwise(edges)]
        pieces[0] = [*enter, *check, *first, *pieces[0]]
        pieces[-1] = [*pieces[-1], *last, *check, *leave]
        return pieces

    @classmethod
    def _radiation_calls(cls, p: Mapping[str, Any], statics: Any, share: float) -> list[MapCall]:
        """What particles radiate in a share of the length, in the elements' own frames; nothing without a field."""
        return []

    @classmethod
    def _arc_length(cls, p: Mapping[str, Any]) -> Any:
        """Length of the reference orbit."""
        return p["length"]

    @classmethod
    def _align(cls, p: Mapping[str, Any]) -> tuple[list[MapCall], list[MapCall]]:
        """Into the frame of displaced elements, and out of it."""
        return align_calls(p)

    @classmethod
    def _lower_faces(cls, p: Mapping[str, Any], statics: Any) -> tuple[list[MapCall], list[MapCall]]:
        """What acts at the entrance and at the exit."""
        return [], []

    @classmethod
    def _lower_body(
        cls, p: Mapping[str, Any], statics: Any, begin: float = 0.0, end: Any = 1.0
    ) -> list[MapCall]:
        """What acts between the faces, from `begin` to `end` in fractions of the length."""
        raise TypeError(f"{cls.__name__} does not say how it is tracked")

    @classmethod
    def _lower_until(cls, p: Mapping[str, Any], statics: Any, part: Any) -> tuple[list[MapCall], list[MapCall]]:
        """What acts from the entrance face to a part of the length, an array over elements, and what undoes it."""
        return cls._lower_body(p, statics, 0.0, part), cls._lower_body(p, statics, 0.0, -part)

    @classmethod
    def _align_inside(cls, p: Mapping[str, Any], part: Any) -> tuple[list[MapCall], list[MapCall]]:
        """Out of the frame of displaced elements at a part of the length, and back into it."""
        enter, leave = align_calls(p)
        return leave, enter


def piece_of(p: Mapping[str, Any], begin: float, end: Any, *names: str) -> Mapping[str, Any]:
    """Parameters of a piece of a body: it has a share of what is integrated over the length, which is `names`."""
    part = end - begin
    if isinstance(part, float) and part == 1.0:
        return p
    shares = {n: [part * v for v in p[n]] if isinstance(p[n], list) else part * p[n] for n in names}
    return {**p, **shares}


def holds_middle(begin: float, end: float) -> bool:
    """Whether what acts in the middle of an element acts in the piece from `begin` to `end`."""
    return begin < 0.5 <= end


ANY = (-math.inf, math.inf)
POSITIVE = (0.0, math.inf)
NOT_NEGATIVE = (math.nextafter(0.0, -1.0), math.inf)
#: free parameters of all elements
ALIGNMENT = {"dx": ANY, "dy": ANY, "tilt": ANY}


def free_parameters(element: Element) -> Mapping[str, tuple[float, float]]:
    """See `Element._free`; of classes derived from others, what those say does not count."""
    for kind in type(element).__mro__:
        if {"__post_init__", "_body_statics", "statics", "lower"} & vars(kind).keys():
            return element._free() if "_free" in vars(kind) and kind is not Element else {}
    return {}


Names = Callable[[type[Element]], tuple[str, ...]]


def per_class(function: Names) -> Names:
    """Work out once per element class."""
    cached: Any = cache(function)  # mypy does not take a dataclass for hashable
    wrapped: Names = cached
    return wrapped


@per_class
def parameter_names(cls: type[Element]) -> tuple[str, ...]:
    """Names of the real parameters of an element class (those that have a derivative)."""
    return tuple(f.name for f in fields(cls) if str(f.type) in ("float", "float | None"))


@per_class
def optional_names(cls: type[Element]) -> tuple[str, ...]:
    """Names of real parameters that may be None, with a meaning given in the class."""
    return tuple(f.name for f in fields(cls) if str(f.type) == "float | None")


@per_class
def series_names(cls: type[Element]) -> tuple[str, ...]:
    """Names of parameters that are lists of numbers."""
    return tuple(f.name for f in fields(cls) if str(f.type).startswith("tuple[float, ..."))
