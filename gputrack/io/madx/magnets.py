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
from gputrack.io.madx.element_attributes import ElementAttributes


def _errors(attributes: ElementAttributes) -> dict[str, Any]:
    return {"knl": tuple(attributes.vector("knl")), "ksl": tuple(attributes.vector("ksl"))}


def _add(values: list[float], order: int, amount: float) -> None:
    if amount:
        values += [0.0] * (order + 1 - len(values))
        values[order] += amount


# -- straight magnets ----------------------------------------------------------------------------------


def quadrupole(attributes: ElementAttributes) -> Element:
    """Quadrupole with k1, k1s; a dipole error k0 is added to knl[0]."""
    placed = attributes.placed()
    knl = attributes.vector("knl")
    _add(knl, 0, attributes.number("k0") * attributes.number("l"))
    ksl = attributes.vector("ksl")
    return Quadrupole(**placed, **attributes.numbers(k1="k1", k1s="k1s"), knl=tuple(knl), ksl=tuple(ksl))


def sextupole(attributes: ElementAttributes) -> Element:
    """Sextupole with k2, k2s."""
    return Sextupole(**attributes.placed(), **attributes.numbers(k2="k2", k2s="k2s"), **_errors(attributes))


def octupole(attributes: ElementAttributes) -> Element:
    """Octupole with k3, k3s."""
    return Octupole(**attributes.placed(), **attributes.numbers(k3="k3", k3s="k3s"), **_errors(attributes))


def multipole(attributes: ElementAttributes) -> Element:
    """Thin multipole; the reference orbit is bent by ``angle``, or by knl[0] if that is not given."""
    placed = attributes.placed()
    knl, ksl = attributes.vector("knl"), attributes.vector("ksl")
    if ksl and ksl[0]:
        raise attributes.error(
            "ksl[0] is ambiguous: it bends the reference orbit in MAD-X's twiss but not in its survey; "
            "use knl[0] with tilt = pi/2 for a vertical bend, or a vkicker for a kick"
        )
    angle = attributes.number("angle") or (knl[0] if knl else 0.0)
    return Multipole(**placed, knl=tuple(knl), ksl=tuple(ksl), angle=angle, lrad=attributes.number("lrad"))


def solenoid(attributes: ElementAttributes) -> Element:
    """Thick solenoid; MAD-X uses the integrated strength ksi for length 0 only."""
    placed = attributes.placed()
    ks, ksi = attributes.number("ks"), attributes.number("ksi")
    if not placed["length"] and (ks or ksi):
        raise attributes.error("a thin solenoid has no exact map; give it a length and ks")
    return Solenoid(**placed, ks=ks)


# -- bends ---------------------------------------------------------------------------------------------


def sbend(attributes: ElementAttributes) -> Element:
    """Sector bend; the length is the arc length."""
    length = attributes.number("l")
    return _bend(attributes, SectorBend, length, length, 0.0)


def rbend(attributes: ElementAttributes) -> Element:
    """Rectangular bend; the length is the chord, or with ``option, -rbarc`` the arc.

    In the latter case it becomes a sector bend with the same faces, whose length needs no conversion.
    """
    length, half = attributes.number("l"), 0.5 * attributes.number("angle")
    if not attributes.environment.used_rbarc:
        return _bend(attributes, SectorBend, length, length, half)
    arc = length * half / math.sin(half) if 0.0 < abs(half) < math.pi else length
    return _bend(attributes, RectangularBend, length, arc, 0.0)


def _bend(attributes: ElementAttributes, kind: type[Any], length: float, arc: float, face: float) -> Element:
    knl, ksl = attributes.vector("knl"), attributes.vector("ksl")
    _add(knl, 3, attributes.number("k3") * arc)
    for order, name in ((1, "k1s"), (2, "k2s"), (3, "k3s")):
        _add(ksl, order, attributes.number(name) * arc)
    values = attributes.numbers(angle="angle", k1="k1", k2="k2", fint="fint", hgap="hgap", tilt="tilt")
    k0, fintx = attributes.number("k0"), attributes.number("fintx")
    e1, e2 = attributes.number("e1") + face, attributes.number("e2") + face
    if not length and not any((*values.values(), k0, *knl, *ksl)):
        return Marker(**attributes.named())
    return kind(  # type: ignore[no-any-return]
        **attributes.named(), length=length, **values, e1=e1, e2=e2, knl=tuple(knl), ksl=tuple(ksl),
        k0=k0 or None,  # 0 means angle/length in MAD-X
        fintx=None if fintx == -1.0 else fintx,  # -1 means fint in MAD-X
    )  # fmt: skip


# -- correctors ----------------------------------------------------------------------------------------


def hkicker(attributes: ElementAttributes) -> Element:
    """Horizontal corrector; its kick is ``kick`` or ``hkick``."""
    return HKicker(**attributes.placed(), kick=_one_kick(attributes, "hkick"))


def vkicker(attributes: ElementAttributes) -> Element:
    """Vertical corrector; its kick is ``kick`` or ``vkick``."""
    return VKicker(**attributes.placed(), kick=_one_kick(attributes, "vkick"))


def kicker(attributes: ElementAttributes) -> Element:
    """Corrector in both planes."""
    return Kicker(**attributes.placed(), **attributes.numbers(hkick="hkick", vkick="vkick"))


def _one_kick(attributes: ElementAttributes, other: str) -> float:
    kick, second = attributes.number("kick"), attributes.number(other)
    if kick and second and kick != second:
        raise attributes.error(f"kick = {kick:g} contradicts {other} = {second:g}; give one of them")
    return kick or second
