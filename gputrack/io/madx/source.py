"""Separation of MAD-X text into statements: without comments, with nested blocks of if and while, and line numbers."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from gputrack.base.errors import LatticeFileError

MAX_NESTING = 40


class Where(NamedTuple):
    """Line of a file, for messages."""

    file: str
    line: int

    def error(self, text: str) -> LatticeFileError:
        """`LatticeFileError` whose one-line message begins with file and line."""
        return LatticeFileError(" ".join(f"{self.file}:{self.line}: {text}".split()))


@dataclass(frozen=True, eq=False)
class Simple:
    """A statement without its semicolon."""

    text: str
    where: Where


@dataclass(frozen=True, eq=False)
class Branch:
    """Condition (text, empty for else) and body of one branch."""

    condition: str
    where: Where
    body: tuple[Statement, ...]


@dataclass(frozen=True, eq=False)
class If:
    """if, elseif ... else."""

    branches: tuple[Branch, ...]
    where: Where


@dataclass(frozen=True, eq=False)
class While:
    """A loop."""

    branch: Branch
    where: Where


@dataclass(frozen=True, eq=False)
class Macro:
    """Name of a macro."""

    name: str
    where: Where


Statement = Simple | If | While | Macro

# Strings are matched first, so that an exclamation mark inside a string does not begin a comment.
_COMMENT = re.compile(r"""("[^"\n]*"|'[^'\n]*')|/\*.*?(?:\*/|\Z)|//[^\n]*|![^\n]*""", re.DOTALL)
_BLOCK = re.compile(r"(if|elseif|else|while)(?=\s*[({])", re.IGNORECASE)
_MACRO = re.compile(r"([a-z][\w.$#@]*)\s*(\([^(){};]*\))?\s*:\s*macro\s*=\s*(?=\{)", re.IGNORECASE)
_MARKS = re.compile(r"""[;{}()]|"[^"\n]*"|'[^'\n]*'|["']""")
_SKIP = re.compile(r"[\s;]*")
_CLOSING = {"(": ")", "{": "}"}


def split(text: str, file: str) -> tuple[Statement, ...]:
    """Statements of a whole file.

    Raises
    ------
    LatticeFileError
        A comment, string, bracket or statement is not closed, or blocks are nested too deeply.
    """
    return _Splitter(text, file).block(0, None, 0)[0]


class _Splitter:
    """Splitter of one file; positions are offsets into the text without comments."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.line_starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self.text = _COMMENT.sub(self._blank, text)

    def where(self, position: int) -> Where:
        return Where(self.file, bisect_right(self.line_starts, position))

    def _blank(self, comment: re.Match[str]) -> str:
        """Replace a comment by blanks, so that positions are preserved; strings are unchanged."""
        if comment[1]:
            return comment[0]
        if comment[0].startswith("/*") and (len(comment[0]) < 4 or not comment[0].endswith("*/")):
            raise self.where(comment.start()).error("comment '/*' is not closed by '*/'")
        return re.sub(r"[^\n]", " ", comment[0])

    def block(self, position: int, end: int | None, depth: int) -> tuple[tuple[Statement, ...], int]:
        """Statements from `position` up to `end` (the closing brace) or the end of the file."""
        if depth > MAX_NESTING:
            raise self.where(position).error(f"blocks are nested deeper than {MAX_NESTING}")
        end = len(self.text) if end is None else end
        statements: list[Statement] = []
        while (position := _SKIP.match(self.text, position, end).end()) < end:  # type: ignore[union-attr]
            statement, position = self._statement(position, end, depth, statements)
            if statement is not None:
                statements.append(statement)
        return tuple(statements), end

    def _statement(self, position: int, end: int, depth: int, before: list[Statement]) -> tuple[Statement | None, int]:
        if found := _BLOCK.match(self.text, position, end):
            return self._control(found[1].lower(), position, found.end(), end, depth, before)
        if found := _MACRO.match(self.text, position, end):
            close = self._closing(found.end(), end)
            return Macro(found[1].lower(), self.where(position)), close + 1
        stop = self._semicolon(position, end)
        return Simple(self.text[position:stop].rstrip(), self.where(position)), stop + 1

    def _control(
        self, word: str, position: int, after: int, end: int, depth: int, before: list[Statement]
    ) -> tuple[Statement | None, int]:
        where = self.where(position)
        after = _SKIP.match(self.text, after, end).end()  # type: ignore[union-attr]
        condition = ""
        if word != "else":
            if self.text[after] != "(":
                raise where.error(f"'{word}' needs a condition in parentheses")
            close = self._closing(after, end)
            condition, after = self.text[after : close + 1], close + 1
        after = _SKIP.match(self.text, after, end).end()  # type: ignore[union-attr]
        if after >= end or self.text[after] != "{":
            raise where.error(f"the body of '{word}' must be in braces")
        close = self._closing(after, end)
        body, _ = self.block(after + 1, close, depth + 1)
        return self._attach(word, Branch(condition, where, body), before), close + 1

    def _attach(self, word: str, branch: Branch, before: list[Statement]) -> Statement | None:
        """New statement, or None if the branch continues the previous one."""
        if word == "while":
            return While(branch, branch.where)
        if word == "if":
            return If((branch,), branch.where)
        last = before[-1] if before else None
        if not isinstance(last, If) or not last.branches[-1].condition:
            raise branch.where.error(f"'{word}' without preceding 'if'")
        before[-1] = If((*last.branches, branch), last.where)
        return None

    def _closing(self, position: int, end: int) -> int:
        """Position of the bracket that closes the one at `position`."""
        opened: list[str] = []
        for mark in _MARKS.finditer(self.text, position, end):
            sign = mark[0]
            if sign in _CLOSING:
                opened.append(_CLOSING[sign])
            elif sign in ")}":
                if not opened or sign != opened.pop():
                    raise self.where(mark.start()).error(f"'{sign}' without opening bracket")
                if not opened:
                    return mark.start()
            elif sign in "\"'":
                self._open_string(mark.start(), sign)
        raise self.where(position).error(f"'{self.text[position]}' is not closed")

    def _semicolon(self, position: int, end: int) -> int:
        depth = 0
        for mark in _MARKS.finditer(self.text, position, end):
            sign = mark[0]
            if sign in "{}":
                depth += 1 if sign == "{" else -1
            elif sign == ";" and depth <= 0:
                return mark.start()
            elif sign in "\"'":
                self._open_string(mark.start(), sign)
        word = self.text[position : position + 30].split("\n")[0]
        raise self.where(position).error(f"the statement '{word}' is not ended by ';'")

    def _open_string(self, position: int, sign: str) -> NoReturn:
        raise self.where(position).error(f"the string that begins with {sign} is not closed on its line")
