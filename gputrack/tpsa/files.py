"""Files of maps, in NumPy's .npz format without pickled objects."""

from __future__ import annotations

import os
import secrets
import zipfile
from pathlib import Path

import numpy as np

from gputrack.base.arrays import Array, to_numpy
from gputrack.base.errors import InputError
from gputrack.tpsa.space import Space

VERSION = 1


def save_coefficients(path: str | os.PathLike[str], space: Space, coefficients: Array) -> None:
    """Write the coefficients (*batch, variables, size) of a map; an existing file is replaced atomically.

    The file holds ``coefficients`` (*batch, variables, size), their ``exponents`` (size, dimensions), and the numbers
    of the space: variables, order, parameters, parameter_order.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    numbers = np.array([VERSION, space.variables, space.order, space.parameters, space.parameter_order])
    try:
        with draft.open("xb") as file:
            np.savez(file, space=numbers, exponents=space.exponents, coefficients=to_numpy(coefficients))
        draft.replace(target)
    except OSError as error:
        raise InputError(f"cannot write map file {target}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def load_coefficients(path: str | os.PathLike[str]) -> tuple[Space, np.ndarray]:
    """Space and coefficients (*batch, variables, rows) of a map, from a file of `save_coefficients`.

    Raises
    ------
    InputError
        The file cannot be read, or does not contain a map.
    """
    source = Path(path)
    try:
        with np.load(source, allow_pickle=False) as file:
            numbers, coefficients = file["space"], file["coefficients"]
    except OSError as error:
        raise InputError(f"cannot read map file {source}: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise InputError(f"{source} contains no map: {error}") from error
    if numbers.shape != (5,) or numbers[0] != VERSION:
        raise InputError(f"{source} contains no map of version {VERSION}: {numbers.tolist()}")
    variables, order, parameters, parameter_order = (int(n) for n in numbers[1:])
    return Space(variables, order, parameters, parameter_order), coefficients
