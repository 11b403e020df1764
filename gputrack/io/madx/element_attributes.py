"""Access to the attributes of one element; each must be used, irrelevant, or at its default."""

from __future__ import annotations

from typing import Any

from gputrack.base.errors import InputError, LatticeFileError
from gputrack.elements import Aperture
from gputrack.io.madx.classes import CLASSES, IRRELEVANT
from gputrack.io.madx.environment import Deferred, Environment, MadxElement, Stored
from gputrack.io.madx.ignored import Report
from gputrack.io.madx.unsupported import as_written, effect


class ElementAttributes:
    """Values of the attributes of an element; records which were used."""

    def __init__(self, element: MadxElement, environment: Environment) -> None:
        self.element = element
        self.environment = environment
        self._used: set[str] = set()

    def error(self, text: str) -> LatticeFileError:
        """Error message that begins with file, line, class and name."""
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
        """Values of a list, without trailing zeros."""
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
        """Values of attributes, given as gputrack's name = MAD-X's name."""
        return {ours: self.number(madx) for ours, madx in names.items()}

    # -- attributes of many classes ----------------------------------------------------------------

    def placed(self) -> dict[str, Any]:
        """name, length, aperture, tilt, dx, dy: the arguments of all straight elements."""
        return {**self.named(), "length": self.number("l"), **self.numbers(tilt="tilt", dx="dx", dy="dy")}

    def named(self) -> dict[str, Any]:
        """name and aperture."""
        return {"name": self.element.name, "aperture": self.aperture()}

    def aperture(self) -> Aperture | None:
        """Aperture, or None if no half widths are given.

        circle {r}, ellipse {a, b}, rectangle {w, h}, rectellipse {w, h, a, b}, rectcircle and lhcscreen {w, h, r}.
        """
        shape, offset = self.word("apertype"), self.vector("aper_offset")
        sizes, tilt = self.vector("aperture"), self.number("aper_tilt")
        if not sizes:
            return None
        if offset or tilt:
            raise self.error("aper_offset and aper_tilt are not supported: apertures are centred and upright")
        try:
            return _aperture(shape, sizes)
        except InputError as error:
            raise self.error(str(error)) from None
        except ValueError:
            known = "circle, ellipse, rectangle, rectellipse, rectcircle, lhcscreen"
            raise self.error(
                f"apertype = {shape} with {len(sizes)} sizes is not supported; supported are {known}"
            ) from None

    def finish(self, report: Report) -> None:
        """Raise for unused attributes that affect particles; report the others.

        Raises
        ------
        LatticeFileError
            An attribute is not supported and differs from its default.
        """
        defaults = CLASSES[self.element.kind]
        for name, stored in self.element.attributes.items():
            if name in self._used:
                continue
            if name in IRRELEVANT:
                report.note(f"attribute '{name}' does not enter tracking", self.element.where)
            elif self._differs(stored, defaults[name]):
                raise self.error(
                    f"attribute '{name}' is not supported ({effect(self.element.kind, name)}); to read the element "
                    f"without it, write {name} = {as_written(defaults[name])}"
                )

    def _differs(self, stored: Stored, default: object) -> bool:
        if isinstance(stored, tuple):
            return any(self._value(entry) for entry in stored)
        if isinstance(stored, (bool, str)):
            return stored != default
        return self._value(stored) != default


def _aperture(shape: str, sizes: list[float]) -> Aperture:
    """Aperture of a shape; ValueError if there is none with these sizes."""
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
