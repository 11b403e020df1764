"""Errors raised at the public door. Each message names the culprit, the value and the mend."""

from __future__ import annotations

from typing import Any


class GputrackError(Exception):
    """Base of every error that gputrack raises on purpose."""


class InputError(GputrackError, ValueError):
    """A value that a user passed in cannot be used."""


class LatticeFileError(GputrackError, ValueError):
    """A lattice or beam file cannot be understood; the message gives file, line and word."""


class BackendError(GputrackError, RuntimeError):
    """A backend was asked for that this machine cannot run."""


class DeviceMemoryError(BackendError):
    """A run does not fit the memory of its GPU; the message has the numbers."""


class TrackingStopped(GputrackError, RuntimeError):
    """An error ended a run after some turns.

    Attributes
    ----------
    result : object
        What was computed until then, as `TrackingInterrupted` has it.
    __cause__ : Exception
        The error, with its own type.
    """

    def __init__(self, message: str, result: object) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back from another process
        return type(self), (str(self), self.result)


class TrackingInterrupted(KeyboardInterrupt):
    """The user interrupted tracking; ``result`` holds what was computed until then."""

    def __init__(self, message: str, result: object) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back from another process
        return type(self), (str(self), self.result)
