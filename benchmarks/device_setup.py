"""Setup common to all parts of benchmarks/device.py: lattice, beams, timing, peaks of the device."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from counting import Counts
from device_facts import Facts
from ring import start_of

import gputrack as gt


@dataclass
class Setup:
    """Setup common to all parts.

    Attributes
    ----------
    ring : Lattice
        With the model to be measured.
    peak, bandwidth : float or None
        Measured values, else those according to the clocks.
    counts : dict
        Operations per particle and turn, "forward" and "sweep"; empty if they could not be counted.
    """

    options: argparse.Namespace
    facts: Facts
    plain: gt.Lattice
    ring: gt.Lattice
    peak: float | None = None
    bandwidth: float | None = None
    counts: dict[str, Counts] = field(default_factory=dict)

    def beam(self, n: int) -> gt.Beam:
        """A small beam on the device."""
        return gt.Beam(start_of(n), self.ring.require_reference()).to_device("cupy")

    def seconds(self, call: Callable[[], object]) -> float:
        """Median of a few calls, after one that may compile."""
        call()
        times: list[float] = []
        while len(times) < 3 or (len(times) < 9 and sum(times) < self.options.seconds):
            start = time.perf_counter()
            call()
            self.facts.synchronize()
            times.append(time.perf_counter() - start)
        return median(times)

    def turn_seconds(self, ring: gt.Lattice, beam: gt.Beam) -> tuple[float, float, int]:
        """Time of an additional turn, and overhead of a call; the turns are doubled until they take long enough."""
        turns = 1
        one = self.seconds(lambda: gt.track(ring, beam))
        while True:
            more = self.seconds(lambda n=turns + 1: gt.track(ring, beam, n))
            if more - one >= self.options.seconds / 3 or turns >= 1024:
                each = (more - one) / turns
                return each, one - each, turns
            turns *= 2


Part = Callable[[Setup], Iterator[str]]
