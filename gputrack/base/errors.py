"""Errors raised by public functions. Each message gives the argument, its value and the remedy."""

from __future__ import annotations

from typing import Any


class GputrackError(Exception):
    """Base class of all errors that gputrack raises."""


class InputError(GputrackError, ValueError):
    """An argument has an invalid value; the message is one line, whatever the value."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(" ".join(a.split("\n")) if isinstance(a, str) and "\n" in a else a for a in args))


class LatticeFileError(GputrackError, ValueError):
    """A lattice or beam file cannot be read; the message gives file, line and word."""


class BackendError(GputrackError, RuntimeError):
    """The requested backend cannot run on this machine."""


class DeviceMemoryError(BackendError):
    """A run does not fit in GPU memory; the message gives the bytes needed and free."""


class TrackingStopped(GputrackError, RuntimeError):
    """An error that stopped a run after some turns.

    Attributes
    ----------
    result : object
        Partial result, as in `TrackingInterrupted`.
    __cause__ : Exception
        The original error.
    """

    def __init__(self, message: str, result: object) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back from another process
        return type(self), (str(self), self.result)


class TrackingInterrupted(KeyboardInterrupt):
    """Tracking was interrupted by the user; ``result`` holds the partial result."""

    def __init__(self, message: str, result: object) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back from another process
        return type(self), (str(self), self.result)
