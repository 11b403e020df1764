"""Beams matched to a ring: betatron motion by normal modes, longitudinal motion by the third mode or the RF bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from gputrack.backends import Choice
from gputrack.base.arrays import Array, assembled, is_traced, untraced
from gputrack.base.checks import require_count, require_flag, require_number, require_traceable, short
from gputrack.base.errors import InputError
from gputrack.beam import distributions
from gputrack.beam.beam import Beam
from gputrack.beam.moments import root
from gputrack.lattice.lattice import Lattice
from gputrack.lattice.optics_program import require_undamped
from gputrack.optics.linear.rf_bucket import Bucket, bucket_of, distribution_of
from gputrack.optics.linear.trajectory import has_rf
from gputrack.optics.linear.twiss import twiss
from gputrack.optics.linear.twiss_columns import Twiss

_OWNER = "matched_beam"


@dataclass(frozen=True)
class NormalModes:
    """Longitudinal distribution matched to linear motion: normal in the third mode; for small amplitudes, gradients."""


@dataclass(frozen=True)
class RFBucket:
    """Longitudinal distribution matched to the RF bucket: exp(-H/H0) along contours of the Hamiltonian H inside it.

    H is that of smooth motion. Kicks of lumped cavities differ most from it near the separatrix, which particles that
    start there may cross: a `fill` of 0.8 leaves a margin.

    Parameters
    ----------
    fill : float
        Largest H, divided by that of the separatrix; 0 < fill <= 1.
    """

    fill: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < require_number("RFBucket", "fill", self.fill, above=0.0) <= 1.0:
            raise InputError(f"RFBucket: fill must be <= 1, the separatrix, got {self.fill!r}")


def matched_beam(
    ring: Lattice,
    n: int,
    *,
    emit: Any,
    sigma_z: Any = None,
    sigma_delta: Any = None,
    seed: int,
    longitudinal: NormalModes | RFBucket | None = None,
    delta: Any = 0.0,
    cut: float | None = None,
    exact_moments: bool = False,
    weights: Any = None,
    xp: str = "numpy",
    backend: Choice = None,
) -> Beam:
    """Beam matched to a ring at its start, about the closed orbit: its moments repeat every turn.

    Betatron motion is that of the normal modes N of the one-turn matrix, with any coupling: moments N E N^T with E of
    the emittances of the modes (G. Ripken, DESY R1-70/04 (1970)). With cavities on, N has three modes, and the beam
    includes dispersion, crab dispersion and the correlation of z with betatron motion. The third mode is normal
    (`NormalModes`), or follows the contours of the RF bucket (`RFBucket`; see `gputrack.optics.linear.rf_bucket`);
    dispersion is then included to third order in delta. Changes of N with delta are not included.

    Parameters
    ----------
    ring : Lattice
        Without radiation; the beam of equilibrium of one with radiation is given by `envelope`.
    n : int
        Number of particles.
    emit : (2,) or (3,) sequence of float
        Rms emittances [m] of the normal modes closest to x, y and z; not normalised.
    sigma_z : float, optional
        Rms length [m].
    sigma_delta : float, optional
        Rms momentum spread. With cavities on, give one of a third emittance, `sigma_z` and `sigma_delta`. With
        cavities off, give `sigma_delta`, and `sigma_z` for a bunch that will debunch; by default z is uniform over
        the circumference.
    seed : int
        >= 0.
    longitudinal : NormalModes or RFBucket, optional
        With cavities on; by default ``RFBucket()``.
    delta : float
        Relative momentum deviation of the orbit, with cavities off.
    cut : float, optional
        Limit of amplitudes in each normal mode, in rms sizes before the cut.
    exact_moments : bool
        Whether the particles are transformed linearly to the requested moments; not with `RFBucket`.
    weights : (n,) array or float, optional
        Real particles per macro-particle; by default 1.
    xp : {"numpy", "cupy"}
        Memory of the beam.
    backend : {"array", "host", "cuda"} or Streamed, optional
        Backend of the optics.

    Returns
    -------
    Beam
        With `NormalModes`, or cavities off, differentiable with respect to emittances, sizes, and the knobs and
        reference of the ring.

    Raises
    ------
    InputError
        The ring has no stable closed orbit, see `twiss`, or radiates; an argument is out of range; the longitudinal
        arguments do not match the cavities; a size does not fit into the bucket; or with `RFBucket` something is
        traced.
    """
    if not isinstance(ring, Lattice):
        raise InputError(f"{_OWNER}: ring must be a Lattice, got {short(ring)}")
    require_undamped(ring, "matched beam; gputrack.envelope gives its equilibrium")
    count, limit = require_count(_OWNER, "n", n), distributions.require_cut(_OWNER, cut)
    random = distributions.generator(_OWNER, seed)
    exact = require_flag(_OWNER, "exact_moments", exact_moments)
    emittances = _emittances(emit)
    lengths = [
        None if value is None else require_traceable(_OWNER, name, value, unit=unit, at_least=0.0)
        for name, value, unit in (("sigma_z", sigma_z, "m"), ("sigma_delta", sigma_delta, ""))
    ]
    rf = has_rf(ring)
    form = _form(longitudinal, rf)
    given = _given(emittances, lengths, rf)
    if isinstance(form, RFBucket):
        if exact:
            raise InputError(f"{_OWNER}: exact_moments=True would deform the bucket; use longitudinal=NormalModes()")
        if ring.traced or any(is_traced(value) for value in (*emittances, *lengths)):
            raise InputError(f"{_OWNER}: beams in an RF bucket have no derivatives; use longitudinal=NormalModes()")
    optics = twiss(ring, delta=delta, backend=backend)
    points = distributions.gaussian(count, random, limit)
    bucket = bucket_of(ring, optics, form.fill) if isinstance(form, RFBucket) else None
    if not rf:
        factor = _coasting_factor(optics, emittances, lengths[0], lengths[1])
        if lengths[0] is None:
            points[4] = float(untraced(optics.s[-1])) * (random.random(count) - 0.5)
    elif bucket is not None:
        factor = _bucket_points(optics, emittances, given, bucket, points, random)
    else:
        third = emittances[2] if given is None else _third_emittance(optics.bases[0], emittances, *given)
        factor = optics.bases[0] * _roots([*emittances[:2], third])
    if exact:
        points = distributions.with_exact_moments(_OWNER, points)
    coordinates = distributions.shaped(_OWNER, points, factor, optics.orbit)
    if bucket is not None:
        deviation = factor[5, 4:] @ points[4:]
        coordinates[:4] += bucket.dispersion @ np.stack([deviation**2, deviation**3])
    beam = Beam._from_points(ring.require_reference(), coordinates, xp)
    return beam if weights is None else beam.replaced(weights=weights)


def _emittances(emit: Any) -> list[Any]:
    try:
        items = list(emit)
    except TypeError:
        items = []
    if len(items) not in (2, 3):
        raise InputError(f"{_OWNER}: emit must be two or three emittances [m], got {short(emit)}")
    return [
        require_traceable(_OWNER, f"emit of mode {i + 1}", value, unit="m", at_least=0.0)
        for i, value in enumerate(items)
    ]


def _form(longitudinal: Any, rf: bool) -> NormalModes | RFBucket | None:
    if longitudinal is None:
        return RFBucket() if rf else None
    if not isinstance(longitudinal, (NormalModes, RFBucket)):
        raise InputError(f"{_OWNER}: longitudinal must be NormalModes() or RFBucket(), got {short(longitudinal)}")
    if not rf:
        raise InputError(f"{_OWNER}: longitudinal={longitudinal!r} needs a cavity that is on; leave it out")
    return longitudinal


def _given(emittances: list[Any], lengths: list[Any], rf: bool) -> tuple[str, Any] | None:
    """Name and value of the size that determines the third mode, None for its emittance or without cavities."""
    sizes = [
        (name, value) for name, value in zip(("sigma_z", "sigma_delta"), lengths, strict=True) if value is not None
    ]
    if not rf:
        if len(emittances) == 3 or lengths[1] is None:
            raise InputError(f"{_OWNER}: without a cavity that is on give two emittances and sigma_delta")
        return None
    if len(sizes) + len(emittances) != 3:
        raise InputError(
            f"{_OWNER}: with cavities on give one of a third emittance, sigma_z and sigma_delta, got "
            f"{len(emittances)} emittances and {', '.join(name for name, _ in sizes) or 'neither size'}"
        )
    return sizes[0] if sizes else None


def _roots(emittances: list[Any]) -> Array:
    return assembled([root(e) for e in emittances for _ in range(2)])


def _coasting_factor(optics: Twiss, emittances: list[Any], length: Any, spread: Any) -> Array:
    """Matrix (6, 6) from normalised coordinates to a coasting beam."""
    transverse = optics.bases[0] * _roots(emittances)
    upper = anp.concatenate([transverse, np.zeros((4, 1)), (optics.dispersion[0] * spread)[:, None]], axis=1)
    lower = assembled([[0.0] * 4 + [1.0 if length is None else length, 0.0], [0.0] * 5 + [spread]])
    return anp.concatenate([upper, lower])


def _third_emittance(basis: Array, emittances: list[Any], name: str, size: Any) -> Any:
    """Emittance of the third mode for an rms length or momentum spread."""
    row = 4 if name == "sigma_z" else 5
    betas = [basis[row, m] ** 2 + basis[row, m + 1] ** 2 for m in (0, 2, 4)]
    left = size**2 - emittances[0] * betas[0] - emittances[1] * betas[1]
    if not untraced(left) >= 0.0:
        least = float(untraced(size**2 - left)) ** 0.5
        raise InputError(
            f"{_OWNER}: {name} must be >= {least:.6g}, that of the betatron modes, got {untraced(size):.6g}"
        )
    return left / betas[2]


def _bucket_points(
    optics: Twiss, emittances: list[float], given: tuple[str, float] | None, bucket: Bucket, points: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Set the last two of the normalised coordinates to points in the bucket; return the matrix for all."""
    basis, ratio = optics.bases[0], bucket.ratio
    third = basis[:, 4:] @ _turned(optics, bucket)
    if given is None:
        name, wanted, betatron = "emittance of mode 3", emittances[2], 0.0
        shares = None
    else:
        name, wanted = given
        row = 4 if name == "sigma_z" else 5
        shares = third[row] ** 2
        betatron = float(np.sum(basis[row, :4] ** 2 * np.repeat(emittances[:2], 2)))
        _third_emittance(basis, emittances, name, wanted)

    def measure(variances: np.ndarray) -> float:
        normal = variances * np.array([1.0 / ratio, ratio])
        if shares is None:
            return float(np.sqrt(normal[0] * normal[1]))
        return float(np.sqrt(shares @ normal + betatron))

    roots = np.concatenate([_roots(emittances[:2]), [1.0, 1.0]])
    if wanted > measure(np.zeros(2)):
        found = distribution_of(bucket, measure, wanted, name)
        points[4:] = found.sample(random.random((2, points.shape[1]))) * np.array([[ratio**-0.5], [ratio**0.5]])
    else:
        points[4:] = 0.0
    factor: np.ndarray = np.concatenate([basis[:, :4], third], axis=1) * roots
    return factor


def _turned(optics: Twiss, bucket: Bucket) -> np.ndarray:
    """Rotation of the third mode after which its second column has no z in the (mean) cavity.

    There the contours of the bucket are upright; linear motion takes them to the start.
    """
    strength = bucket.kicks * bucket.waves * np.cos(bucket.phases)
    sizes = optics.bases[bucket.places, 4, 4:]
    angles = np.unwrap(np.arctan2(sizes[:, 1], sizes[:, 0]))
    angle = np.sum(strength * angles) / np.sum(strength)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
