"""What all ways to driving terms give: terms by name, at the start and along the ring; tables and pictures of them."""

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
from gputrack.optics.linear.twiss import Twiss


@dataclass(frozen=True)
class Detuning:
    """Tune shifts with amplitude, d Q/d J [1/m], with x^2 = 2 beta_x J_x cos^2(phi_x).

    Attributes
    ----------
    dqx_djx, dqx_djy, dqy_djy : float
        d Qx/d Jy and d Qy/d Jx are the same.
    """

    dqx_djx: Any
    dqx_djy: Any
    dqy_djy: Any


class DrivingTerms(Mapping[str, complex], ABC):
    """Driving terms of a ring: ``terms["h21000"]`` or ``terms.h21000`` at its start, ``terms.along("h21000")``.

    Generating functions go by the same numbers: ``terms["f21000"]``, ``terms.along("f21000")``. See `driving_terms`
    for the conventions.

    Attributes
    ----------
    twiss : Twiss
        Of the ring with its cavities off.
    """

    twiss: Twiss

    # -- what each way works out ---------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """Of terms that were asked for."""

    @abstractmethod
    def _theory(self) -> str:
        """How they were found, in a few words."""

    @abstractmethod
    def _h(self, powers: Powers, along: bool) -> Any:
        """A term at the start, or (rows of twiss,) along the ring."""

    @abstractmethod
    def _f(self, powers: Powers, along: bool) -> Any:
        """Its generating function."""

    @property
    @abstractmethod
    def detuning(self) -> Detuning:
        """Tune shifts with amplitude."""

    # -- terms ---------------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        """A term at the start of the ring, [m^(1 - order/2)] with order = j + k + l + m."""
        return self._found(name, False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getattr__(self, name: str) -> Any:
        if name[:1] in ("h", "f") and name[1:].isdigit():
            return self[name]
        raise AttributeError(name)

    def along(self, name: str) -> Array:
        """(rows of twiss,) A term seen from the entrance of every element and from the end."""
        return self._found(name, True)

    def generating(self, name: str) -> Any:
        """``self["fjklmp"]``, the generating function of a term "hjklmp", at the start.

        Raises
        ------
        InputError
            The term does not turn, as of h11001: it has no generating function.
        """
        return self[f"f{str(name)[1:]}"]

    def _found(self, name: str, along: bool) -> Any:
        of_map = "h" + name[1:] if isinstance(name, str) and name.startswith("f") else name
        if of_map not in self._names:
            known = ", ".join(self._names)
            raise InputError(f"DrivingTerms: {name!r} was not computed, these were: {known}; ask for it with terms=")
        powers = exponents_of(of_map)
        if of_map == name:
            return self._h(powers, along)
        if turns(powers) == (0, 0):
            raise InputError(f"DrivingTerms: {of_map} shifts tunes, and drives no resonance")
        return self._f(powers, along)

    def turned(self, powers: Powers) -> Any:
        """exp(2 pi i ((j-k) Qx + (l-m) Qy)): by what a term is multiplied when it goes round once."""
        x, y = turns(powers)
        return anp.exp(2j * math.pi * (x * self.twiss.qx + y * self.twiss.qy))

    def unwound(self, powers: Powers) -> Array:
        """(rows of twiss,) exp(-i phase): from phases counted from the start to those from each row."""
        x, y = turns(powers)
        return anp.exp(-2j * math.pi * (x * self.twiss.mux + y * self.twiss.muy))

    # -- output --------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        found = {name: complex(untraced(self[name])) for name in self}
        rows = [f"  {name}  {value:.8g}  |{name}| = {abs(value):.8g}" for name, value in found.items()]
        return "\n".join([f"<DrivingTerms of {self.twiss.lattice.name!r}, {self._theory()}:", *rows]) + ">"

    def to_pandas(self) -> Any:
        """All terms along the ring, complex columns beside the names of places and s, as a `pandas.DataFrame`.

        Raises
        ------
        InputError
            pandas is not installed.
        """
        return data_frame({"name": self.twiss.name, "s": self.twiss.s, **{name: self.along(name) for name in self}})

    def plot(self) -> Any:
        """|h| along the ring under a strip of the lattice, order by order, as a `matplotlib.figure.Figure`."""
        from gputrack.optics import plotting  # matplotlib takes half a second to import

        return plotting.driving_figure(self)


class DrivingMethod(ABC):
    """A way to driving terms."""

    @abstractmethod
    def terms(self, names: tuple[str, ...] | None, optics: Twiss) -> DrivingTerms:
        """Terms of a coasting ring, by their names; the usual ones where not given."""
