"""Message for functions that convert traced values to plain numbers while they are differentiated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from gputrack.base.errors import InputError

_BOX = re.compile("(Array|Float|Complex|CuPy|JVP)[A-Za-z]*(Box|Node)")


@contextmanager
def explained_conversions(owner: str) -> Iterator[None]:
    """Replace Python's TypeError about autograd's boxes by an `InputError` that gives cause and remedy."""
    try:
        yield
    except TypeError as error:
        if not _BOX.search(str(error)):
            raise
        raise InputError(
            f"{owner}: the function converts a value that is being differentiated to a plain number (float(...), "
            f"math.sin, ...); use autograd.numpy instead ({error})"
        ) from error
