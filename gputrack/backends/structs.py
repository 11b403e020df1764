"""The struct that both kinds of kernels are given; twin of kernels/program/run.h."""

from __future__ import annotations

import ctypes
from typing import Any

from gputrack.backends.protocol import Launch, Particles
from gputrack.elements.map import ReferenceValues


class Reference(ctypes.Structure):
    """Twin of `Reference` in kernels/program/state.h."""

    _fields_ = tuple((name, ctypes.c_double) for name in ReferenceValues._fields)


class Run(ctypes.Structure):
    """Twin of `Run` in kernels/program/run.h."""

    _pointer_type = ctypes.c_void_p
    _fields_ = (
        ("coordinates", ctypes.c_void_p),
        ("n", ctypes.c_int64),
        ("ops", ctypes.c_void_p),
        ("n_ops", ctypes.c_int32),
        ("first_op", ctypes.c_int32),
        ("constants", ctypes.c_void_p),
        ("reference", Reference),
        ("first_turn", ctypes.c_int64),
        ("turns", ctypes.c_int64),
        ("loss_code", ctypes.c_void_p),
        ("loss_turn", ctypes.c_void_p),
        ("loss_op", ctypes.c_void_p),
        ("limit", ctypes.c_double),
        ("records", ctypes.c_void_p),
        ("record_starts", ctypes.c_void_p),
    )


class TangentReference(ctypes.Structure):
    """Twin of `ReferenceConstants` of dual numbers: each value is followed by its tangent."""

    _fields_ = tuple((name, 2 * ctypes.c_double) for name in ReferenceValues._fields)


class TangentRun(ctypes.Structure):
    """Twin of `TangentRun` in kernels/program/tangent.h."""

    _fields_ = (
        ("run", Run),
        ("tangents", ctypes.c_void_p),
        ("constants", ctypes.c_void_p),
        ("reference", TangentReference),
        ("record_tangents", ctypes.c_void_p),
    )


class MatrixSweep(ctypes.Structure):
    """Twin of `MatrixSweep` in kernels/host/matrix_adjoint.h."""

    _fields_ = (
        ("tangent", TangentRun),
        ("cotangents", ctypes.c_void_p),
        ("orbit_cotangents", ctypes.c_void_p),
        ("gradient", ctypes.c_void_p),
        ("reference", ctypes.c_void_p),
        ("seeds", ctypes.c_void_p),
        ("orbit_seeds", ctypes.c_void_p),
    )


class Sweep(ctypes.Structure):
    """Twin of `Sweep` in kernels/host/adjoint.h."""

    _fields_ = (
        ("run", Run),
        ("cotangents", ctypes.c_void_p),
        ("gradient", ctypes.c_void_p),
        ("reference", ctypes.c_void_p),
        ("seeds", ctypes.c_void_p),
    )


def make_run(particles: Particles, launch: Launch, ops: Any, constants: Any, address: Any) -> Run:
    """Fill the struct; `address(array)` is the address of an array's memory on the device."""
    return Run(
        address(particles.coordinates),
        particles.coordinates.shape[1],
        address(ops),
        launch.end_op,
        launch.first_op,
        address(constants),
        Reference(*ReferenceValues.of(launch.reference)),
        launch.first_turn,
        launch.turns,
        address(particles.loss_code),
        address(particles.loss_turn),
        address(particles.loss_op),
        launch.limit,
        address(launch.records.flat),
        address(launch.records.starts),
    )
