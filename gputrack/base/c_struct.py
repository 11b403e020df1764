"""Structs passed from Python to kernels: C text, ctypes and kernel arguments from one table of members."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class CType:
    """Type of a member.

    Attributes
    ----------
    text : str
        Its name in C.
    memory : ctypes type
        In a struct.
    argument : NumPy scalar type
        As CuPy passes it to a kernel.
    declaration : str
        C text that must stand before it.
    """

    text: str
    memory: Any
    argument: type[np.generic]
    declaration: str = ""


INT = CType("int", ctypes.c_int32, np.int32)
INTEGER = CType("Integer", ctypes.c_int64, np.int64)
DOUBLE = CType("double", ctypes.c_double, np.float64)


def pointer(to: str, declaration: str = "") -> CType:
    """Type of a pointer, for example to ``"const double"``."""
    return CType(f"{to}*", ctypes.c_void_p, np.uint64, declaration)


@dataclass(frozen=True)
class Member:
    """Member of a struct: its name, its type, and a note on shape, unit and meaning for the reader."""

    name: str
    type: CType | Struct
    note: str = ""


class Struct:
    """Struct with the same members in Python and in kernels.

    Parameters
    ----------
    name : str
        In C.
    note : str
        Its purpose.
    *members : Member
        In order.
    template : str, optional
        Name of a C++ template over the type of all members, which are then double; `name` is its instance for double.

    Attributes
    ----------
    memory : type of ctypes.Structure
        The struct as it lies in memory.
    """

    def __init__(self, name: str, note: str, *members: Member, template: str = "") -> None:
        assert not template or all(member.type is DOUBLE for member in members)
        self.name, self.note, self.members, self.template = name, note, members, template

    @cached_property
    def memory(self) -> type[ctypes.Structure]:
        """The struct as it lies in memory."""
        fields = [(member.name, member.type.memory) for member in self.members]
        return type(self.name, (ctypes.Structure,), {"_fields_": fields, "__doc__": self.note})

    @property
    def text(self) -> str:
        """C text of one line for each declaration, the struct, its size, and the macros of its kernel arguments.

        ``GT_PARAMETERS(Name)`` are the members one by one, as parameters of a kernel: they live in constant memory and
        cost no registers. ``GT_FROM_PARAMETERS(Name)`` is the struct made of these.
        """
        head = dict.fromkeys(m.type.declaration for m in self.members if isinstance(m.type, CType))
        return "".join(
            f"{line}\n"
            for line in (
                *filter(None, head),
                self._definition(),
                f'static_assert(sizeof({self.name}) == {ctypes.sizeof(self.memory)}, "as in Python");',
                f"#define GT_PARAMETERS_{self.name} {', '.join(f'{t.text} {n}' for n, t in self.parameters())}",
                f"#define GT_FROM_PARAMETERS_{self.name} {self._from_parameters()}",
            )
        )

    def _definition(self) -> str:
        if not self.template:
            return f"struct {self.name} {{ {' '.join(f'{_text(m.type)} {m.name};' for m in self.members)} }};"
        members = " ".join(f"C {m.name};" for m in self.members)
        return (
            f"template <class C> struct {self.template} {{ {members} }};\nusing {self.name} = {self.template}<double>;"
        )

    def parameters(self, prefix: str = "given_") -> Iterator[tuple[str, CType]]:
        """Names and types of kernel parameters: members, those of a struct within it under the name of both."""
        for member in self.members:
            if isinstance(member.type, Struct):
                yield from member.type.parameters(f"{prefix}{member.name}_")
            else:
                yield prefix + member.name, member.type

    def _from_parameters(self, prefix: str = "given_") -> str:
        values = (
            m.type._from_parameters(f"{prefix}{m.name}_") if isinstance(m.type, Struct) else prefix + m.name
            for m in self.members
        )
        return f"{{{', '.join(values)}}}"

    def arguments(self, value: Any) -> tuple[np.generic, ...]:
        """The members of an instance one by one, each with its C type, as CuPy passes them to a kernel."""
        found: list[np.generic] = []
        for member in self.members:
            own = getattr(value, member.name)
            if isinstance(member.type, Struct):
                found += member.type.arguments(own)
            else:
                found.append(member.type.argument(own or 0))
        return tuple(found)

    def within(self) -> Iterator[Struct]:
        """The structs that are its members, innermost first, and itself last."""
        for member in self.members:
            if isinstance(member.type, Struct):
                yield from member.type.within()
        yield self


def _text(kind: CType | Struct) -> str:
    return kind.name if isinstance(kind, Struct) else kind.text


_MACROS = (
    "#define GT_PARAMETERS(Struct) GT_PARAMETERS_##Struct\n"
    "#define GT_FROM_PARAMETERS(Struct) GT_FROM_PARAMETERS_##Struct\n"
)


def struct_texts(structs: Iterable[Struct], source: str) -> str:
    """C text of those structs that a source names, each behind the ones that it holds."""
    words = set(re.findall(r"\w+", source))
    named = [struct for struct in structs if {struct.name, struct.template} & words]
    chosen = dict.fromkeys(inner for struct in named for inner in struct.within())
    return _MACROS + "".join(struct.text for struct in chosen)


def address_of(array: np.ndarray) -> int:
    """Address of a contiguous array's memory, 0 for an empty one."""
    if not array.size:
        return 0
    if array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))  # in a fraction of the time of array.ctypes
    assert array.flags.c_contiguous
    address: int = array.ctypes.data
    return address
