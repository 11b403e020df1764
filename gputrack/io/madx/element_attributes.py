"""Attributes of one element on their way to a gputrack element: each must be used, irrelevant, or at its default."""

from __future__ import annotations

from typing import Any

from gputrack.base.errors import InputError, LatticeFileError
from gputrack.elements import Aperture
from gputrack.io.madx.classes import CLASSES, IRRELEVANT
from gputrack.io.madx.environment import Deferred, Environment, MadxElement, Stored
from gputrack.io.madx.ignored import Report


class Given:
    """Values of an element's attributes; remembers which were asked for."""

    def __init__(self, element: MadxElement, environment: Environment) -> None:
        self.element = element
        self.environment = environment
        self._used: set[str] = set()

    def error(self, text: str) -> LatticeFileError:
        """An error that names the element and its place."""
        return self.element.where.error(f"{self.element.kind} '{self.element.name}': {text}")

    def _stored(self, name: str) -> Stored:
        self._used.add(name)
        return self.environment.attribute(self.element, name, self.element.where)

    def number(self, name: str) -> float:
        """Value of a number."""
        return self._value(self._stored(name))

    def _value(self, stored: Stored) -> float:
        assert isinstance(stored, (float, Deferred))
        return self.environment.number(stored, self.element.where)

    def vector(self, name: str) -> list[float]:
        """Values of a list, without zeros at its end."""
        stored = self._stored(name)
        assert isinstance(stored, tuple)
        values = [self._value(entry) for entry in stored]
        while values and values[-1] == 0.0:
            values.pop()
        return values

    def word(self, name: str) -> str:
        """Value of a word."""
        stored = self._stored(name)
        assert isinstance(stored, str)
        return stored

    def numbers(self, **names: str) -> dict[str, Any]:
        """Values by gputrack's names, for MAD-X's names."""
        return {ours: self.number(madx) for ours, madx in names.items()}

    # -- what many classes share -------------------------------------------------------------------

    def placed(self) -> dict[str, Any]:
        """name, length, aperture, and tilt, dx, dy: what any straight element may have."""
        return {**self.named(), "length": self.number("l"), **self.numbers(tilt="tilt", dx="dx", dy="dy")}

    def named(self) -> dict[str, Any]:
        """name and aperture."""
        return {"name": self.element.name, "aperture": self.aperture()}

    def aperture(self) -> Aperture | None:
        """The aperture, where half widths are given.

        circle {r}, ellipse {a, b}, rectangle {w, h}, rectellipse {w, h, a, b}, rectcircle and lhcscreen {w, h, r}.
        """
        shape, offset = self.word("apertype"), self.vector("aper_offset")
        sizes, tilt = self.vector("aperture"), self.number("aper_tilt")
        if not sizes:
            return None
        if offset or tilt:
            raise self.error("aper_offset and aper_tilt have no counterpart in gputrack; remove them")
        try:
            return _aperture(shape, sizes)
        except InputError as error:
            raise self.error(str(error)) from None
        except ValueError:
            known = "circle, ellipse, rectangle, rectellipse, rectcircle, lhcscreen"
            raise self.error(
                f"apertype = {shape} with {len(sizes)} sizes has no counterpart in gputrack; known are {known}"
            ) from None

    def finish(self, report: Report) -> None:
        """Refuse attributes that were given, were not asked for and matter; note those that do not.

        Raises
        ------
        LatticeFileError
            An attribute would be lost.
        """
        defaults = CLASSES[self.element.kind]
        for name, stored in self.element.attributes.items():
            if name in self._used:
                continue
            if name in IRRELEVANT:
                report.note(f"attribute '{name}' does not enter tracking", self.element.where)
            elif self._differs(stored, defaults[name]):
                raise self.error(f"attribute '{name}' has no counterpart in gputrack; remove it")

    def _differs(self, stored: Stored, default: object) -> bool:
        if isinstance(stored, tuple):
            return any(self._value(entry) for entry in stored)
        if isinstance(stored, (bool, str)):
            return stored != default
        return self._value(stored) != default


def _aperture(shape: str, sizes: list[float]) -> Aperture:
    """Raises ValueError where there is no such aperture."""
    if shape == "circle":
        (radius,) = sizes
        return Aperture(ellipse=(radius, radius))
    if shape == "ellipse":
        a, b = sizes
        return Aperture(ellipse=(a, b))
    if shape == "rectangle":
        w, h = sizes
        return Aperture(rectangle=(w, h))
    if shape in ("rectcircle", "lhcscreen"):
        w, h, radius = sizes
        return Aperture(rectangle=(w, h), ellipse=(radius, radius))
    if shape == "rectellipse":
        w, h, a, b = sizes
        return Aperture(rectangle=(w, h), ellipse=(a, b))
    raise ValueError(shape)
