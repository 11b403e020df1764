"""Arguments of transfer maps: lattices and orbits, single or in batches, on the host or on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gputrack.backends import choose_map_backend
from gputrack.base.arrays import Array, is_cupy, module_named, namespace, on_device
from gputrack.base.checks import require_unmasked, short
from gputrack.base.errors import InputError
from gputrack.lattice.knobs import Knobs
from gputrack.lattice.lattice import Lattice


def lattices_of(given: Lattice | Sequence[Lattice]) -> list[Lattice]:
    """List of the lattices of a batch with a common reference particle; of length 1 for a single lattice.

    Raises
    ------
    InputError
        The argument is neither a lattice nor a sequence of lattices, or their reference particles differ.
    """
    found = [given] if isinstance(given, Lattice) else list(given) if isinstance(given, (list, tuple)) else []
    if not found or not all(isinstance(one, Lattice) for one in found):
        raise InputError(f"transfer map: lattice must be a Lattice, or a list of them, got {short(given)}")
    for one in found[1:]:
        if one.require_reference() != found[0].require_reference():
            raise InputError(
                f"transfer map: lattices of a batch need the same reference particle, got {found[0].reference} and "
                f"{one.reference}; compute their maps one by one"
            )
    return found


def bound_to_all(lattices: Sequence[Lattice], knobs: Knobs) -> Knobs:
    """Knobs with their places in the lattices of a batch.

    Raises
    ------
    InputError
        They are not knobs of these lattices, or their places differ between them.
    """
    bound = lattices[0].bound(knobs)
    for one in lattices[1:]:
        if any(own.places != first.places for own, first in zip(one.bound(knobs), bound, strict=True)):
            raise InputError("transfer map: lattices of a batch need the elements of the knobs at the same places")
    return bound


def orbits_of(given: Any, backend: str | None) -> tuple[Array, str]:
    """Orbits (..., 6) on the device of the maps, and the name of the backend.

    Raises
    ------
    InputError
        They are not six finite numbers each, or see `gputrack.backends.choose_map_backend`.
    BackendError
        There is no GPU, or CuPy is not installed.
    """
    require_unmasked("transfer map", "orbit", given)
    name = choose_map_backend(backend, given)
    xp = namespace(given) if is_cupy(given) else module_named("cupy" if name == "cuda" else "numpy")
    try:
        with on_device(given):
            orbits = xp.zeros(6) if given is None else xp.array(given, dtype=float)
    except (TypeError, ValueError, OverflowError):
        orbits = xp.zeros(0)
    if orbits.ndim not in (1, 2) or orbits.shape[-1] != 6 or 0 in orbits.shape or not bool(xp.isfinite(orbits).all()):
        raise InputError(f"transfer map: orbit must be six finite numbers, or (n, 6) of them, got {short(given)}")
    return orbits, name


def batch_of(given: Lattice | Sequence[Lattice], orbits: Array) -> tuple[int, ...]:
    """Shape of the batch: () for one lattice and one orbit, else (n,).

    Raises
    ------
    InputError
        The numbers of lattices and orbits differ.
    """
    several = not isinstance(given, Lattice)
    if orbits.ndim == 2 and several and len(orbits) != len(given):
        raise InputError(
            f"transfer map: {len(given)} lattices need one orbit, or one for each of them, got {len(orbits)}"
        )
    return (len(orbits),) if orbits.ndim == 2 else (len(given),) if several else ()
