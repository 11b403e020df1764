"""Normal modes of a one-turn matrix: the real basis in which it is a rotation in each mode.

A basis N has two columns for each mode: M N = N R with blocks ((cos mu, sin mu), (-sin mu, cos mu)) of R. N is
symplectic; its phases are such that the second column of mode k has no position in plane k. Without coupling its
blocks are ((sqrt(beta), 0), (-alpha/sqrt(beta), 1/sqrt(beta))).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp

from gputrack.autodiff.second_derivatives import require_first_derivatives
from gputrack.base.arrays import Array, untraced
from gputrack.base.primitive import primitive
from gputrack.base.symplectic import symplectic_form
from gputrack.tpsa.series import Series

#: coupling and differences of tunes below this are rounding errors
_ROUNDING = 1e-12

Rows = list[list[Any]]


class UnstableMotionError(ValueError):
    """A matrix without stable normal modes."""


def transverse_basis(matrix: Any) -> Rows:
    """Basis of a matrix in x, px, y, py, by explicit formulas.

    After D. A. Edwards and L. C. Teng, IEEE Trans. Nucl. Sci. 20 (1973) 885, in the form of D. Sagan and D. Rubin,
    PRST-AB 2 (1999) 074001, eqs. 6-12: M = V U V^-1, V = ((g, C), (-C+, g)) with U block-diagonal and C+ the
    symplectic conjugate of C; mode 1 is the one closer to the horizontal plane, g^2 >= 1/2.

    Parameters
    ----------
    matrix : 4 rows of 4 numbers
        Symplectic matrix of floats, traced numbers, or power series (about a matrix of their constant terms).

    Returns
    -------
    list of 4 lists of 4 numbers

    Raises
    ------
    UnstableMotionError
        The motion is unstable; or the entries are power series and coupled modes have equal tunes.
    """
    v, blocks = _separated(matrix)
    (first, _), (second, _) = (_plane(block) for block in blocks)
    zero = [0.0, 0.0]
    return _product(v, [first[0] + zero, first[1] + zero, zero + second[0], zero + second[1]])


def turning_angles(matrix: Any) -> list[tuple[Any, Any]]:
    """Cosine and sine of the phase advance of each mode; arguments and errors as for `transverse_basis`."""
    _, blocks = _separated(matrix)
    return [(0.5 * (block[0][0] + block[1][1]), _plane(block)[1]) for block in blocks]


def _separated(matrix: Any) -> tuple[Rows, tuple[Rows, Rows]]:
    """V and the two blocks of U = V^-1 M V."""
    m = [[matrix[i][j] for j in range(4)] for i in range(4)]
    g, c = _decoupling(m)
    v = [
        [g, 0.0, c[0][0], c[0][1]],
        [0.0, g, c[1][0], c[1][1]],
        [-c[1][1], c[0][1], g, 0.0],
        [c[1][0], -c[0][0], 0.0, g],
    ]
    inverse = [
        [g, 0.0, -c[0][0], -c[0][1]],
        [0.0, g, -c[1][0], -c[1][1]],
        [c[1][1], -c[0][1], g, 0.0],
        [-c[1][0], c[0][0], 0.0, g],
    ]
    decoupled = _product(inverse, _product(m, v))
    return v, ([row[:2] for row in decoupled[:2]], [row[2:] for row in decoupled[2:]])


def _decoupling(m: Rows) -> tuple[Any, Rows]:
    """g and C of the matrix V that decouples the modes."""
    h = [[m[0][2] + m[3][1], m[0][3] - m[2][1]], [m[1][2] - m[3][0], m[1][3] + m[2][0]]]
    difference = m[0][0] + m[1][1] - m[2][2] - m[3][3]
    coupled = max(_size(entry) for row in h for entry in row)
    if coupled < _ROUNDING and abs(_value(difference)) < _ROUNDING:
        return 1.0, [[0.0, 0.0], [0.0, 0.0]]
    determinant = h[0][0] * h[1][1] - h[0][1] * h[1][0]
    squared = difference * difference + 4.0 * determinant
    if not _value(squared) > 0.0:
        raise UnstableMotionError
    root = _sqrt(squared)
    sign = 1.0 if _value(difference) >= 0.0 else -1.0
    g = _sqrt(0.5 + 0.5 * sign * (difference / root))
    factor = -sign / (g * root)
    return g, [[factor * entry for entry in row] for row in h]


def _plane(m: Rows) -> tuple[Rows, Any]:
    """Basis ((sqrt(beta), 0), (-alpha/sqrt(beta), 1/sqrt(beta))) of a 2 x 2 matrix, and the sine of its angle."""
    half = 0.5 * (m[0][0] - m[1][1])
    squared = -m[0][1] * m[1][0] - half * half
    if not _value(squared) > 0.0 or not abs(_value(m[0][0]) + _value(m[1][1])) < 2.0:
        raise UnstableMotionError
    sine = _sqrt(squared) * (1.0 if _value(m[0][1]) > 0.0 else -1.0)
    size = _sqrt(m[0][1] / sine)
    return [[size, 0.0 * size], [-(half / sine) / size, 1.0 / size]], sine


def _product(a: Rows, b: Rows) -> Rows:
    """Product of two matrices, omitting entries that are exactly 0."""

    def entry(i: int, j: int) -> Any:
        terms = [a[i][k] * b[k][j] for k in range(len(b)) if not _is_zero(a[i][k]) and not _is_zero(b[k][j])]
        return sum(terms[1:], terms[0]) if terms else 0.0

    return [[entry(i, j) for j in range(len(b[0]))] for i in range(len(a))]


def _is_zero(number: Any) -> bool:
    return isinstance(number, float) and number == 0.0


def _value(number: Any) -> float:
    return float(untraced(number.constant if isinstance(number, Series) else number))


def _size(number: Any) -> float:
    """Largest coefficient of a series, or the number itself."""
    return float(np.abs(untraced(number.coefficients if isinstance(number, Series) else number)).max())


def _sqrt(number: Any) -> Any:
    return number.sqrt() if isinstance(number, Series) else anp.sqrt(number)


# -- any number of modes, from eigenvectors ----------------------------------------------------------------------------


def symplectic_inverse(matrix: Array) -> Array:
    """Inverse -S M^T S of symplectic matrices (..., 2 d, 2 d)."""
    form = symplectic_form(matrix.shape[-1])
    inverse: Array = -anp.matmul(form, anp.matmul(anp.swapaxes(matrix, -1, -2), form))
    return inverse


@primitive
def eigenvector_basis(matrix: Array) -> Array:
    """Basis (2 d, 2 d) of a matrix of any size, from its eigenvectors v, normalised to v^H S v = i.

    G. Ripken, DESY R1-70/04 (1970). Modes are in the order of the planes that contain most of their action.

    Raises
    ------
    UnstableMotionError
        The motion is unstable.
    """
    vectors, _ = turning_eigenvectors(matrix)
    return _real_basis(vectors)


def turning_eigenvectors(matrix: np.ndarray, growth: float = 1e-8) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors (2 d, d) of positive norm, one of each conjugate pair, and their eigenvalues."""
    values, vectors = np.linalg.eig(matrix)
    form = symplectic_form(len(matrix))
    norm = np.imag(np.einsum("im,ij,jm->m", vectors.conj(), form, vectors))
    positive = norm > 1e-12  # the member of positive norm of each conjugate pair
    if np.abs(np.abs(values) - 1.0).max() > growth or positive.sum() != len(matrix) // 2:
        raise UnstableMotionError
    values, vectors = values[positive], vectors[:, positive] / np.sqrt(norm[positive])
    order = _by_plane(vectors)
    values, vectors = values[order], vectors[:, order]
    heads = vectors[2 * np.arange(len(order)), np.arange(len(order))]
    return vectors * (np.abs(heads) / heads), values


def _by_plane(vectors: np.ndarray) -> list[int]:
    """Index of the mode with the largest part of its action in each plane."""
    form = symplectic_form(2)
    order: list[int] = []
    for plane in range(vectors.shape[1]):
        part = vectors[2 * plane : 2 * plane + 2]
        action = np.imag(np.einsum("im,ij,jm->m", part.conj(), form, part))
        action[order] = -np.inf
        order.append(int(np.argmax(action)))
    return order


def _real_basis(vectors: np.ndarray) -> np.ndarray:
    pairs = np.sqrt(2.0) * np.stack([vectors.real, vectors.imag], axis=-1)
    basis: np.ndarray = pairs.reshape(*vectors.shape[:-1], -1)
    return basis


def _pull_back(answer: Array, matrix: np.ndarray) -> Callable[[Any], Any]:
    require_first_derivatives(matrix)
    return _pull_back_of(*turning_eigenvectors(matrix))


def _pull_back_of(vectors: np.ndarray, values: np.ndarray) -> Callable[[Any], Any]:
    derivatives = _basis_derivatives(vectors, values)

    def pull(bar: Any) -> Any:
        require_first_derivatives(bar)
        return np.einsum("abij,ij->ab", derivatives, bar)

    return pull


def _basis_derivatives(vectors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Derivatives of the basis (last two axes) with respect to the entries of the matrix (first two axes).

    dv_j = sum_i v_i (w_i dM v_j)/(lambda_j - lambda_i), w_i the rows of the inverse; the component along v_j keeps the
    leading entry of v_j real. Terms between equal eigenvalues, which are defined only without coupling, are omitted.
    """
    both, spectrum = np.concatenate([vectors, vectors.conj()], axis=1), np.concatenate([values, values.conj()])
    gaps = values[None, :] - spectrum[:, None]
    near = np.abs(gaps) < 1e-9
    gaps = np.where(near, 1.0, gaps)
    # entry (a, b) of dM alone: w_i dM v_j = w[i, a] v[b, j]
    parts = np.einsum("ia,bj->abij", np.linalg.inv(both), vectors) * np.where(near, 0.0, 1.0 / gaps)
    change = np.einsum("ki,abij->abkj", both, parts)
    own = np.arange(vectors.shape[1])
    heads = np.real(vectors[2 * own, own])
    twist = -np.imag(change[:, :, 2 * own, own]) / heads
    return _real_basis(change + 1j * twist[:, :, None, :] * vectors)


defvjp(eigenvector_basis, _pull_back)


@primitive
def transverse_modes(matrix: Array) -> Array:
    """`transverse_basis` of an array (4, 4), with derivatives by perturbation of the eigenvectors."""
    return np.array(transverse_basis(matrix), dtype=float)


def _pull_transverse(basis: Array, matrix: np.ndarray) -> Callable[[Any], Any]:
    require_first_derivatives(matrix)
    rotation = symplectic_inverse(basis) @ matrix @ basis
    first = np.arange(0, 4, 2)
    values = rotation[first, first] + 1j * rotation[first, first + 1]
    return _pull_back_of((basis[:, 0::2] + 1j * basis[:, 1::2]) / np.sqrt(2.0), values)


defvjp(transverse_modes, _pull_transverse)
