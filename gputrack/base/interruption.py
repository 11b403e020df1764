"""Attach partial results to exceptions, notice Ctrl-C, and show progress."""

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
    """Context in which any error becomes a `TrackingStopped` with what was computed until then.

    Parameters
    ----------
    done : callable
        How far the run has come; while that is 0, errors stay what they are.
    what : str
        Its unit, and how far it should go: "50 turns".
    result : callable
        What was computed, or None where there is no memory for it.
    """

    def __init__(self, done: Callable[[], int], what: str, result: Callable[[], Any]) -> None:
        self.done, self.what, self.result = done, what, result

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
        text = f"stopped after {self.done()} of {self.what}; {where}: {_description(cause)}"
        raise TrackingStopped(text, found) from cause


def _description(error: BaseException | None) -> str:
    """Text of an error; with its type where the message is not one of this package."""
    return str(error) if isinstance(error, GputrackError) else f"{type(error).__name__}: {error}"


Progress = bool | Callable[[int, int], None]


def require_progress(owner: str, progress: object) -> None:
    """Require that `progress` is a flag or a function."""
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(f"{owner}: progress must be True, False or a function, got {short(progress)}")


@contextmanager
def interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Set a flag at the first Ctrl-C, to be read between stretches of turns; stop at once at a second one."""
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
