"""Interpreter of MAD-X statements: calls, conditions, loops, definitions and commands."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from gputrack.base.files import read_text
from gputrack.io.madx.actions import ACTIONS
from gputrack.io.madx.commands import SKIPPED, UNSUPPORTED
from gputrack.io.madx.definitions import assign, define, define_line, update, update_immediately
from gputrack.io.madx.environment import Environment
from gputrack.io.madx.expressions import Expression, evaluate
from gputrack.io.madx.ignored import Report
from gputrack.io.madx.sequences import end_sequence, place_by_name
from gputrack.io.madx.source import If, Macro, Simple, Statement, Where, While, split
from gputrack.io.madx.statements import Assign, Command, Define, DefineLine, Parsed, SetAttribute
from gputrack.io.madx.syntax import parse, parse_condition

MAX_CALLS = 20
MAX_ITERATIONS = 100_000
# The first word of a command: a name that is not followed by =, :, ( or ->.
_COMMAND = re.compile(r"([a-z][\w.$#@]*)\s*(?![\w.$#@\s:=(]|->)", re.IGNORECASE)
_CALL = re.compile(r"""call\s*,?\s*file\s*:?=\s*("[^"]*"|'[^']*'|[^\s,"']+)\s*""", re.IGNORECASE)


class Stop(Exception):
    """stop, exit, quit: the remaining text is not read."""


class Return(Exception):
    """return: the remaining text of the called file is not read."""


class Interpreter:
    """Executes files in an `Environment`; a `Report` lists the statements that are ignored."""

    def __init__(self) -> None:
        self.environment = Environment()
        self.report = Report()
        self._files: list[Path] = []
        self._parsed: dict[Simple, Parsed] = {}
        self._conditions: dict[str, Expression] = {}

    def run_main(self, path: Path) -> None:
        """Execute the main file."""
        with suppress(Stop):
            self._run_file(path)
        opened = self.environment.open_sequence
        if opened is not None:
            raise opened.where.error(f"sequence '{opened.name}' has no 'endsequence'")

    def _run_file(self, path: Path) -> None:
        text = read_text(path)
        self._files.append(path)
        with suppress(Return):
            self._run(split(text, path.name))
        self._files.pop()

    def _run(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            if isinstance(statement, Simple):
                self._simple(statement)
            elif isinstance(statement, If):
                self._if(statement)
            elif isinstance(statement, While):
                self._while(statement)
            else:
                self._macro(statement)

    # -- conditions and loops ----------------------------------------------------------------------

    def _holds(self, condition: str, where: Where) -> bool:
        self.environment.count(10, where)
        if condition not in self._conditions:
            self._conditions[condition] = parse_condition(condition, where)
        return bool(evaluate(self._conditions[condition], self.environment, where))

    def _if(self, statement: If) -> None:
        for branch in statement.branches:
            if not branch.condition or self._holds(branch.condition, branch.where):
                self._run(branch.body)
                return

    def _while(self, statement: While) -> None:
        branch = statement.branch
        for _ in range(MAX_ITERATIONS):
            if not self._holds(branch.condition, branch.where):
                return
            self._run(branch.body)
        raise branch.where.error(f"'while' has not ended after {MAX_ITERATIONS} iterations")

    def _macro(self, statement: Macro) -> None:
        self.report.note(f"macro '{statement.name}' is ignored", statement.where)

    # -- one statement -------------------------------------------------------------------------------

    def _simple(self, statement: Simple) -> None:
        text, where = statement.text, statement.where
        self.environment.count(10, where)
        command = _COMMAND.match(text)
        if command and self._run_command(command[1].lower(), text, where):
            return
        parsed = self._parsed.get(statement)
        if parsed is None:
            parsed = self._parsed[statement] = parse(text, where)
        self._apply(parsed, where)

    def _run_command(self, word: str, text: str, where: Where) -> bool:
        """Execute a command that needs no parsing of its attributes; False if `word` is not one."""
        if word in self.environment.elements or word in self.environment.sequences:
            return False
        if word in SKIPPED:
            self.report.note(f"command '{word}' is ignored", where)
        elif word in UNSUPPORTED:
            raise where.error(f"command '{word}' is not supported: {UNSUPPORTED[word]}")
        elif word == "call":
            self._call(text, where)
        elif word in ("stop", "exit", "quit"):
            raise Stop
        elif word == "return":
            raise Return
        elif word == "endsequence":
            end_sequence(self.environment, where)
        else:
            return False
        return True

    def _apply(self, parsed: Parsed, where: Where) -> None:
        environment = self.environment
        if isinstance(parsed, Define):
            define(parsed, environment, self.report, where)
        elif isinstance(parsed, Assign):
            assign(parsed, environment, self.report, where)
        elif isinstance(parsed, DefineLine):
            define_line(parsed, environment, where)
        elif isinstance(parsed, SetAttribute):
            update_immediately(parsed, environment, self.report, where)
        elif isinstance(parsed, Command):
            self._command(parsed, where)
        else:
            self.report.note("declaration without a value", where)

    def _command(self, parsed: Command, where: Where) -> None:
        environment = self.environment
        if parsed.name in ACTIONS:
            ACTIONS[parsed.name](parsed.attributes, environment, self.report, where)
        elif environment.open_sequence is not None:
            place_by_name(environment.open_sequence, parsed, environment, where)
        else:
            update(parsed.name, parsed.attributes, environment, where)

    # -- call ----------------------------------------------------------------------------------------

    def _call(self, text: str, where: Where) -> None:
        found = _CALL.fullmatch(text)
        if not found:
            raise where.error('the syntax is: call, file = "name";')
        path = self._find(found[1].strip("\"'"), where)
        if len(self._files) >= MAX_CALLS:
            raise where.error(f"calls are nested deeper than {MAX_CALLS}")
        if path.resolve() in [other.resolve() for other in self._files]:
            raise where.error(f"file '{path.name}' calls itself")
        self._run_file(path)

    def _find(self, name: str, where: Where) -> Path:
        """Path of a called file, beside the calling file or the main file (MAD-X's usual working directory)."""
        if not name or "\0" in name:
            raise where.error(f"'{name}' is not the name of a file")
        places = [self._files[-1].parent / name, self._files[0].parent / name]
        try:
            found = [place for place in places if place.is_file()]
        except OSError:
            found = []
        if not found:
            raise where.error(f"called file '{name}' does not exist")
        if len(found) == 2 and found[0].resolve() != found[1].resolve():
            raise where.error(f"called file '{name}' may be {found[0]} or {found[1]}; rename one of them")
        return found[0]
