"""Kernel sources: text generated from the maps, and one flattened source of the kernel files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gputrack.backends.structs import STRUCTS
from gputrack.base.c_struct import struct_texts
from gputrack.base.errors import BackendError
from gputrack.base.kernel_files import flatten, kernel_folder
from gputrack.elements.map import MAPS, MapKind, built_in_maps

#: maps handled by the loop over ops itself
SPECIAL = ("aperture", "record")


def struct_name(kind: MapKind) -> str:
    """Name of the struct of a map's constants in the kernels."""
    return "".join(part.capitalize() for part in kind.name.split("_")) + "Op"


def map_name(kind: MapKind) -> str:
    """Name of the struct of a map's functions in the kernels."""
    return struct_name(kind).removesuffix("Op") + "Map"


def constants_name(kind: MapKind) -> str:
    """Name of the template of that struct over the type of the constants: double, or a type with derivatives."""
    return struct_name(kind).removesuffix("Op") + "Constants"


def host_kinds(kinds: frozenset[MapKind]) -> list[MapKind]:
    """Maps of a library of the host, see `Program.build_kinds`."""
    return [*kinds] or built_in_maps()


def op_structs(kinds: Iterable[MapKind]) -> str:
    """Structs of constants, op codes, and functions to unpack them, of all built-in maps and of those in `kinds`."""
    lines = []
    for kind in [*built_in_maps(), *(kind for kind in _ordered(kinds) if not kind.built_in)]:
        lines.append(f"enum {{ CODE_{kind.name} = {kind.code} }};")
        members = [f"int {name};" for name in kind.integers]
        members += [f"C {name};" for name in kind.constants]
        members += [f"const C* {name};" for name in kind.series]
        lines.append(f"template <class C> struct {constants_name(kind)} {{ {' '.join(members)} }};")
        lines.append(f"using {struct_name(kind)} = {constants_name(kind)}<double>;")
        lines.append(_unpack(kind))
        lines.append(_bars(kind))
    return "\n".join(lines) + "\n"


def _unpack(kind: MapKind) -> str:
    name = struct_name(kind)
    body = [f"op.{field} = integers[{2 + i}];" for i, field in enumerate(kind.integers)]
    body += [f"op.{field} = constants[{i}];" for i, field in enumerate(kind.constants)]
    place = str(len(kind.constants))
    for field, count in kind.series.items():
        body.append(f"op.{field} = constants + {place};")
        place += f" + op.{count}"
    own = f"{constants_name(kind)}<C>"
    return (
        f"template <class C> GT_INLINE {own} unpack_{name}(const int* integers, const C* constants) "
        f"{{ {own} op; {' '.join(body)} return op; }}"
    )


def _bars(kind: MapKind) -> str:
    """Struct of pointers to which the adjoint adds the derivatives with respect to an op's constants.

    SCALARS is the number of scalar constants, which precede those in series; SERIES is 1 if there are series.
    """
    name = struct_name(kind).removesuffix("Op") + "Bar"
    fields = [*kind.constants, *kind.series]
    places = [f"base + {i}" for i in range(len(kind.constants))]
    place = f"base + {len(kind.constants)}"
    for count in kind.series.values():
        places.append(place)
        place += f" + op.{count}"
    counts = f"SCALARS = {len(kind.constants)}", f"SERIES = {int(bool(kind.series))}"
    own = " ".join(f"static constexpr int {count};" for count in counts)
    return (
        f"template <class T> struct {name} {{ {own} {' '.join(f'T* {field};' for field in fields)} }};\n"
        f"GT_INLINE int size_of(const {struct_name(kind)}& op) {{ return {place.removeprefix('base + ')}; }}\n"
        f"template <class T> GT_INLINE {name}<T> bars(const {struct_name(kind)}& op, T* base) "
        f"{{ return {{{', '.join(places)}}}; }}"
    )


def _ordered(kinds: Iterable[MapKind]) -> list[MapKind]:
    """In the order of their declaration, so that equal kinds make equal texts."""
    return sorted(kinds, key=lambda kind: kind.code)


def maps_text(kinds: Iterable[MapKind]) -> str:
    """Structs of the maps' functions, and the only switch over op codes.

    ``at_op(integers, constants, action)`` unpacks the op at `integers` and calls ``action.map(XMap(), op)``,
    ``action.aperture(op)`` or ``action.record(op)``. The functions of XMap are those of the map x:
    ``apply(s, op, ref)``, its inverse ``undo``, and its adjoint ``pull(s, g, op, bar, ref)``.
    """
    chosen = [kind for kind in _ordered(kinds) if kind.name not in SPECIAL]
    cases = [_case(kind, f"action.map({map_name(kind)}(), {{}})") for kind in chosen]
    cases += [_case(MAPS[name], f"action.{name}({{}})") for name in SPECIAL]
    return (
        "".join(map(_map_struct, chosen))
        + "template <class C, class Action> GT_INLINE void at_op(const int* integers, const C* constants, "
        + f"const Action& action) {{ switch (integers[0]) {{ {' '.join(cases)} }} }}\n"
    )


def _case(kind: MapKind, call: str) -> str:
    constants = "constants" if kind.constants or kind.series else "(const double*)nullptr"
    op = f"unpack_{struct_name(kind)}(integers, {constants})"
    return f"case CODE_{kind.name}: return {call.format(op)};"


def _map_struct(kind: MapKind) -> str:
    functions = (
        ("apply", kind.forward.__name__, "State<T>& s, const Op& op, const Ref& ref", "s, op, ref"),
        ("undo", kind.inverse.__name__, "State<T>& s, const Op& op, const Ref& ref", "s, op, ref"),
    )
    lines = [
        f"template <class T, class Op, class Ref> GT_INLINE static void {name}({parameters}) {{ {own}({values}); }}"
        for name, own, parameters, values in functions
    ]
    lines.append(
        "template <class T, class Op, class Bar> GT_INLINE static void pull(State<T>& s, Costate<T>& g, const Op& op, "
        f"const Bar& bar, const Reference& ref) {{ {kind.name}_adjoint(s, g, op, bar, ref); }}"
    )
    return f"struct {map_name(kind)} {{ {' '.join(lines)} }};\n"


def flattened(entry: str, kinds: Iterable[MapKind], defines: str = "", generated: str = "") -> str:
    """Source text: target.h, generated structs, the maps in `kinds`, and an entry file such as ``host/track.h``.

    `defines` are lines at the beginning, `generated` is text after target.h and the structs. Each file is included
    once; ``#line`` directives refer compilers' messages to the files.

    Raises
    ------
    BackendError
        Two kinds have the same name.
    """
    seen: set[Path] = set()
    folder = kernel_folder()
    own = _ordered({*kinds, *(MAPS[name] for name in SPECIAL)} - {MAPS["record"]})
    _require_names(own)
    headers = dict.fromkeys(_header(kind) for kind in own)
    head = defines + flatten(folder / "target.h", seen)
    parts = [generated, op_structs(own), *(flatten(header, seen) for header in headers)]
    text = "".join([*parts, maps_text(own), flatten(folder / entry, seen)])
    return head + struct_texts(STRUCTS, text) + text


def _header(kind: MapKind) -> Path:
    return kernel_folder() / "elements" / f"{kind.header}.h" if kind.built_in else Path(kind.header)


def _require_names(kinds: list[MapKind]) -> None:
    names = [kind.name for kind in kinds]
    for name in names:
        if names.count(name) > 1:
            raise BackendError(f"two maps are named {name!r}: make the lattice anew, of elements of one class")


def flattened_alone(entry: str, defines: str = "") -> str:
    """Source text of an entry file that needs no maps of elements, such as ``host/pipe_modes.h``."""
    seen: set[Path] = set()
    head, text = (flatten(kernel_folder() / name, seen) for name in ("target.h", entry))
    return defines + head + struct_texts(STRUCTS, text) + text
