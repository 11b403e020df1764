"""Wakefield elements, of zero length, at the place of an impedance or lumped at one place of a ring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gputrack.base.checks import require_integer
from gputrack.collective.slices import Quantiles, UniformBins
from gputrack.collective.wake import COMPONENTS, WAKE, WakeEffect
from gputrack.collective.wake_functions import ResistiveWall, Resonators, Table
from gputrack.elements.drift import Marker
from gputrack.elements.element import Element
from gputrack.elements.interval import NOT_NEGATIVE, POSITIVE
from gputrack.elements.map import MapCall
from gputrack.elements.models import Model
from gputrack.elements.parameters import option, parameter, series
from gputrack.elements.statics import Body
from gputrack.elements.validation import number_series


@dataclass(frozen=True)
class WakeBody(Body):
    """Statics of a wakefield: all of it but its parameters."""

    effect: WakeEffect


@dataclass(frozen=True, kw_only=True)
class _Wake(Element):
    """A wakefield of one component.

    Parameters
    ----------
    slicing : UniformBins or Quantiles
    component : str
        "longitudinal", "dipolar_x", "dipolar_y" (proportional to the offset of the source), "quadrupolar_x",
        "quadrupolar_y" (proportional to the offset of the deflected particle).
    turns : int
        Number of earlier turns, of the same call of `track`, whose wake acts.
    period : float
        Distance between turns [m], beta0 c times the revolution time: the circumference of a ring. Required if
        turns > 0.

    Notes
    -----
    The charge is that of the real particles, given by the weights of the beam.
    """

    slicing: UniformBins | Quantiles = option()
    component: str = option("longitudinal")
    turns: int = option(0)
    period: float = parameter(unit="m", valid=NOT_NEGATIVE)

    ACTS_ON_BEAM: ClassVar[bool] = True
    #: parameters of the wake function, in the order in which `_make` takes them
    _VALUES: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length:
            raise self.input_error(f"length must be 0 m, got {self.length!r}; add a Drift for the length")
        if not isinstance(self.slicing, (UniformBins, Quantiles)):
            raise self.input_error(f"slicing must be gputrack.UniformBins or gputrack.Quantiles, got {self.slicing!r}")
        if self.component not in COMPONENTS:
            raise self.input_error(f"component must be one of {', '.join(COMPONENTS)}, got {self.component!r}")
        require_integer(self._owner, "turns", self.turns, at_least=0)
        if self.turns and not self.period:
            raise self.input_error("period must be > 0 m with turns > 0; give the circumference")

    def single_particle(self) -> Element:
        """A marker in its place, with its aperture."""
        return Marker(
            self.name, dx=self.dx, dy=self.dy, tilt=self.tilt, aperture=self.aperture, model=self.model
        )

    def body_statics(self, model: Model, active: frozenset[str]) -> WakeBody:
        """See `WakeBody`."""
        return WakeBody(
            WakeEffect(self._owner, self._make(), self.component, self.slicing, self.turns, self._count())
        )

    @property
    def _owner(self) -> str:
        """The element, for messages."""
        return f"{type(self).__name__} {self.name!r}"

    def _make(self) -> Any:
        raise NotImplementedError

    def _count(self) -> int:
        return sum(len(v) if isinstance(v, tuple) else 1 for v in (getattr(self, name) for name in self._VALUES))

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: WakeBody, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """One map of the whole beam."""
        values: list[Any] = []
        for name in cls._VALUES:
            values += p[name] if isinstance(p[name], list) else [p[name]]
        return [MapCall(WAKE, constants={"period": p["period"]}, series={"values": values}, effect=body.effect)]


@dataclass(frozen=True, kw_only=True)
class ResonatorWake(_Wake):
    """Wakefield of RLC resonators.

    Parameters
    ----------
    shunt_impedance : sequence of float
        Shunt impedances: [ohm] longitudinal, [ohm/m] transverse.
    frequency : sequence of float
        Resonance frequencies [Hz], > 0.
    quality : sequence of float
        Quality factors, > 0; values below 1/2 (overdamped) are allowed.

    See `_Wake` for the others.
    """

    shunt_impedance: tuple[float, ...] = series(unit="ohm")
    frequency: tuple[float, ...] = series(unit="Hz")
    quality: tuple[float, ...] = series()

    _VALUES: ClassVar[tuple[str, ...]] = ("shunt_impedance", "frequency", "quality")

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {name: len(getattr(self, name)) for name in self._VALUES}
        if len(set(sizes.values())) > 1 or not sizes["frequency"]:
            counts = ", ".join(f"{n} of {name}" for name, n in sizes.items())
            raise self.input_error(f"needs the same number of values, at least one, of each parameter, got {counts}")
        for name in ("frequency", "quality"):
            for value in getattr(self, name):
                if not value > 0:
                    raise self.input_error(f"{name} must be > 0, got {value!r}")

    def _make(self) -> Any:
        return Resonators


@dataclass(frozen=True, kw_only=True)
class ResistiveWallWake(_Wake):
    """Wakefield of the thick resistive wall of a round pipe, classical regime, longitudinal or dipolar.

    Parameters
    ----------
    wall_length : float
        Length of the pipe [m], >= 0.
    radius : float
        Inner radius [m], > 0.
    conductivity : float
        [S/m], > 0.

    See `_Wake` for the others. `slicing` must be `UniformBins`, which average the wake: it is infinite at 0.
    """

    wall_length: float = parameter(unit="m", valid=NOT_NEGATIVE)
    radius: float = parameter(unit="m", valid=POSITIVE)
    conductivity: float = parameter(unit="S/m", valid=POSITIVE)

    _VALUES: ClassVar[tuple[str, ...]] = ("wall_length", "radius", "conductivity")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.slicing, UniformBins):
            text = f"slicing must be gputrack.UniformBins, which average its wake, got {self.slicing!r}"
            raise self.input_error(text)
        if self.component.startswith("quadrupolar"):
            raise self.input_error(f"a round pipe has no quadrupolar wake, got component {self.component!r}")

    def _make(self) -> Any:
        return ResistiveWall


@dataclass(frozen=True)
class _TableOf:
    """Constructor of the wake function of a table."""

    owner: str
    distances: tuple[float, ...]
    wake: tuple[float, ...]

    def __call__(self, values: Any, transverse: bool, beta0: Any) -> Table:
        return Table(values, np.array(self.distances), np.array(self.wake), self.owner)


@dataclass(frozen=True, kw_only=True)
class TableWake(_Wake):
    """Wakefield interpolated linearly in a table.

    Parameters
    ----------
    distances : sequence of float
        Distances behind the source [m], increasing from 0.
    wake : sequence of float
        [V/C] longitudinal, [V/C/m] transverse; > 0 decelerates, and deflects towards the source's offset.
    factor : float
        Common factor; unlike the table it is differentiable.

    See `_Wake` for the others.
    """

    distances: tuple[float, ...] = option()
    wake: tuple[float, ...] = option()
    factor: float = parameter(1.0)

    _VALUES: ClassVar[tuple[str, ...]] = ("factor",)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("distances", "wake"):
            object.__setattr__(self, name, number_series(self, name, getattr(self, name), longest=None))
        if len(self.distances) != len(self.wake) or len(self.wake) < 2:
            counts = f"{len(self.distances)} and {len(self.wake)}"
            raise self.input_error(f"needs the same number of distances and wakes, at least 2, got {counts}")
        if self.distances[0] != 0.0 or min(np.diff(self.distances)) <= 0.0:
            raise self.input_error("distances must increase from 0 m")

    def _make(self) -> Any:
        return _TableOf(self._owner, self.distances, self.wake)
