"""Lattices as JSON files: exact round trip, versioned, without execution of code.

A file is ``{"format": "gputrack-lattice", "version": 1, "name": ..., "reference": {...}, "model": {...},
"elements": [{"class": "Quadrupole", "name": "qf", "length": 0.3, "k1": 1.2}, ...]}``. Elements omit fields with default
values; the model is written in full. Numbers are written with all digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from typing import Any

from gputrack.base.errors import InputError, LatticeFileError
from gputrack.base.files import read_text, require_path, write_text
from gputrack.base.reference import ReferenceParticle
from gputrack.collective import OpenField2D, OpenField3D, PipeBunch, PipeModes, Quantiles, UniformBins
from gputrack.elements import ELEMENT_TYPES, Aperture, RadiationKicks, SpaceChargeKicks
from gputrack.elements.bunch_slicing import EqualCharge, EqualDistance
from gputrack.elements.models import DriftKick, Exact, Expanded, FullEdge, LinearEdge, MatrixKick, Model, PTCEdge
from gputrack.elements.schemes import BlanesMoan, LaskarRobutel
from gputrack.lattice.lattice import Lattice

FORMAT, VERSION = "gputrack-lattice", 1
_TOP = ("format", "version", "name", "reference", "model", "elements")

Classes = Mapping[str, type[Any]]


def _named(*classes: type[Any]) -> Classes:
    return {kind.__name__: kind for kind in classes}


#: fields whose values are objects, with the permitted classes
_OBJECTS: dict[str, Classes] = {
    "aperture": _named(Aperture),
    "model": _named(Model),
    "space_charge": _named(SpaceChargeKicks),
    "radiation": _named(RadiationKicks),
    "field": _named(PipeModes, PipeBunch, OpenField2D, OpenField3D),
    "slicing": _named(UniformBins, Quantiles, EqualCharge, EqualDistance),
    "integrator": _named(DriftKick, MatrixKick),
    "order": _named(BlanesMoan, LaskarRobutel),
    "hamiltonian": _named(Exact, Expanded),
    "edge": _named(FullEdge, PTCEdge, LinearEdge),
}
_OR_NUMBER = ("order",)


def json_text(lattice: Lattice) -> str:
    """A lattice as JSON text, one element per line."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "name": lattice.name,
        "reference": None if lattice.reference is None else _encoded(lattice.reference, complete=True),
        "model": _encoded(lattice.model, complete=True),
    }
    head = json.dumps(content, indent=1, allow_nan=False)
    rows = ",\n  ".join(json.dumps(_encoded(element), allow_nan=False) for element in lattice)
    return f'{head[:-2]},\n "elements": [\n  {rows}\n ]\n}}\n'


def write_json(lattice: Lattice, path: str | PathLike[str]) -> None:
    """Write a lattice; `read_json` returns an equal one.

    Raises
    ------
    LatticeFileError
        The file cannot be written.
    """
    write_text(require_path(path), json_text(lattice))


def _encoded(thing: Any, complete: bool = False) -> Any:
    """Dataclasses as mappings that include the name of the class; other values unchanged."""
    if not hasattr(thing, "__dataclass_fields__"):
        return thing
    result: dict[str, Any] = {"class": type(thing).__name__}
    for field in fields(thing):
        value = getattr(thing, field.name)
        if complete or value != field.default:
            result[field.name] = _encoded(value, complete=True)
    return result


def read_json(path: str | PathLike[str]) -> Lattice:
    """Read a lattice written by `write_json`.

    Raises
    ------
    LatticeFileError
        The file is not a gputrack lattice; the message gives the file and the word.
    """
    path = require_path(path)
    text = read_text(path)
    try:
        return _lattice(json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant))
    except json.JSONDecodeError as error:
        raise LatticeFileError(f"{path.name}:{error.lineno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise LatticeFileError(f"{path.name}: is nested too deeply") from None
    except (InputError, _InvalidContent, ValueError, OverflowError) as error:
        message = " ".join(str(error).split())
        raise LatticeFileError(f"{path.name}: {message}") from None


class _InvalidContent(ValueError):
    """Valid JSON that does not describe a lattice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _InvalidContent(f"field {twice!r} occurs twice in one object")
    return result


def _refuse_constant(word: str) -> Any:
    raise _InvalidContent(f"{word} is not a finite number")


def _lattice(content: Any) -> Lattice:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _InvalidContent(f'is not a gputrack lattice: "format" must be "{FORMAT}"')
    version = content.get("version")
    if type(version) is not int or version != VERSION:
        raise _InvalidContent(f"version {_short(version)} is not supported; this gputrack reads version {VERSION}")
    _require_names("the lattice", content, _TOP)
    for name in _TOP:
        if name not in content:
            raise _InvalidContent(f"field {name!r} is missing")
    if not isinstance(content["name"], str) or not isinstance(content["elements"], list):
        raise _InvalidContent("'name' must be text and 'elements' a list")
    reference = content["reference"]
    return Lattice(
        [_element(entry, place) for place, entry in enumerate(content["elements"])],
        None if reference is None else _object("reference", reference, _named(ReferenceParticle)),
        name=content["name"],
        model=_object("model", content["model"], _OBJECTS["model"]),
    )


def _element(entry: Any, place: int) -> Any:
    try:
        return _object("element", entry, ELEMENT_TYPES)
    except ValueError as error:
        raise _InvalidContent(f"element {place}: {error}") from None


def _object(owner: str, entry: Any, classes: Classes) -> Any:
    """Object of one of `classes` from its fields."""
    if not isinstance(entry, dict) or not isinstance(entry.get("class"), str):
        raise _InvalidContent(f"{owner} must be an object with a 'class', got {_short(entry)}")
    kind = classes.get(entry["class"])
    if kind is None:
        raise _InvalidContent(f"{owner}: unknown class {_short(entry['class'])}; classes are {', '.join(classes)}")
    names = [field.name for field in fields(kind)]
    _require_names(kind.__name__, entry, ["class", *names])
    values = {name: _value(name, value) for name, value in entry.items() if name != "class"}
    try:
        return kind(**values)
    except TypeError:
        missing = ", ".join(name for name in names if name not in values)
        raise _InvalidContent(f"{kind.__name__}: required fields are missing, among {missing}") from None


def _value(name: str, value: Any) -> Any:
    if name in _OBJECTS and value is not None and not (name in _OR_NUMBER and isinstance(value, int)):
        return _object(name, value, _OBJECTS[name])
    if isinstance(value, dict):
        raise _InvalidContent(f"field {name!r} must not be an object")
    if isinstance(value, list):
        if any(isinstance(entry, bool) or not isinstance(entry, (int, float)) for entry in value):
            raise _InvalidContent(f"field {name!r} must be a list of numbers")
        return tuple(value)
    return value


def _require_names(owner: str, entry: Mapping[str, Any], known: Any) -> None:
    for name in entry:
        if name not in known:
            raise _InvalidContent(f"{owner} has no field {_short(name)}; its fields are {', '.join(known)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
