"""Driving terms by name, at the start and along the ring, with tables and pictures; base class of all methods."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp

from gputrack.base.arrays import Array, untraced
from gputrack.base.dataframe import data_frame
from gputrack.base.errors import InputError
from gputrack.optics.driving.names import Powers, exponents_of, turns
from gputrack.optics.linear.twiss_columns import Twiss


@dataclass(frozen=True)
class Detuning:
    """Tune shifts with amplitude, d Q/d J [1/m], with x^2 = 2 beta_x J_x cos^2(phi_x).

    Attributes
    ----------
    dqx_djx, dqx_djy, dqy_djy : float
        d Qx/d Jx, d Qx/d Jy (= d Qy/d Jx) and d Qy/d Jy.
    """

    dqx_djx: Any
    dqx_djy: Any
    dqy_djy: Any


class DrivingTerms(Mapping[str, complex], ABC):
    """Driving terms of a ring: ``terms["h21000"]`` or ``terms.h21000`` at its start, ``terms.along("h21000")``.

    Generating functions are named likewise: ``terms["f21000"]``, ``terms.along("f21000")``. See
    `gputrack.optics.driving.driving_terms` for the conventions.

    Attributes
    ----------
    twiss : Twiss
        Twiss parameters of the ring with its cavities off.
    """

    twiss: Twiss

    # -- computed by each method ---------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """Names of the requested terms."""

    @abstractmethod
    def _theory(self) -> str:
        """Short description of the method."""

    @abstractmethod
    def _h(self, powers: Powers, along: bool) -> Any:
        """Term at the start, or at all rows of twiss, (rows,)."""

    @abstractmethod
    def _f(self, powers: Powers, along: bool) -> Any:
        """Generating function of a term, likewise."""

    @property
    @abstractmethod
    def detuning(self) -> Detuning:
        """Tune shifts with amplitude."""

    # -- terms ---------------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        """Term at the start of the ring, [m^(1 - order/2)] with order = j + k + l + m."""
        return self._value(name, False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getattr__(self, name: str) -> Any:
        if name[:1] in ("h", "f") and name[1:].isdigit():
            return self[name]
        raise AttributeError(name)

    def along(self, name: str) -> Array:
        """Term with the entrance of each element, and the end, as point of observation; (rows of twiss,)."""
        return self._value(name, True)

    def generating(self, name: str) -> Any:
        """Generating function of a term "hjklmp" at the start, ``self["fjklmp"]``.

        Raises
        ------
        InputError
            The term, like h11001, has no phase and hence no generating function.
        """
        return self[f"f{str(name)[1:]}"]

    def _value(self, name: str, along: bool) -> Any:
        of_map = "h" + name[1:] if isinstance(name, str) and name.startswith("f") else name
        if of_map not in self._names:
            known = ", ".join(self._names)
            raise InputError(f"DrivingTerms: {name!r} was not computed; computed are {known}; request it with terms=")
        powers = exponents_of(of_map)
        if of_map == name:
            return self._h(powers, along)
        if turns(powers) == (0, 0):
            raise InputError(f"DrivingTerms: {of_map} shifts tunes and drives no resonance")
        return self._f(powers, along)

    def turned(self, powers: Powers) -> Any:
        """Factor exp(2 pi i ((j-k) Qx + (l-m) Qy)) of a term for one turn."""
        x, y = turns(powers)
        return anp.exp(2j * math.pi * (x * self.twiss.qx + y * self.twiss.qy))

    def unwound(self, powers: Powers) -> Array:
        """Factor exp(-i phase) that refers a term to each row of twiss instead of the start, (rows,)."""
        x, y = turns(powers)
        return anp.exp(-2j * math.pi * (x * self.twiss.mux + y * self.twiss.muy))

    # -- output --------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        values = {name: complex(untraced(self[name])) for name in self}
        rows = [f"  {name}  {value:.8g}  |{name}| = {abs(value):.8g}" for name, value in values.items()]
        return "\n".join([f"<DrivingTerms of {self.twiss.lattice.name!r}, {self._theory()}:", *rows]) + ">"

    def to_pandas(self) -> Any:
        """All terms along the ring, as complex columns of a `pandas.DataFrame` with the names of places and s.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame({"name": self.twiss.name, "s": self.twiss.s, **{name: self.along(name) for name in self}})

    def plot(self) -> Any:
        """Picture of |h| along the ring, for each order, as a `matplotlib.figure.Figure`."""
        from gputrack.optics import plotting  # matplotlib takes half a second to import

        return plotting.driving_figure(self)


class DrivingMethod(ABC):
    """Method for the computation of driving terms."""

    @abstractmethod
    def terms(self, names: tuple[str, ...] | None, optics: Twiss) -> DrivingTerms:
        """Terms of a coasting ring by name; the default set if `names` is None."""
