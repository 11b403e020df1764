"""Tunes of many signals at once: the maximum of a windowed Fourier sum, by Newton's method.

Numerical analysis of the fundamental frequency: J. Laskar, Physica D 67 (1993) 257. The window is the Hann window to
the power `POWER`. The frequency of an isolated line is exact to rounding; for N turns, the error due to another line at
a distance d decreases as (N d)^-(2 POWER + 2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gputrack.base.arrays import Array, is_cupy, namespace, on_device
from gputrack.base.errors import InputError

POWER = 3
STEPS = 8  # of Newton's method, which converges quadratically from within a quarter of the line width
BLOCK = 2**22  # numbers per block
FEWEST = 16  # turns


def tunes(signal: Array) -> Array:
    """Frequency per turn of the strongest line of each signal, from 0 to 1.

    Parameters
    ----------
    signal : (turns, n) or (turns,) complex array
        Phasors such as ``x - 1j (alfx x + betx px)`` [any unit]; their windowed mean is subtracted. For real signals
        the result is the frequency up to 1/2 or its complement to 1.

    Returns
    -------
    (n,) float array, or a number
        NaN where the signal is not finite or is 0.

    Raises
    ------
    InputError
        The signal has fewer than 16 turns, or not one or two axes.
    """
    xp = namespace(signal)
    if signal.ndim not in (1, 2) or signal.shape[0] < FEWEST:
        raise InputError(f"tunes: signal must be (turns, n) with >= {FEWEST} turns, got shape {tuple(signal.shape)}")
    if signal.ndim == 1:
        return tunes(signal[:, None])[0]
    width = max(1, BLOCK // signal.shape[0])
    with on_device(signal) if is_cupy(signal) else np.errstate(invalid="ignore"):
        parts = [_tunes(xp, signal[:, i : i + width]) for i in range(0, signal.shape[1], width)]
        return xp.concatenate(parts)


def _tunes(xp: Any, signal: Array) -> Array:
    """Tunes of a block of signals (turns, n)."""
    count = signal.shape[0]
    fine = xp.all(xp.isfinite(signal), axis=0)
    signal = xp.where(fine, signal, 0.0)
    window = (2.0 * xp.sin(math.pi * (xp.arange(count) + 0.5) / count) ** 2) ** POWER
    weighted = window[:, None] * (signal - xp.sum(window[:, None] * signal, axis=0) / xp.sum(window))
    fine = fine & (xp.max(xp.abs(weighted), axis=0) > 0.0)
    size = 4 * count
    spectrum = xp.abs(xp.fft.fft(weighted, n=size, axis=0))
    frequency = xp.argmax(spectrum, axis=0) / size
    time = xp.arange(count) - 0.5 * (count - 1)
    for _ in range(STEPS):
        frequency = frequency + _step(xp, weighted, time, frequency, 0.25 / count)
    return xp.where(fine, frequency % 1.0, math.nan)


def _step(xp: Any, weighted: Array, time: Array, frequency: Array, largest: float) -> Array:
    """Newton step towards the maximum of |A|^2, with A the sum of the signal times exp(-2 pi i f t)."""
    demodulated = weighted * xp.exp(-2j * math.pi * time[:, None] * frequency)
    a = xp.sum(demodulated, axis=0)
    derivative = -2j * math.pi * xp.sum(time[:, None] * demodulated, axis=0)
    second_derivative = -4.0 * math.pi**2 * xp.sum(time[:, None] ** 2 * demodulated, axis=0)
    slope = xp.real(xp.conj(a) * derivative)
    curvature = xp.real(xp.conj(a) * second_derivative) + xp.abs(derivative) ** 2
    step = -slope / xp.where(curvature < 0.0, curvature, -math.inf)
    return xp.clip(step, -largest, largest)
