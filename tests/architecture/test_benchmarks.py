"""Benchmarks' arithmetic, with a clock of our own."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))  # last: names of tests come first
from timing import less_setup


@pytest.mark.parametrize("per_turn", [1e-6, 1e-3, 3.0])
def test_times_without_setup_are_positive(per_turn):
    """Setting up takes 1 s, give or take 1 %: more than a turn, less than a turn; no time is negative."""
    noise = iter([0.01, -0.01, 0.005, -0.008] * 50)
    asked = []

    def once(turns):
        asked.append(turns)
        return 1.0 + next(noise) + turns * per_turn, f"{turns} turns"

    seconds, out = less_setup(once, 1)
    assert seconds == pytest.approx(per_turn, rel=0.04)
    assert out == f"{asked[-1]} turns" and asked[-1] * per_turn < 200.0
