"""Exceptions that gputrack raises."""

from gputrack.base.errors import (
    BackendError,
    DeviceMemoryError,
    GputrackError,
    InputError,
    LatticeFileError,
    TrackingInterrupted,
    TrackingStopped,
)

__all__ = [
    "BackendError",
    "DeviceMemoryError",
    "GputrackError",
    "InputError",
    "LatticeFileError",
    "TrackingInterrupted",
    "TrackingStopped",
]
