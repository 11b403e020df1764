"""What was computed before an error is not lost: the error that goes on carries it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gputrack.base.checks import short
from gputrack.base.errors import GputrackError, InputError, TrackingStopped


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


Progress = bool | Callable[[int, int], None]


def require_progress(owner: str, progress: object) -> None:
    """An `InputError` where progress cannot be shown as `progress` says."""
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(f"{owner}: progress must be True, False or a function, got {short(progress)}")


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag that is looked at between stretches; a second one stops at once."""
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
def shown(progress: Progress, turns: int) -> Iterator[Callable[[int, int], None]]:
    """What is called after each stretch: nothing, the user's function, or a progress bar."""
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
