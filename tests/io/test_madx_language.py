"""Expressions, statements and their refusal, one by one; values against MAD-X."""

import math

import pytest

from gputrack.base.errors import InputError, LatticeFileError
from gputrack.io.madx.interpreter import Interpreter

EXPRESSIONS = {
    "sign_power": "-2^2", "powers": "2^3^2", "root": "2^0.5*2", "product": "10/2/5", "sum": "10-3-2+1", "plus": "+3",
    "mixed": "1+2*3^2/3-4", "brackets": "-(1-(2+3))*2", "decimal": ".5+5.", "exponent": "1.5E-3+2d2",
    "constants": "pi+twopi+degrad+raddeg+e+clight+qelect+amu0+hbar", "trig": "sin(.3)+cos(.4)+tan(.5)",
    "inverse": "asin(.3)+acos(.4)+atan(.5)", "hyperbolic": "sinh(.3)+cosh(.4)+tanh(.5)",
    "logs": "log(3)+log10(5)+exp(.2)+sqrt(7)+abs(-3)", "error": "erf(.3)+erfc(.4)+sinc(2)+sinc(0)",
    "rounding": "floor(-1.5)+10*ceil(-1.5)+100*round(2.5)+1000*round(-1.5)+10000*frac(-1.5)",
    "random": "ranf()+10*ranf()", "normal": "gauss()+10*tgauss(1)", "attribute": "q->l*2+q->k1+r->l",
}  # fmt: skip


def run(text, tmp_path):
    path = tmp_path / "test.madx"
    path.write_text(text)
    interpreter = Interpreter()
    interpreter.run_main(path)
    return interpreter.environment


def value(environment, name):
    from gputrack.io.madx.source import Where

    return environment.variable(name, Where("test", 1))


def test_expressions_have_the_values_of_madx(tmp_path, madx):
    text = "q: quadrupole, l=1.5, k1=2; r: rbend, l=1, angle=0.3;\n" + "".join(
        f"x_{name} = {expression};\n" for name, expression in EXPRESSIONS.items()
    )
    environment, peer = run(text, tmp_path), madx(tmp_path)
    peer.run(text)
    for name, expected in peer.globals(f"x_{name}" for name in EXPRESSIONS).items():
        assert value(environment, name) == pytest.approx(expected, rel=1e-15), name


SCRIPTS = [
    ("x := 2*y; y = 3; z = x; y = 4;", "xz"),
    ("int x = 3.7; real y = 2; const z = 1;", "xyz"),
    ("X = 2; y = x; x = 5;", "xy"),
    ("x = 1; if (x > 2) {y = 1;} elseif (x == 1) {y = 2;} else {y = 3;} z = 4;", "yz"),
    ("x = 1; if (x > 2 || x <> 1) {y = 1;} else {if (x >= 1 && x <= 1) {y = 5;}}", "y"),
    ("x = 0; y = 0; while (x < 5) {x = x + 1; y = y + x;}", "xy"),
    ("q: quadrupole, l := a; p: q; a = 3; x = p->l; q, l := 2*a; y = p->l; z = q->l;", "xyz"),
    ("q: quadrupole, l=1; q2: q, k1=2; q2->l=3; x=q2->l; y=q->l; q3: q2; z=q3->k1;", "xyz"),
    ("a = 2; q: quadrupole, l = 1; q->k1 := a; a = 3; x = q->k1;", "x"),
    ("q: quadrupole, l=1, k1=2; q: quadrupole, l=3; x = q->k1;", "x"),
    ("q: quadrupole, l=1, l:=2; x = q->l;", "x"),
    ("r: rbend, l=1, angle=.4; x = r->l; option, -rbarc; y = r->l;", "xy"),
    ("x = 1;;; y = 2; ! z = 3;\nz = 4; // z = 5;\n/* z = 6;\n z = 7; */", "xyz"),
    ("beam, particle=ion, mass=2, charge=3, energy=7; x = beam->pc; y = beam->brho; z = beam->gamma;", "xyz"),
    ("beam, sequence=s, particle=ion, mass=1, energy=2; beam, energy=5; x = beam->energy; z = beam%s->energy;", "xz"),
    ("x = 3; stop; x = 4;", "x"),
]


@pytest.mark.parametrize(("text", "names"), SCRIPTS)
def test_scripts_have_the_effect_of_madx(tmp_path, madx, text, names):
    environment, peer = run(text, tmp_path), madx(tmp_path)
    peer.run(text)
    if "stop" not in text:
        for name, expected in peer.globals(names).items():
            assert value(environment, name) == pytest.approx(expected, rel=1e-14), name
    else:
        assert value(environment, "x") == 3.0


def test_calls_are_found_beside_the_caller_and_beside_the_first_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.madx").write_text('call, file = b.madx; call, file = "sub/c.madx"; return; x = 9;')
    (tmp_path / "sub" / "b.madx").write_text("x = 1;")
    (tmp_path / "sub" / "c.madx").write_text("y = x + 1;")
    environment = run("call, file='sub/a.madx'; z = y + 1;", tmp_path)
    assert [value(environment, name) for name in "xyz"] == [1.0, 2.0, 3.0]


REFUSED = [
    ("q: quad, l=1;", "line 1: quad"),
    ("x = 1;\nq: quadrupole,\n l=1, foo=2;", "line 2: foo"),
    ("x = 1;\n\nbar, y=2;", "line 3: bar"),
    ("x = y;", "line 1: y"),
    ("\nx := y; z = 2*x;", "line 2: y"),
    ("x := x + 1; y = x;", "line 1: itself"),
    ("x := y; y := x; z = y;", "line 1: itself"),
    ("x = 1/0;", "line 1: not defined"),
    ("x = sqrt(-1);", "line 1: sqrt(-1)"),
    ("x = (-8)^(1/3);", "line 1: not defined"),
    ("x = 1e400;", "line 1: finite"),
    ("x = 9^9^9^9;", "line 1: not defined"),
    ("x = foo(3);", "line 1: foo"),
    ("x = sin(3, 4);", "line 1: sin"),
    ("x = 1 +* 2;", "line 1: '*'"),
    ("x = (1 + 2;", "line 1: ')'|(|end"),
    ("x = 1", "line 1: ';'"),
    ('title, "abc;\nx = 1;', "line 1: not closed"),
    ("x = 1; /* comment\n", "line 1: not closed"),
    ("pi = 3;", "line 1: pi"),
    ("const k = 1; k = 2;", "line 1: constant"),
    ("if (1 < 2) x = 1;", "line 1: braces"),
    ("if (1 < 2 && 2 < 3 && 3 < 4) {x = 1;}", "line 1: &&"),
    ("else {x = 1;}", "line 1: else"),
    ("x = 0; while (x < 1) {y = 2;}", "line 1: 100000"),
    ("if (1 < 2) {x = 1;", "line 1: not closed"),
    ("m(a): macro = {x = a;}\nexec, m(3);", "line 2: exec"),
    ("seqedit, sequence=s;", "line 1: seqedit"),
    ("match, sequence=s;", "line 1: match"),
    ('call, file="none.madx";', "line 1: none.madx"),
    ('call, file="test.madx";', "line 1: itself"),
    ("q: quadrupole; q->foo = 2;", "line 1: foo"),
    ("x = q->l;", "line 1: q"),
    ("q: quadrupole, tilt;", "line 1: tilt"),
    ("q: quadrupole, knl=abc;", "line 1: abc"),
    ("beam, particle=proton, mass=2;", "line 1: mass"),
    ("beam, particle=proton, charge=2;", "line 1: charge"),
    ("beam, charge=-1;", "line 1: charge"),
    ("beam, particle=foo;", "line 1: foo"),
    ("beam, particle=proton, energy=0.5;", "line 1: energy"),
    ("beam, particle=proton, energy=3, pc=3;", "line 1: contradicts"),
    ("beam, particle=proton, beta=1.5;", "line 1: beta"),
    ("beam, bv=-1;", "line 1: bv"),
    ("beam, foo=1;", "line 1: foo"),
    ("endsequence;", "line 1: endsequence"),
    ("s: sequence, l=3;\n q: quadrupole, at=1;", "line 1: s"),
    ("s: sequence; endsequence;", "line 1: length"),
    ("s: sequence, l=3; q: quadrupole; endsequence;", "line 1: at"),
    ("s: sequence, l=3, refer=middle; endsequence;", "line 1: middle"),
    ("use, sequence=s;", "line 1: s"),
    ("l: line = (2.5*q);", "line 1: 2.5"),
    ("l: line = (0*q);", "line 1: 0*"),
    ("x = 1é;", "line 1: é"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_errors_name_file_line_and_word(tmp_path, text, words):
    with pytest.raises(LatticeFileError) as caught:
        run(text, tmp_path)
    message = str(caught.value)
    line, _, word = words.removeprefix("line ").partition(": ")
    assert message.startswith(f"test.madx:{line}: ") and "\n" not in message
    assert any(one in message for one in word.split("|"))


def test_deferred_expressions_are_evaluated_once_between_assignments(tmp_path):
    """2^60 evaluations without memory."""
    text = "x0 = 1;" + "".join(f"x{i + 1} := x{i} + x{i};" for i in range(50)) + "y = x50;"
    assert value(run(text, tmp_path), "y") == 2.0**50


def test_work_is_bounded(tmp_path):
    text = "x0 = 1;" + "".join(f"x{i + 1} := x{i} + x{i} + 0*ranf();" for i in range(50)) + "y = x50;"
    with pytest.raises(LatticeFileError, match="steps"):
        run(text, tmp_path)


@pytest.mark.parametrize("text", ["-" * 5000 + "1", "(" * 5000 + "1" + ")" * 5000, "+".join(["1"] * 5000)])
def test_long_expressions_do_not_overflow(tmp_path, text):
    assert math.isfinite(value(run(f"x = {text};", tmp_path), "x"))


def test_path_that_is_no_path():
    from gputrack.io.madx import read_madx

    with pytest.raises(InputError):
        read_madx(3)
