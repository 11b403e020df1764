"""Text descriptions of lattices."""

from __future__ import annotations

from gputrack.elements import Element
from gputrack.elements.parameters import parameter_names, series_names
from gputrack.lattice.places import LatticePlaces, orbit_length


class LatticeText(LatticePlaces):
    """Methods of `gputrack.Lattice` that return text."""

    def counts(self) -> dict[str, int]:
        """Number of elements of each class, most frequent first."""
        counts: dict[str, int] = {}
        for element in self.origin.elements:
            counts[type(element).__name__] = counts.get(type(element).__name__, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def __repr__(self) -> str:
        kinds = ", ".join(f"{n} {kind}" for kind, n in self.counts().items())
        return f"<Lattice {self.name!r}: {len(self)} elements, {self.length:.8g} m ({kinds})>"

    def table(self, first: int = 0, count: int = 40) -> str:
        """Readable table of `count` elements from `first` on: place, name, class, s, length, strengths."""
        rows = [f"{'':>5} {'name':<16} {'class':<16} {'s [m]':>12} {'length':>10}  parameters"]
        s = self.s
        for i in range(first, min(first + count, len(self))):
            element = self.elements[i]
            rows.append(
                f"{i:>5} {element.name:<16.16} {type(element).__name__:<16} {s[i]:>12.6f} "
                f"{orbit_length(element):>10.6f}  {describe(element)}"
            )
        if first + count < len(self):
            rows.append(f"      ... {len(self) - first - count} more")
        return "\n".join(rows)


def describe(element: Element) -> str:
    """Parameters of an element other than defaults, as text."""
    parts = []
    for name in (*parameter_names(type(element)), *series_names(type(element))):
        value = getattr(element, name)
        if name != "length" and value not in (0.0, None, ()):
            parts.append(f"{name}={value:.8g}" if isinstance(value, float) else f"{name}={list(value)}")
    return " ".join(parts)
