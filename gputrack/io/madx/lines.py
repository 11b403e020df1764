"""Expansion of nested, repeated, reversed and parametrised lines."""

from __future__ import annotations

from gputrack.io.madx.environment import Environment, MadxLine
from gputrack.io.madx.source import Where
from gputrack.io.madx.statements import Item

MAX_ELEMENTS = 1_000_000
MAX_DEPTH = 60
Arguments = dict[str, list[str]]


def expand_line(line: MadxLine, environment: Environment) -> list[str]:
    """Names of the elements of a line, in order.

    Reversal changes only the order of elements: as in MAD-X, the faces of a bend are not exchanged.

    Raises
    ------
    LatticeFileError
        A name is not defined, a line contains itself, or there are more than `MAX_ELEMENTS` elements.
    """
    return _Expansion(environment).line(line, [], 0)


class _Expansion:
    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._expanded: dict[str, list[str]] = {}

    def line(self, line: MadxLine, arguments: list[list[str]], depth: int) -> list[str]:
        if depth > MAX_DEPTH:
            raise line.where.error(f"line '{line.name}' contains itself, or lines are nested deeper than {MAX_DEPTH}")
        if len(arguments) != len(line.formals):
            raise line.where.error(f"line '{line.name}' takes {len(line.formals)} arguments, got {len(arguments)}")
        if line.name in self._expanded:
            return self._expanded[line.name]
        names = self.items(line.items, dict(zip(line.formals, arguments, strict=True)), line.where, depth)
        if not line.formals:
            self._expanded[line.name] = names
        return names

    def items(self, items: tuple[Item, ...], arguments: Arguments, where: Where, depth: int) -> list[str]:
        names: list[str] = []
        for item in items:
            names += self.item(item, arguments, where, depth + 1)
            if len(names) > MAX_ELEMENTS:
                raise where.error(f"the line has more than {MAX_ELEMENTS} elements")
        return names

    def item(self, item: Item, arguments: Arguments, where: Where, depth: int) -> list[str]:
        self.environment.count(1, where)
        if depth > MAX_DEPTH:
            raise where.error(f"a line contains itself, or lines are nested deeper than {MAX_DEPTH}")
        if item.name is None:
            names = self.items(item.inside, arguments, where, depth)
        else:
            names = self.named(item.name, item.inside, arguments, where, depth)
        if len(names) * item.repeat > MAX_ELEMENTS:
            raise where.error(f"the line has more than {MAX_ELEMENTS} elements")
        self.environment.count(len(names) * item.repeat // 10, where)
        return names[:: -1 if item.reverse else 1] * item.repeat

    def named(self, name: str, inside: tuple[Item, ...], arguments: Arguments, where: Where, depth: int) -> list[str]:
        if name in arguments and not inside:
            return arguments[name]
        if name in self.environment.lines:
            line = self.environment.lines[name]
            return self.line(line, [self.item(i, arguments, where, depth) for i in inside], depth)
        if inside:
            raise where.error(f"'{name}' with arguments is not a line")
        if name in self.environment.elements:
            return [name]
        if name in self.environment.sequences:
            raise where.error(f"'{name}' is a sequence; MAD-X does not allow sequences in lines")
        raise where.error(f"line contains '{name}', which is not defined")
