"""Partial results attached to exceptions, handling of Ctrl-C, and progress bars."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from gputrack.base.checks import short
from gputrack.base.errors import GputrackError, InputError, TrackingStopped


class PartialResult:
    """Context that turns errors into `TrackingStopped` with the partial result.

    Parameters
    ----------
    done : callable
        Number of turns (or other units) done; while it is 0, errors are unchanged.
    goal : str
        Number and unit requested: "50 turns".
    result : callable
        Partial result, or None where memory does not suffice.
    """

    def __init__(self, done: Callable[[], int], goal: str, result: Callable[[], Any]) -> None:
        self.done, self.goal, self.result = done, goal, result

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if not isinstance(error, Exception):
            return
        inner = isinstance(error, TrackingStopped)  # of a part of this run, with a result of its own kind
        if not self.done() and not inner:
            return
        cause = error.__cause__ if inner else error
        found = self.result()
        where = "they are in the result" if found is not None else "there is no memory left for a result"
        text = f"stopped after {self.done()} of {self.goal}; {where}: {_description(cause)}"
        raise TrackingStopped(text, found) from cause


def _description(error: BaseException | None) -> str:
    """Message of an error, preceded by its type unless gputrack raised it."""
    return str(error) if isinstance(error, GputrackError) else f"{type(error).__name__}: {error}"


Progress = bool | Callable[[int, int], None]


def require_progress(owner: str, progress: object) -> None:
    """Require that `progress` is a flag or a function."""
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(f"{owner}: progress must be True, False or a function, got {short(progress)}")


@contextmanager
def interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Flag set by the first Ctrl-C, for a stop after the current stretch of turns; a second one stops at once."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def progress_display(progress: Progress, turns: int) -> Iterator[Callable[[int, int], None]]:
    """Function to call after each stretch of turns: the user's, or that of a progress bar."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("tracking"), BarColumn(), MofNCompleteColumn(), TextColumn("turns"))
        with Bar(*columns, TimeRemainingColumn()) as bar:
            task = bar.add_task("tracking", total=turns)
            yield lambda done, total: bar.update(task, completed=done)
