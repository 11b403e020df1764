"""Every public function with each wrong kind of each argument: one error of one line that names the argument."""

import inspect
import re

import numpy as np
import pytest
from support.wrong_arguments import CALLS, REFERENCE, RESULTS, RING, WRONG, Nothing

import gputrack as gt
from gputrack.base.errors import GputrackError, InputError

#: words of messages for arguments that are validated elsewhere under another name
WORDS = {"kicks_per_element": "number of kicks", "values": "values|k1", "select": "select|k1"}
#: values that are valid, though not sensible: any integer is a seed, a class is a function
VALID = {("seed", "a huge integer"), ("progress", "a type"), ("report", "a type"), ("function", "a type")}
#: wakes are validated in tests/collective
ELSEWHERE = {"ResistiveWallWake", "ResonatorWake", "TableWake"}


def test_all_public_functions_are_here():
    public = {name for name in gt.__all__ if callable(getattr(gt, name))}
    assert public - CALLS.keys() == RESULTS | ELSEWHERE


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("load", "save")])
def test_valid_arguments(name):
    function, arguments = CALLS[name]
    function(**arguments)


@pytest.mark.parametrize("name", CALLS)
def test_each_wrong_kind_of_each_argument(name):
    function, arguments = CALLS[name]
    for argument in arguments:
        for kind, value in WRONG.items():
            if (argument, kind) in VALID:
                continue
            with pytest.raises(GputrackError) as caught:
                function(**(arguments | {argument: value}))
            message = str(caught.value)
            assert "\n" not in message and re.search(WORDS.get(argument, argument), message), (argument, kind, message)
            assert isinstance(caught.value, InputError) and len(message) < 1000, (argument, kind, message)


@pytest.mark.parametrize("name", [n for n, (_, a) in CALLS.items() if "lattice" in a])
def test_a_file_name_in_place_of_a_lattice(name):
    function, arguments = CALLS[name]
    with pytest.raises(InputError, match=r"lattice must be a .*Lattice.*'ring\.madx'"):
        function(**(arguments | {"lattice": "ring.madx"}))


@pytest.mark.parametrize("kind", sorted(n for n in gt.__all__ if inspect.isclass(getattr(gt, n)) and n != "Element"
                                        and issubclass(getattr(gt, n), gt.Element)))  # fmt: skip
def test_misspelt_element_parameters(kind):
    with pytest.raises(InputError, match=f"{kind} 'e': no parameter 'lenght'; did you mean length\\? It has .*tilt"):
        getattr(gt, kind)("e", lenght=1.0)
    with pytest.raises(InputError, match=f"{kind}: only the name is positional"):
        getattr(gt, kind)("e", 1.0)


@pytest.mark.parametrize("derivative", [gt.grad, gt.value_and_grad, gt.jacobian,
                                        lambda f: lambda x: gt.jvp(f, (x,), (1.0,))])  # fmt: skip
def test_plain_numbers_of_traced_values(derivative):
    with pytest.raises(InputError, match=r"converts a value that is being differentiated.*float.*autograd\.numpy"):
        derivative(lambda x: float(x) ** 2)(1.0)
    with pytest.raises(InputError, match=r"k1 is being differentiated; set it by lattice\.with_knobs"):
        derivative(lambda x: gt.twiss(gt.Lattice([gt.Quadrupole("q", length=1.0, k1=x)], REFERENCE)).qx)(1.0)


def test_other_type_errors_inside_a_gradient_are_unchanged():
    with pytest.raises(TypeError, match="Nothing"):
        gt.grad(lambda x: x * Nothing())(1.0)


def test_unstable_planes_are_named():
    for k1, words in ((8.0, ["horizontal", "trace"]), (-8.0, ["vertical", "trace"])):
        changed = RING.with_changes("q[fd]", k1=k1)
        calls = (gt.twiss, gt.radiation, gt.driving_terms, lambda ring: gt.one_turn_map(ring, 2).normal_form())
        for call in calls:
            with pytest.raises(InputError) as caught:
                call(changed)
            assert all(word in str(caught.value) for word in words)


def test_entries_under_a_mask_are_not_used():
    whole = np.ma.array(np.full((6, 3), 1e-3), mask=False)
    assert gt.Beam(whole, REFERENCE).n == 3  # nothing is hidden
    whole[0, 1] = np.ma.masked
    with pytest.raises(InputError, match="mask"):
        gt.Beam(whole, REFERENCE)
