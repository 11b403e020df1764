"""What was computed before an error is not lost: the error that goes on carries it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gputrack.base.errors import GputrackError, TrackingStopped


@contextmanager
def keeping(done: Callable[[], int], what: str, result: Callable[[], Any]) -> Iterator[None]:
    """Turn any error from inside into `TrackingStopped`, once there is something to keep.

    Parameters
    ----------
    done : callable
        How far the run has come; while that is 0, errors stay what they are.
    what : str
        Its measure, and how far it should go: "50 turns".
    result : callable
        What was computed, or None where it cannot be had.
    """
    try:
        yield
    except Exception as error:
        part = isinstance(error, TrackingStopped)  # of this run, with a result of its own kind
        if not done() and not part:
            raise
        cause = error.__cause__ if part else error
        found = result()
        kept = "they are kept in the result" if found is not None else "there is no memory left to put them together"
        raise TrackingStopped(f"stopped after {done()} of {what}; {kept}: {_said(cause)}", found) from cause


def _said(error: BaseException | None) -> str:
    """An error in words: with its type, where the message is not ours."""
    return str(error) if isinstance(error, GputrackError) else f"{type(error).__name__}: {error}"
