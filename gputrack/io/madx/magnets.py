"""Magnets of MAD-X as gputrack elements."""

from __future__ import annotations

import math
from typing import Any

from gputrack.elements import (
    Element,
    HKicker,
    Kicker,
    Marker,
    Multipole,
    Octupole,
    Quadrupole,
    RectangularBend,
    SectorBend,
    Sextupole,
    Solenoid,
    VKicker,
)
from gputrack.io.madx.element_attributes import Given


def _errors(given: Given) -> dict[str, Any]:
    return {"knl": tuple(given.vector("knl")), "ksl": tuple(given.vector("ksl"))}


def _add(values: list[float], order: int, amount: float) -> None:
    if amount:
        values += [0.0] * (order + 1 - len(values))
        values[order] += amount


# -- straight magnets ----------------------------------------------------------------------------------


def quadrupole(given: Given) -> Element:
    """k1, k1s; a dipole error k0 goes into knl[0]."""
    placed = given.placed()
    knl = given.vector("knl")
    _add(knl, 0, given.number("k0") * given.number("l"))
    return Quadrupole(**placed, **given.numbers(k1="k1", k1s="k1s"), knl=tuple(knl), ksl=tuple(given.vector("ksl")))


def sextupole(given: Given) -> Element:
    """k2, k2s."""
    return Sextupole(**given.placed(), **given.numbers(k2="k2", k2s="k2s"), **_errors(given))


def octupole(given: Given) -> Element:
    """k3, k3s."""
    return Octupole(**given.placed(), **given.numbers(k3="k3", k3s="k3s"), **_errors(given))


def multipole(given: Given) -> Element:
    """Thin multipole: knl[0] bends the reference orbit too, unless ``angle`` says by how much it is bent."""
    placed = given.placed()
    knl, ksl = given.vector("knl"), given.vector("ksl")
    if ksl and ksl[0]:
        raise given.error(
            "ksl[0]: MAD-X's twiss bends the reference orbit by it, its survey does not; "
            "write knl[0] with tilt = pi/2 for a vertical bend, or a vkicker for a kick"
        )
    angle = given.number("angle") or (knl[0] if knl else 0.0)
    return Multipole(**placed, knl=tuple(knl), ksl=tuple(ksl), angle=angle, lrad=given.number("lrad"))


def solenoid(given: Given) -> Element:
    """Thick solenoid; MAD-X uses the integrated strength ksi only where the length is 0."""
    placed = given.placed()
    ks, ksi = given.number("ks"), given.number("ksi")
    if not placed["length"] and (ks or ksi):
        raise given.error("a thin solenoid has no exact map; give it a length and ks")
    return Solenoid(**placed, ks=ks)


# -- bends ---------------------------------------------------------------------------------------------


def sbend(given: Given) -> Element:
    """Sector bend: the length is that of the arc."""
    length = given.number("l")
    return _bend(given, SectorBend, length, length, 0.0)


def rbend(given: Given) -> Element:
    """Rectangular bend: the length is that of the chord, with ``option, -rbarc`` that of the arc.

    In the latter case it becomes a sector bend with the same faces, so that its length keeps all digits.
    """
    length, half = given.number("l"), 0.5 * given.number("angle")
    if not given.environment.used_rbarc:
        return _bend(given, SectorBend, length, length, half)
    arc = length * half / math.sin(half) if 0.0 < abs(half) < math.pi else length
    return _bend(given, RectangularBend, length, arc, 0.0)


def _bend(given: Given, kind: type[Any], length: float, arc: float, face: float) -> Element:
    knl, ksl = given.vector("knl"), given.vector("ksl")
    _add(knl, 3, given.number("k3") * arc)
    for order, name in ((1, "k1s"), (2, "k2s"), (3, "k3s")):
        _add(ksl, order, given.number(name) * arc)
    values = given.numbers(angle="angle", k1="k1", k2="k2", fint="fint", hgap="hgap", tilt="tilt")
    k0, fintx = given.number("k0"), given.number("fintx")
    e1, e2 = given.number("e1") + face, given.number("e2") + face
    if not length and not any((*values.values(), k0, *knl, *ksl)):
        return Marker(**given.named())
    return kind(  # type: ignore[no-any-return]
        **given.named(), length=length, **values, e1=e1, e2=e2, knl=tuple(knl), ksl=tuple(ksl),
        k0=k0 or None,  # 0 is MAD-X's "as the angle says"
        fintx=None if fintx == -1.0 else fintx,  # -1 is MAD-X's "as fint"
    )  # fmt: skip


# -- correctors ----------------------------------------------------------------------------------------


def hkicker(given: Given) -> Element:
    """Kick ``kick``, or ``hkick`` where that is given instead."""
    return HKicker(**given.placed(), kick=_one_kick(given, "hkick"))


def vkicker(given: Given) -> Element:
    """Kick ``kick``, or ``vkick`` where that is given instead."""
    return VKicker(**given.placed(), kick=_one_kick(given, "vkick"))


def kicker(given: Given) -> Element:
    """Kicks in both planes."""
    return Kicker(**given.placed(), **given.numbers(hkick="hkick", vkick="vkick"))


def _one_kick(given: Given, other: str) -> float:
    kick, second = given.number("kick"), given.number(other)
    if kick and second and kick != second:
        raise given.error(f"kick = {kick:g} contradicts {other} = {second:g}; give one")
    return kick or second
