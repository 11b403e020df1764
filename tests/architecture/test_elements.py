"""Element classes: statics are frozen dataclasses read by them alone; fields are declared; maps have roles."""

from __future__ import annotations

import ast
import dataclasses
from itertools import groupby

import numpy as np
import pytest
from support.cases import CASES
from support.rings import ELECTRON
from support.source_tree import modules, package_of, tree_of

import gputrack as gt
from gputrack.app.example_elements import EXAMPLES
from gputrack.collective.pipe_modes import PIPE_KICK
from gputrack.elements import ELEMENT_TYPES
from gputrack.elements.element import Element
from gputrack.elements.interval import POSITIVE
from gputrack.elements.models import DriftKick, Expanded, LinearEdge, Model
from gputrack.elements.observation import ObservationPoints
from gputrack.elements.parameters import declarations, option, parameter
from gputrack.elements.roles import Role
from gputrack.elements.statics import Body, Statics
from gputrack.lattice.program import compile_program

MODELS = [Model(), Model(DriftKick(), Expanded(), LinearEdge())]
ELEMENTS = {
    **{name: case.element for name, case in CASES.items()},
    **{example.element.name: example.element for example in EXAMPLES.values()},
}
MOVED = dict(dx=1e-3, dy=-5e-4, tilt=0.4)
FIELD = gt.SpaceChargeKicks(gt.PipeModes((1.0, 1.0), (2, 2)), 2)
OUTWARD = {Role.ENTER: Role.LEAVE, Role.ENTER_INNER: Role.LEAVE_INNER}
INWARD = {leave: enter for enter, leave in OUTWARD.items()}
#: kinds of maps with one role in all elements
ROLES = {
    "aperture": Role.CHECK, "unalign": Role.LEAVE, "boost": Role.ENTER_INNER, "unboost": Role.LEAVE_INNER,
    "edge": Role.FACE, "fringe": Role.FACE, "radiation": Role.KICK, "sector_radiation": Role.KICK,
    "solenoid_radiation": Role.KICK, PIPE_KICK.name: Role.KICK, "quadrupole": Role.BODY, "straight": Role.BODY,
    "bend": Role.BODY, "dipole": Role.BODY, "solenoid": Role.BODY, "rf_kick": Role.BODY, "slice_kick": Role.BODY,
}  # fmt: skip


def subclasses(kind: type) -> list[type]:
    return [kind, *(below for own in kind.__subclasses__() for below in subclasses(own))]


@pytest.mark.parametrize("name", [name for name in modules() if package_of(name) != "elements"])
def test_statics_are_read_in_elements_alone(name):
    """No other module has a variable, an argument or an attribute of that name; bodies are for their own classes."""
    for node in ast.walk(tree_of(name)):
        named = getattr(node, "id", None) or getattr(node, "arg", None) or getattr(node, "attr", None)
        assert named != "statics", f"{name}:{node.lineno} knows statics; ask an ElementForm (gputrack.elements.form)"
        if isinstance(node, ast.ImportFrom) and node.module == "gputrack.elements.statics":
            assert {alias.name for alias in node.names} <= {"Body", "NoBody"}, f"{name}:{node.lineno}"


@pytest.mark.parametrize("kind", [Statics, *subclasses(Body)], ids=lambda kind: kind.__name__)
def test_statics_are_frozen_dataclasses(kind):
    assert dataclasses.is_dataclass(kind) and "__dataclass_fields__" in vars(kind), "has no fields of its own"
    assert kind.__dataclass_params__.frozen


@pytest.mark.parametrize("name", ELEMENTS)
def test_statics_have_named_fields_and_are_hashable(name):
    for model in MODELS:
        statics = ELEMENTS[name].form(model).statics
        assert type(statics) is Statics and isinstance(statics.body, Body)
        assert hash(statics) == hash(ELEMENTS[name].replaced().form(model).statics)


@pytest.mark.parametrize("kind", [Element, *ELEMENT_TYPES.values()], ids=lambda kind: kind.__name__)
def test_every_field_is_declared(kind):
    assert [*declarations(kind)] == [field.name for field in dataclasses.fields(kind)]
    for name, own in declarations(kind).items():
        default = kind.__dataclass_fields__[name].default
        number = type(default) is float or (default is None and own.may_be_none)
        assert own.is_parameter == number, f"{name}: numbers are parameters, all others are options"


def test_a_field_that_is_not_declared_is_an_error():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class _Lens(Element):
        strength: float = 0.0

    with pytest.raises(TypeError, match=r"_Lens: field 'strength' is not declared; .* parameter\(...\)"):
        _Lens("l")


def variants(element: Element) -> list[Element]:
    made = [element, element.replaced(**MOVED, aperture=gt.Aperture((1.0, 1.0)))]
    if element.length:
        made.append(made[1].replaced(space_charge=FIELD))
    if element.RADIATION_KICKS and (element.length or getattr(element, "lrad", 0.0)):
        made += [one.replaced(radiation=gt.RadiationKicks(3)) for one in made]
    return made


@pytest.mark.parametrize("name", ELEMENTS)
def test_every_map_has_the_role_that_its_kind_and_place_say(name):
    for element in variants(ELEMENTS[name]):
        for model in MODELS:
            program = compile_program(gt.Lattice([element], ELECTRON, model=model), [(1, [0])])
            roles = [call.role for group in program.groups for call in group.calls]
            kinds = [call.kind.name for group in program.groups for call in group.calls]
            assert len(roles) + 1 == len(program), "one op is the record"
            assert roles == [ROLES.get(kind, role) for kind, role in zip(kinds, roles, strict=True)]
            aligned = bool(element.dx or element.dy or element.tilt)
            require_order(roles, aligned=aligned, checked=element.aperture is not None)


def require_order(roles: list[Role], *, aligned: bool, checked: bool) -> None:
    """Frames are entered before they are left; seen from the exit, elements are as seen from the entrance."""
    runs = [role for role, _ in groupby(roles)]  # a frame may be left in two steps
    assert [INWARD.get(role, OUTWARD.get(role, role)) for role in reversed(runs)] == runs
    depth = 0
    for role in runs:
        depth += (role in OUTWARD) - (role in INWARD)
        assert depth in (0, 1, 2)
        assert role not in (Role.BODY, Role.FACE, Role.CHECK) or depth >= aligned
    assert depth == 0 and (runs[:1] == [Role.ENTER]) == aligned
    assert roles.count(Role.CHECK) == 2 * checked
    body = [i for i, role in enumerate(roles) if role in (Role.BODY, Role.KICK)]
    outside = [i for i, role in enumerate(roles) if role in (Role.FACE, Role.CHECK)]
    assert not body or all(not min(body) < i < max(body) for i in outside)


def test_records_inside_elements_have_their_role():
    ring = gt.Lattice([gt.SectorBend("b", length=1.0, angle=0.1, e1=0.1, **MOVED)], ELECTRON)
    (group,) = compile_program(ring, points=ObservationPoints(1, np.zeros(2, int), np.array([0.3, 0.6]))).groups
    roles = [call.role for call in group.calls]
    assert [call.kind.name == "record" for call in group.calls] == [role is Role.RECORD for role in roles]
    assert roles.count(Role.RECORD) == 2
    first = roles.index(Role.RECORD)
    assert roles[first - 1] is Role.LEAVE and roles[first + 1] is Role.ENTER


def test_declared_defaults_and_limits_are_those_of_elements():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class _Plate(Element):
        gap: float | None = parameter(None, unit="m", valid=POSITIVE)
        sides: int = option(2)

    assert _Plate("p").gap is None and _Plate("p", gap=1).gap == 1.0 and _Plate("p", sides=4).sides == 4
    with pytest.raises(gt.errors.InputError, match=r"_Plate 'p': gap must be > 0 m, got 0\.0"):
        _Plate("p", gap=0.0)
