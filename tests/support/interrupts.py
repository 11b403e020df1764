"""Progress functions that press Ctrl-C."""

from __future__ import annotations

import os
import signal
import time


def press(times=1, at=3):
    """A progress function that presses Ctrl-C after a given turn."""

    def progress(done, turns):
        if done == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)  # handlers run between bytecodes

    return progress


def press_once(at):
    """A progress function that presses Ctrl-C once, at the first turn from `at` on."""
    pressed = []

    def progress(done, turns):
        if done >= at and not pressed:
            pressed.append(done)
            os.kill(os.getpid(), signal.SIGINT)

    return progress
