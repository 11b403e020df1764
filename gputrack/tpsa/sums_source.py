"""Generated kernel text for one space: sums of products of coefficients, of one degree of the result at a time.

Both engines use it: the algebra of series (`gputrack.tpsa.kernel_source`) and the tracking of series
(`gputrack.backends.taylor.products_source`). Terms come from `gputrack.tpsa.tables`. Each function adds up, for rows k
of its degree, x_i y_j over the terms (i, j) of row k whose left factor has a degree in a given set. Access to
coefficients is a template parameter, see kernels/tpsa/sums.h.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gputrack.tpsa.space import Space
from gputrack.tpsa.tables import Terms

_PARAMETERS = "const A& at, {} D degrees, typename A::Factors x, typename A::Factors y, typename A::Results out"


@dataclass(frozen=True)
class Sums:
    """Sums of products to be generated as text.

    Attributes
    ----------
    name : str
        Name of the functions.
    space : Space
    terms : Terms
    group : int
        Number of rows with sums in registers at the same time; a left factor is loaded once for all that it divides.
    least_left, least_right : int
        Lowest degrees of the factors; other terms are omitted.
    squares : bool
        Whether both factors are the same series: each pair of different terms once, and half of each square, give half
        of the sums.
    """

    name: str
    space: Space
    terms: Terms
    group: int = 8
    least_left: int = 0
    least_right: int = 0
    squares: bool = False

    def count(self, degree: int) -> int:
        """Number of terms of the rows of one degree."""
        return sum(len(left) for left, _ in self._rows(degree))

    def straight(self, degree: int) -> str:
        """Function without loops or tables for the rows of one degree."""
        rows = list(self._rows(degree))
        first = self.space.first[degree]
        groups = (self._group(first + n, rows[n : n + self.group]) for n in range(0, len(rows), self.group))
        head = f"template <class A, class D> GT_APART void {self.name}_{degree}({_PARAMETERS.format('')})"
        return f"{head} {{\n{''.join(groups)}}}\n"

    def switch(self, bodies: dict[int, str]) -> str:
        """Function for all degrees, given the statement of each one."""
        cases = " ".join(f"case {degree}: {body} break;" for degree, body in bodies.items())
        head = f"template <class A, class D> GT_INLINE void {self.name}({_PARAMETERS.format('int degree,')})"
        return f"{head} {{ switch (degree) {{ {cases} }} }}\n"

    def call(self, degree: int) -> str:
        """Statement that calls the function of `straight`."""
        return f"{self.name}_{degree}(at, degrees, x, y, out);"

    def table_call(self, degree: int, prefix: str) -> str:
        """Statement that uses all terms of the tables of `terms_text` instead."""
        first, end = self.space.first[degree : degree + 2]
        tables = f"{self.space.order + 2}, {prefix}_STARTS, {prefix}_LEFT, {prefix}_RIGHT"
        return f"table_rows(at, degrees, {first}, {end}, {tables}, x, y, out);"

    def _rows(self, degree: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Left and right factors of each row of a degree."""
        starts, left, right = self.terms
        degrees = self.space.degrees
        for k in range(self.space.first[degree], self.space.first[degree + 1]):
            i, j = (factors[starts[k, 0] : starts[k, -1]] for factors in (left, right))
            wanted = (degrees[i] >= self.least_left) & (degrees[j] >= self.least_right)
            if self.squares:
                wanted &= i <= j
            yield i[wanted], j[wanted]

    def _group(self, first: int, rows: list[tuple[np.ndarray, np.ndarray]]) -> str:
        """Text for a few rows, from row `first` on."""
        steps: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        pairs = [(i, j, n) for n, row in enumerate(rows) for i, j in zip(*(f.tolist() for f in row), strict=True)]
        for i, j, n in sorted(pairs, key=lambda pair: pair[0]):
            half = "0.5 * " if self.squares and i == j else ""
            steps[int(self.space.degrees[i])][f"{half}at.load(x, {i})"].append(f"s{n} += v * at.load(y, {j});")
        sums = [f"s{n}" for n in range(len(rows))]
        lines = [f" {{ typename A::Value {', '.join(f'{s} = at.zero()' for s in sums)};\n"]
        for degree, factors in steps.items():
            lines.append(f"  if (degrees.has({degree})) {{\n")
            lines += (f"   {{ const typename A::Value v = {v}; {' '.join(adds)} }}\n" for v, adds in factors.items())
            lines.append("  }\n")
        return "".join(lines) + f"  finish(at, out, {first}, {', '.join(sums)}); }}\n"


def terms_text(prefix: str, terms: Terms, kind: str = "int") -> str:
    """Text of tables of terms: ``{prefix}_STARTS``, and ``_LEFT`` and ``_RIGHT`` of the integer type `kind`."""
    kinds = ("int", kind, kind)
    return "".join(
        f"GT_CONSTANT {own} {prefix}_{name}[{values.size}] = {{{', '.join(map(str, values.ravel().tolist()))}}};\n"
        for own, name, values in zip(kinds, ("STARTS", "LEFT", "RIGHT"), terms, strict=True)
    )
