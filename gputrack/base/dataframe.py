"""Conversion of columns to pandas tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gputrack.base.errors import InputError


def data_frame(columns: Mapping[str, Any]) -> Any:
    """The columns as a `pandas.DataFrame`.

    Raises
    ------
    InputError
        pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("to_pandas: pandas is not installed; pip install gputrack[pandas]") from None
    return pandas.DataFrame(columns)
