"""Sequences and lines: positions as in MAD-X, and refused input."""

import pytest
from support.peers.madx_peer import compare

from gputrack.base.errors import InputError, LatticeFileError

HEAD = "q: quadrupole, l=2, k1=.01; q4: quadrupole, l=4; d: drift, l=1; m: marker; b: rbend, l=1, angle=.4; beam;\n"
INNER = "s1: sequence, l=6{options}; a1: q, at={first}; a2: q, at={second}; endsequence;\n"

AGREE = {
    "centre": "s: sequence, l=20; a: q, at=1; b1: q, at=5; c: q, at=4, from=b1; endsequence;",
    "entry": "s: sequence, l=20, refer=entry; a: q, at=1; b1: q4, at=5; c: q, at=4, from=b1; endsequence;",
    "exit": "s: sequence, l=20, refer=exit; a: q, at=2; b1: q4, at=7; c: q, at=4, from=b1; endsequence;",
    "from_later": "s: sequence, l=20; a: q, at=-10, from=c; b1: q, at=5; c: q, at=13; endsequence;",
    "markers": "s: sequence, l=8; m1: m, at=4; b1: q, at=5; m2: m, at=6; m3: m, at=6; m4: m, at=8; endsequence;",
    "repeated": "s: sequence, l=8; q, at=2; q, at=6; endsequence;",
    "defined_inside": "s: sequence, l=8; p: quadrupole, l=2, k1=.2, at=2; r: p, at=6, k1=.3; endsequence;",
    "deferred": "p: quadrupole, l := lp; x = 3; "
    "s: sequence, l := 20; a: p, at := x; r: q, at=x+6; endsequence; x=4; lp=2;",
    "rbend": "s: sequence, l=5; b, at=2; b, at=4; endsequence;",
    "rbend_arc": "option, -rbarc; s: sequence, l=5; b, at=2; b, at=4; endsequence;",
    "redefined": "p: q; q, l=3; s: sequence, l=20; p, at=3; q, at=8; endsequence; q->l=1;",
    "rounding": "s: sequence, l=6; q, at=1; q, at=3+1e-9; q, at=5; endsequence;",
    "nested": INNER.format(options="", first=1.5, second=4.5)
    + "s: sequence, l=30; s1, at=5; c: q, at=15; endsequence;",
    "nested_entry": INNER.format(options=", refer=entry", first=0.5, second=3.5)
    + "s: sequence, l=30, refer=entry; s1, at=5; c: q, at=7, from=s1; endsequence;",
    "nested_exit": INNER.format(options="", first=1.5, second=4.5)
    + "s: sequence, l=30, refer=exit; s1, at=8; c: q, at=15; endsequence;",
    "refpos": INNER.format(options=", refpos=a2", first=1.5, second=4.5)
    + "s: sequence, l=30; s1, at=7; c: q, at=15; endsequence;",
    "refpos_entry": INNER.format(options=", refpos=a2, refer=entry", first=0.5, second=3.5)
    + "s: sequence, l=30, refer=entry; s1, at=7; c: q, at=15; endsequence;",
    "from_inside": INNER.format(options="", first=1.5, second=4.5)
    + "s: sequence, l=30; s1, at=5; c: q, at=12, from=a2; endsequence;",
    "twice_nested": INNER.format(options="", first=1.5, second=4.5)
    + "s2: sequence, l=8; s1, at=4; endsequence; s: sequence, l=30; s2, at=5; c: q, at=12, from=s2; endsequence;",
    "line": "l1: line=(q, d); s: line=(l1, -l1, 3*d, 2*(q, -l1), -2*(l1, q), -(2*l1));",
    "line_defined_late": "s: line=(l1, 2*l1); l1: line=(d, b);",
    "period": "s: line=(q, d); use, period=s;",
}


@pytest.mark.parametrize("name", AGREE)
def test_positions_are_those_of_madx(read_text, madx, tmp_path, name):
    text = HEAD + AGREE[name] + " use, sequence=s;"
    peer = madx(tmp_path)
    peer.run(text)
    compare(read_text(text).lattice, peer, "s", tolerance=2e-9 if name == "rounding" else 1e-13)


def names(read_text, text):
    return " ".join(read_text(HEAD + text, "s").lattice.names)


def test_lines_with_arguments(read_text):
    """MAD-X's manual; the program itself expands only the first of several calls."""
    assert names(read_text, "l(x, y): line=(x, y, -x); s: line=(l(q, d), l((d, m), 2*q));") == "q d q d m q q m d"
    assert names(read_text, "i(x): line=(x, m); l(x): line=(i(x), x); s: line=(l(d));") == "d m d"


def test_drifts_fill_the_gaps_and_are_numbered(read_text):
    assert names(read_text, "s: sequence, l=9; q, at=2; q, at=4; m, at=7; endsequence;") == (
        "drift_0 q q drift_1 m drift_2"
    )


def test_choice_of_the_sequence(read_text):
    text = HEAD + "s: line=(q, t); t: line=(d);"
    assert read_text(text).sequence == "s"  # t is a part of it
    assert read_text(text, "T").sequence == "t"
    assert read_text(text + "use, sequence=s; use, sequence=t;").sequence == "t"
    with pytest.raises(InputError, match="has no sequence or line 'u'; it has s, t"):
        read_text(text, "u")
    with pytest.raises(InputError, match="select one"):
        read_text(text + "u: line=(d);")
    with pytest.raises(LatticeFileError, match="neither a sequence nor a line"):
        read_text(HEAD)


def test_each_sequence_has_its_beam(read_text):
    text = HEAD + "s: line=(q); t: line=(d); beam, sequence=t, particle=electron, energy=3;"
    assert read_text(text, "t").lattice.reference.charge == -1.0
    assert read_text(text, "s").lattice.reference.charge == 1.0
    assert read_text("d: drift, l=1; s: line=(d);").lattice.reference is None


BOMB = "l0: line=(q, q);" + "".join(f"l{i + 1}: line=(l{i}, l{i});" for i in range(40)) + "s: line=(l40);"
REFUSED = {
    "bomb": (BOMB, "more than"),
    "overlap": ("s: sequence, l=20; a: q, at=5; c: q, at=6; endsequence;", "'a' and 'c' overlap by 1 m"),
    "order": ("s: sequence, l=20; a: q, at=15; c: q, at=5; endsequence;", "'a' and 'c' overlap"),
    "end": ("s: sequence, l=5; a: q, at=5; endsequence;", "'a' from 4 to 6 m extends beyond sequence 's'"),
    "begin": ("s: sequence, l=5; a: q, at=0; endsequence;", "'a' from -1"),
    "nested_end": (
        "t: sequence, l=1; a: q, at=1; endsequence; s: sequence, l=9; t, at=4; endsequence;",
        "extends beyond sequence 't'",
    ),
    "twice": ("s: sequence, l=9; a: q, at=1; a: q, at=5; endsequence;", "'a' is defined twice"),
    "unknown": ("s: sequence, l=9; foo, at=1; endsequence;", "'foo' is neither"),
    "attribute": ("s: sequence, l=9; q, at=1, k1=3; endsequence;", "'q, k1 = ...' in a sequence"),
    "from": ("s: sequence, l=9; a: q, at=1, from=foo; endsequence;", "'foo' is not in"),
    "from_many": ("s: sequence, l=9; q, at=1; q, at=3; a: q, at=4, from=q; endsequence;", "'q' occurs 2 times"),
    "circle": ("s: sequence, l=9; a: q, at=1, from=c; c: q, at=1, from=a; endsequence;", "depends on itself"),
    "refpos": (
        "t: sequence, l=4, refpos=foo; a: q, at=2; endsequence; s: sequence, l=9; t, at=4; endsequence;",
        "'foo' is not in",
    ),
    "line_unknown": ("s: line=(q, foo);", "'foo'"),
    "line_itself": ("s: line=(q, t); t: line=(s);", "contains itself"),
    "line_sequence": ("t: sequence, l=4; q, at=2; endsequence; s: line=(q, t);", "'t' is a sequence"),
    "arguments": ("t(x): line=(x); s: line=(t(q, d));", "takes 1 arguments, got 2"),
    "huge": ("s: line=(1000000*(q, 1000000*q));", "more than"),
    "range": ("s: line=(q); use, sequence=s, range=a/b;", "use with a range"),
    "inner_sequence": ("s: sequence, l=9; t: sequence, l=4; endsequence; endsequence;", "has no 'endsequence'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(read_text, name):
    text, message = REFUSED[name]
    with pytest.raises(LatticeFileError) as caught:
        read_text(HEAD + text, "s")
    assert message in str(caught.value)
    assert str(caught.value).startswith("test.madx:2: ")


def test_empty_sequences_nested_a_million_million_times_are_empty(read_text):
    text = "t0: sequence, l=1; endsequence;"
    text += "".join(f"t{i + 1}: sequence, l=1; {f't{i}, at=.5;' * 10} endsequence;" for i in range(12))
    assert read_text(text, "t12").lattice.names == ["drift_0"]
