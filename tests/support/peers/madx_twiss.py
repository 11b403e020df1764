"""MAD-X's own `twiss` through cpymad: columns at the entrances of elements and at the end, as ours.

Its derivatives with respect to momentum are those with respect to pt = (E - E0)/(p0 c): ours are beta0 times them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support.peers import processes


def table(path: Path, sequence: str, *columns: str, before: str = "", **options: Any) -> tuple[dict[str, Any], Any]:
    """Columns (rows + 1,) by name, and the summary; `before` is run between the file and `use`.

    MAD-X prints exits of elements, with a marker before the first and one after the last element.
    """
    madx = processes.madx(f'call, file="{path}";\n{before}\nuse, sequence={sequence};')
    found = madx.twiss(**options)
    columns_found = {name: np.array(found[name])[:-1] for name in columns}
    summary = {name: value for name, value in found.summary.items() if isinstance(value, float)}
    madx.exit()
    return columns_found, summary
