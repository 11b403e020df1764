"""Malformed lattice files: a lattice or a one-line error that gives the offending text; and never a hang.

GPUTRACK_FUZZ sets the number of examples per test (300 by default).
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gputrack as gt
from gputrack.base.errors import InputError, LatticeFileError
from gputrack.io.json_lattice import json_text

MADX = Path(__file__).with_name("features.madx").read_text()
WORDS = [
    ";", ",", "(", ")", "{", "}", "=", ":=", ":", "->", "-", "+", "*", "/", "^", "^-9999", "1e308", "1e400", "-1", "0",
    "1000000*(", "99999999999", "'", '"', "!", "/*", "*/", "//", "\n", "\x00", "é", "#", "%", "@", "nan", "inf", "true",
    "while (1 > 0) {", "while (lq < 1) { x = 1; }", "if (1 < 2) {", "else {", "endsequence;", "sequence", "line",
    "use, sequence = ring;", "call, file = \"fuzz.madx\";", "return;", "stop;", "beam, energy = 0;", "macro = {",
    "lq := lq;", "dk := kf;", "cell, at = 3;", "inner: line = (arc, turn);", "qf: qd;", "qf->l := qd->l;", "mk,",
    "quadrupole", "knl = {", "from = mid", "from = last", "at = 1e300", "l = -1", "l := 0", "ranf()", "sqrt(-1)",
    "tgauss(0)", "beam->pc", "option, rbarc = dk;", "harmon = 1e300", "aperture = {0}", "apertype = octagon", "const ",
]  # fmt: skip
JSON_WORDS = [
    "{", "}", "[", "]", ",", ":", '"', "null", "true", "NaN", "-Infinity", "1e999", "-1", "1" * 5000,
    '"class": "Drift"',    '"class": "Model"', '"k9": 1', "[" * 2000, "\\ud800", "\\u0000", "0.5", '"x"', "\x00", "é",
]  # fmt: skip


def good_json():
    lattice = gt.Lattice(
        [
            gt.Quadrupole("q", length=1.0, k1=0.1, knl=(0.0, 1.0), aperture=gt.Aperture(ellipse=(1.0, 2.0))),
            gt.SectorBend("b", length=1.0, angle=0.1, model=gt.Model(gt.DriftKick(2, 1))),
            gt.RFCavity("r", voltage=1e6, frequency=5e8),
        ],
        gt.ReferenceParticle.electron(total=3e9),
        name="ring",
    )
    return json_text(lattice)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("malformed")


def mutations(text, words):
    """Texts after a few changes: pieces taken out, doubled, swapped, or replaced by dangerous words."""
    place = st.integers(0, len(text))
    change = st.tuples(place, st.integers(0, 40), st.sampled_from([*words, "DOUBLE", "MOVE"]), place)

    def apply(changes):
        result = text
        for start, length, word, other in changes:
            piece = result[start : start + length]
            if word == "DOUBLE":
                result = result[: start + length] + piece + result[start + length :]
            elif word == "MOVE":
                rest = result[:start] + result[start + length :]
                result = rest[:other] + piece + rest[other:]
            else:
                result = result[:start] + word + result[start + length :]
        return result

    return st.lists(change, min_size=1, max_size=4).map(apply)


def loads_or_refuses(text, path, sequence=None):
    """The only two outcomes."""
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    try:
        lattice = gt.load(path, sequence)
    except (LatticeFileError, InputError) as error:
        message = str(error)
        assert message and "\n" not in message and len(message) < 2000, message
    else:
        assert isinstance(lattice, gt.Lattice)


# The deadline detects hangs: the slowest bounded loops take about a second.
FUZZ = settings(
    max_examples=int(os.environ.get("GPUTRACK_FUZZ", "300")),
    deadline=20_000,
    suppress_health_check=[HealthCheck.too_slow],
)


@FUZZ
@given(text=mutations(MADX, WORDS), sequence=st.sampled_from([None, "ring", "turn"]))
def test_mutated_madx(folder, text, sequence):
    loads_or_refuses(text, folder / "fuzz.madx", sequence)


@FUZZ
@given(text=mutations(good_json(), JSON_WORDS))
def test_mutated_json(folder, text):
    loads_or_refuses(text, folder / "fuzz.json")


@FUZZ
@given(parts=st.lists(st.sampled_from([*WORDS, "x", "q", "s", " ", "1", "s: sequence, l=1;"]), max_size=30))
def test_words_in_any_order(folder, parts):
    loads_or_refuses("".join(parts), folder / "words.madx")


@FUZZ
@given(data=st.binary(max_size=200), name=st.sampled_from(["binary.madx", "binary.json"]))
def test_any_bytes(folder, data, name):
    loads_or_refuses(data.decode("latin-1"), folder / name)


@pytest.mark.parametrize("name", ["pipe.madx", "pipe.json"])
def test_a_pipe_does_not_block(tmp_path, name):
    path = tmp_path / name
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(path)
    with pytest.raises(LatticeFileError, match="not a regular file"):
        gt.load(path)
