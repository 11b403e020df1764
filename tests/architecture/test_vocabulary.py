"""Words that are never right here do not occur in names, docstrings, comments, messages and documents."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.source_tree import CHECKOUT, PACKAGE_FOLDERS, ROOT

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")
#: phrases, each with better ones
PHRASES = {
    "nobody": "no ...", "anybody": "any ...", "somebody": "a user, a caller", "who": "particles that, users that",
    "whom": "that", "judge": "reference implementation", "judged": "compared", "judges": "reference implementations",
    "mend": "remedy", "mended": "corrected", "culprit": "argument", "told": "given, reported", "honest": "exact",
    "room": "memory, space", "rooms": "memory, space", "ways out": "transformations to the lattice frame",
    "way out": "transformation to the lattice frame", "back to life": "restored", "comes to life": "is restored",
    "at the door": "argument validation", "public door": "public functions", "worked out": "computed",
    "give back the energy": "restore the energy", "gives the energy back": "restores the energy",
}  # fmt: skip
#: parts of names
PARTS = {"what", "who", "room", "rooms", "door", "mend", "culprit", "judge", "told", "honest", "nobody", "anybody"}
WORDS = re.compile(rf"\b(?:{'|'.join(f'[{p[0]}{p[0].upper()}]{p[1:]}' for p in PHRASES)})\b")
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def python_tokens(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, text and whether it is a name, of all names, strings and comments."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)):
                yield token.start[0], token.string, False
            elif token.type == tokenize.NAME:
                yield token.start[0], token.string, True


def lines_of(path: Path, comments: bool) -> Iterator[tuple[int, str, bool]]:
    """Lines of a document, or comments of a kernel."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("//")[2] if comments else line
        if text:
            yield number, text, False


def wrong_words(path: Path) -> list[str]:
    """Occurrences of words that are not used here."""
    name = path.relative_to(ROOT.parent if path.is_relative_to(ROOT) else CHECKOUT)
    tokens = python_tokens(path) if path.suffix == ".py" else lines_of(path, path.suffix == ".h")
    found = []
    for number, text, is_name in tokens:
        if is_name:
            words = sorted(PARTS.intersection(part.lower() for part in PART.findall(text)))
            better = dict.fromkeys(words, "a precise name")
        else:
            better = {word: PHRASES[word.lower()] for word in WORDS.findall(" ".join(text.split()))}
        found += [f"{name}:{number}: {word!r}; better: {b}" for word, b in better.items()]
    return found


@pytest.mark.parametrize("package", [*PACKAGE_FOLDERS, "errors", ""])
def test_words_in_a_package(package):
    paths = sorted((ROOT / package).rglob("*.py") if package else ROOT.glob("*.py"))
    wrong = [text for path in paths for text in wrong_words(path)]
    assert paths and not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["kernels", *DOCUMENTS])
def test_words_in_kernels_and_documents(folder):
    paths = sorted((CHECKOUT / folder).rglob("*.h")) if folder == "kernels" else [CHECKOUT / folder]
    wrong = [text for path in paths for text in wrong_words(path)]
    assert paths and not wrong, "\n".join(wrong)
