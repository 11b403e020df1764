"""Elements of one's own: the elliptic lens of an integrable ring, its maps in Python, its kernels in a header.

    python examples/own_element.py [--turns 1000] [--particles 64] [--device cuda]

Danilov and Nagaitsev's ring (Phys. Rev. ST Accel. Beams 13, 084002, 2010) is nonlinear and has two invariants. Along a
drift with equal beta functions beta(s) = beta* + s^2/beta*, the rest of the ring focusing as a round lens, a potential

    U = (strength focus^2/beta(s)) Re F(z),  F(z) = z arcsin(z)/sqrt(1 - z^2),  z = (x + i y)/(focus sqrt(beta(s)))

gives in coordinates normalised by beta(s), in units of `focus`, the Hamiltonian H = (p^2 + r^2)/2 + strength Re F(z),
which does not depend on the phase, and commutes with

    I = (x py - y px)^2 + px^2 + x^2 + 2 strength Re(x arcsin(z)/sqrt(1 - z^2)).

`EllipticLens` and `RoundLens` are defined here, their kernels in elliptic_lens.h; nothing of gputrack is changed. The
script tracks on all backends that this machine has, asserts that they agree, that derivatives with respect to all
parameters of the lens agree with those of array mathematics and with differences, that tunes are those of the linear
part, sqrt(1 + 2 strength) and sqrt(1 - 2 strength) times the phase advance, and that H and I oscillate by an amplitude
that falls with the order of the splitting, without drift.

That holds on momentum and with the expanded Hamiltonian, for which a drift is linear. Off momentum the phase advance
changes, with the exact Hamiltonian slopes enter; both spoil the invariants, by amounts that are printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import numpy as np

import gputrack as gt
from gputrack.base.special import pair
from gputrack.elements import (
    ANY,
    POSITIVE,
    Body,
    Element,
    MapCall,
    MapKind,
    ReferenceValues,
    State,
    Steps,
    Symbol,
    drift_call,
    holds_middle,
    parameter,
    steps_along,
    steps_of,
)

HEADER = Path(__file__).with_name("elliptic_lens.h")


def slope(s: State, op: Any) -> pair.Pair:
    """dF/dz = z/(1 - z^2) + arcsin(z)/(1 - z^2)^(3/2) at z = inverse_focus (x + i y)."""
    z = op.inverse_focus * s.x, op.inverse_focus * s.y
    root = pair.unit_root(z)
    last = pair.over(pair.arcsine(z), root)
    return pair.over((z[0] + last[0], z[1] + last[1]), pair.times(root, root))


def elliptic_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """px -= kick Re(dF/dz), py += kick Im(dF/dz)."""
    re, im = slope(s, op)
    return s._replace(px=s.px - op.kick * re, py=s.py + op.kick * im)


def unelliptic_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the opposite kick."""
    re, im = slope(s, op)
    return s._replace(px=s.px + op.kick * re, py=s.py - op.kick * im)


def round_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """px -= strength x, py -= strength y."""
    return s._replace(px=s.px - op.strength * s.x, py=s.py - op.strength * s.y)


def unround_kick(s: State, op: Any, ref: ReferenceValues) -> State:
    """Inverse: the opposite kick."""
    return s._replace(px=s.px + op.strength * s.x, py=s.py + op.strength * s.y)


ELLIPTIC_KICK = MapKind(
    "elliptic_kick", HEADER, elliptic_kick, unelliptic_kick, constants=("kick", "inverse_focus")
)
ROUND_KICK = MapKind("round_kick", HEADER, round_kick, unround_kick, constants=("strength",))


@dataclass(frozen=True)
class LensBody(Body):
    """Statics of the lens: Hamiltonian of its drifts, splitting."""

    exact: int
    scheme: int
    slices: int


@dataclass(frozen=True, kw_only=True)
class EllipticLens(Element):
    """Elliptic lens of Danilov and Nagaitsev along a drift; slices and order are those of the model's integrator.

    Parameters
    ----------
    strength : float
        Between -1/2 and 1/2 for stable motion.
    focus : float
        Distance of the singularities from the axis, over sqrt(beta) [m^(1/2)].
    beta : float
        Beta function beta* in the middle of the lens [m].
    """

    length: float = parameter(unit="m", valid=POSITIVE, free=POSITIVE)
    strength: float = parameter(free=ANY)
    focus: float = parameter(unit="m^(1/2)", valid=POSITIVE, free=POSITIVE)
    beta: float = parameter(unit="m", valid=POSITIVE, free=POSITIVE)

    SYMBOL: ClassVar[Symbol | None] = Symbol("#7d3c98", -0.4, 0.4)
    STEPS: ClassVar[Steps] = Steps(4, 10, 10)

    def body_statics(self, model: gt.Model, active: frozenset[str]) -> LensBody:
        """Drifts and kicks."""
        return LensBody(int(model.exact), *steps_of(model.integrator, self.STEPS))

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: LensBody, begin: Any = 0.0, end: Any = 1.0) -> list[MapCall]:
        """Drifts, and kicks with the beta function where each of them is."""
        calls = []
        for place, drift, kick in steps_along(body.scheme, body.slices, begin, end):
            calls.append(drift_call(p["length"] * drift, body.exact))
            if kick is not None:
                calls.append(cls._kick(p, p["length"] * (place - 0.5), p["length"] * kick))
        return calls

    @classmethod
    def lower_until(cls, p: Mapping[str, Any], body: LensBody, part: Any) -> tuple[list[MapCall], list[MapCall]]:
        """To a part of the length, and back from there: the lens is not the same everywhere."""
        return cls.lower_body(p, body, 0.0, part), cls.lower_body(p, body, part, 0.0)

    @classmethod
    def _kick(cls, p: Mapping[str, Any], s: Any, ds: Any) -> MapCall:
        """Kick of a length ds of the lens at a distance s from its middle."""
        beta = p["beta"] + s * s / p["beta"]
        inverse_focus = 1.0 / (p["focus"] * beta**0.5)
        kick = ds * p["strength"] * p["focus"] ** 2 / beta * inverse_focus
        return MapCall(ELLIPTIC_KICK, constants={"kick": kick, "inverse_focus": inverse_focus})


@dataclass(frozen=True, kw_only=True)
class RoundLens(Element):
    """Thin lens; strength [1/m] > 0 focuses in both planes."""

    strength: float = parameter(unit="1/m", free=ANY)

    SYMBOL: ClassVar[Symbol | None] = Symbol("#1f5fa8", -0.2, 0.2)

    @classmethod
    def lower_body(cls, p: Mapping[str, Any], body: Body, begin: float = 0.0, end: Any = 1.0) -> list[MapCall]:
        """A kick in the middle."""
        return [MapCall(ROUND_KICK, constants={"strength": p["strength"]})] if holds_middle(begin, end) else []


LENGTH, BETA, FOCUS, STRENGTH = 1.8, 0.65, 0.01, 0.4
PHASE = 2.0 * np.arctan(0.5 * LENGTH / BETA)  # advance along the lens [rad]
END_BETA = BETA + 0.25 * LENGTH**2 / BETA
END_ALPHA = -0.5 * LENGTH / BETA


def integrable_ring(order: int = 4, slices: int = 20, hamiltonian: Any = None) -> gt.Lattice:
    """Elliptic lens, and a round lens that takes its exit to its entrance."""
    model = gt.Model(gt.DriftKick(order, slices), hamiltonian or gt.Expanded())
    lens = EllipticLens("lens", length=LENGTH, strength=STRENGTH, focus=FOCUS, beta=BETA)
    return gt.Lattice([lens, RoundLens("round", strength=-2.0 * END_ALPHA / END_BETA)],
                      gt.ReferenceParticle.electron(total=150e6), model=model, name="integrable ring")  # fmt: skip


def invariants(coordinates: np.ndarray) -> np.ndarray:
    """H and I, (2, ...), of coordinates (6, ...) at the entrance of the lens, in units of focus^2."""
    x, y = (coordinates[i] / np.sqrt(END_BETA) / FOCUS for i in (0, 2))
    px, py = (
        (np.sqrt(END_BETA) * coordinates[i + 1] - END_ALPHA * coordinates[i] / np.sqrt(END_BETA)) / FOCUS
        for i in (0, 2)
    )
    z = x + 1j * y
    ratio = np.arcsin(z) / np.sqrt(1.0 - z * z)
    h = 0.5 * (px**2 + py**2 + x**2 + y**2) + STRENGTH * (z * ratio).real
    return np.array([h, (x * py - y * px) ** 2 + px**2 + x**2 + 2.0 * STRENGTH * (x * ratio).real])


def start(n: int, delta: float = 0.0) -> gt.Beam:
    """Particles within 0.6 of the distance of the singularities, at rest in normalised coordinates."""
    rng = np.random.default_rng(1)
    r, angle = FOCUS * np.sqrt(END_BETA) * 0.6 * np.sqrt(rng.uniform(size=n)), rng.uniform(0.0, 2.0 * np.pi, n)
    x, y = r * np.cos(angle), r * np.sin(angle)
    slopes = END_ALPHA / END_BETA  # at the entrance, where alpha is -END_ALPHA
    return gt.Beam(np.stack([x, slopes * x, y, slopes * y, 0.0 * x, 0.0 * x + delta]), integrable_ring().reference)


def tracked(ring: gt.Lattice, beam: gt.Beam, turns: int, backend: str | None = None) -> np.ndarray:
    """Coordinates (6, turns, n) at the entrance of the lens."""
    out = gt.track(ring, beam, turns, monitors=[gt.Monitor("round")], backend=backend)
    assert bool(out.alive.all()), "particles are lost"
    return np.moveaxis(on_host(out.records[0].coordinates)[:, 0], 1, 0)


def on_host(array: Any) -> np.ndarray:
    """A NumPy array of a NumPy or CuPy one."""
    return array.get() if hasattr(array, "get") else array


def agreement(device: str) -> None:
    """All backends of this machine track alike, there and back."""
    ring, beam = integrable_ring(), start(16)
    beam = beam.replaced(coordinates=beam.coordinates + 1e-4 * np.array([0, 0, 0, 0, 1, 1.0])[:, None])
    expected = gt.track(ring, beam, 5, backend="array")
    for name in ("host", *(["cuda"] if device == "cuda" else [])):
        here = beam.to_device("cupy") if name == "cuda" else beam
        out = gt.track(ring, here, 5, backend=name)
        back = gt.track(ring, out, 5, backend=name, backwards=True)
        worst = np.abs(on_host(out.coordinates) - expected.coordinates).max() / FOCUS
        undone = np.abs(on_host(back.coordinates) - beam.coordinates).max() / FOCUS
        print(f"backend {name}: differs from array by {worst:.1e} of the focus; undone to {undone:.1e}")
        # 100 kicks and drifts a turn, each rounded to 2e-16 of momenta and positions up to some focus
        assert worst < 1e-12 and undone < 1e-12


def derivatives(device: str) -> None:
    """Mean of x^2 after some turns: derivatives with respect to all parameters of the lens."""
    ring, beam = integrable_ring(slices=4), start(16)
    knobs = ring.knobs("lens.length", "lens.strength", "lens.focus", "lens.beta")

    def size(values: Any, backend: str | None = None, bunch: gt.Beam = beam) -> Any:
        out = gt.track(ring.with_knobs(knobs, values), bunch, 3, backend=backend)
        return out.sigma[0, 0] / FOCUS**2

    expected = gt.grad(lambda values: size(values, "array"))(knobs.values)
    found = {"host": gt.grad(lambda values: size(values, "host"))(knobs.values)}
    found["forward mode"] = np.array([gt.jvp(size, (knobs.values,), (e,))[1] for e in np.eye(4)])
    if device == "cuda":
        found["cuda"] = gt.grad(lambda values: size(values, "cuda", beam.to_device("cupy")))(knobs.values)
    at, steps = knobs.values, 1e-5 * np.diag(knobs.values)
    found["differences"] = np.array([(size(at + h) - size(at - h)) / (2.0 * h.sum()) for h in steps])
    for name, values in found.items():
        worst = np.abs(values / expected - 1.0).max()
        print(f"derivatives, {name}: differ from autograd through the array maps by {worst:.1e}")
        assert worst < (1e-6 if name == "differences" else 1e-10)  # h^2 of the differences; rounding of 3 turns


def tunes() -> None:
    """Tunes of small amplitudes, by `twiss`, and of the map as a power series."""
    ring = integrable_ring(slices=100)
    optics = gt.twiss(ring)
    expected = PHASE / (2.0 * np.pi) * np.sqrt([1.0 + 2.0 * STRENGTH, 1.0 - 2.0 * STRENGTH])
    found = np.array([optics.qx, optics.qy])
    print(f"tunes: {found[0]:.9f}, {found[1]:.9f}; of the linear part {expected[0]:.9f}, {expected[1]:.9f}")
    assert np.abs(found - expected).max() < 1e-8  # of the splitting, of order 4 in 1.8 m/100 over 0.65 m
    matrix = gt.transfer_map(ring, order=3).matrix
    traces = 0.5 * np.array([np.trace(matrix[:2, :2]), np.trace(matrix[2:4, 2:4])])
    assert np.abs(traces - np.cos(2.0 * np.pi * found)).max() < 1e-12


def oscillations(order: int, slices: int, turns: int, device: str) -> tuple[np.ndarray, np.ndarray]:
    """Relative changes (2, turns, n) of the invariants; their largest values (2,) over the particles and turns."""
    beam = start(32)
    here = beam.to_device("cupy") if device == "cuda" else beam
    values = invariants(tracked(integrable_ring(order, slices), here, turns))
    changes = values / invariants(beam.coordinates)[:, None] - 1.0
    return changes, np.abs(changes).max(axis=(1, 2))


def orders(turns: int, device: str) -> dict[int, list[tuple[int, np.ndarray]]]:
    """Amplitudes by order and slices: they fall as slices^-order, and do not grow with turns."""
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    quarters = slice(None, turns // 4), slice(-(turns // 4), None)
    for order, numbers in ((2, (20, 40, 80, 160)), (4, (20, 40, 80))):
        for slices in numbers:
            changes, largest = oscillations(order, slices, turns, device)
            found.setdefault(order, []).append((slices, largest))
            early, late = (np.abs(changes[:, part]).max(axis=(1, 2)) for part in quarters)
            print(f"order {order}, {slices:3d} slices: H changes by {largest[0]:.1e}, I by {largest[1]:.1e}; "
                  f"last quarter over first quarter {late[0] / early[0]:.2f}, {late[1] / early[1]:.2f}")  # fmt: skip
            assert np.all(late < 1.5 * early), "no drift: amplitudes are those of the first turns"
        rates = [np.log2(a / b) for (_, a), (_, b) in zip(found[order], found[order][1:], strict=False)]
        assert np.abs(rates[-1] / order - 1.0).max() < 0.1, rates
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--picture", type=Path, default=Path("own_element.png"))
    arguments = parser.parse_args()
    agreement(arguments.device)
    derivatives(arguments.device)
    tunes()
    found = orders(arguments.turns, arguments.device)
    for name, ring, delta in (
        ("delta = 1e-3", integrable_ring(), 1e-3), ("exact drifts", integrable_ring(hamiltonian=gt.Exact()), 0.0)
    ):  # fmt: skip
        beam = start(32, delta)
        values = invariants(tracked(ring, beam, arguments.turns))
        worst = np.abs(values / invariants(beam.coordinates)[:, None] - 1.0).max(axis=(1, 2))
        print(f"{name}: H changes by {worst[0]:.1e}, I by {worst[1]:.1e}")
    draw(found, arguments.turns, arguments.picture)


def draw(found: dict[int, list[tuple[int, np.ndarray]]], turns: int, path: Path) -> None:
    """Particles in the x-y plane, and amplitudes over slices."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 4.6), layout="constrained")
    scale = FOCUS * np.sqrt(END_BETA)
    x, y = tracked(integrable_ring(), start(4), turns)[[0, 2]] / scale
    for one in range(x.shape[1]):
        left.plot(x[:, one], y[:, one], ".", markersize=2)
    left.plot([-1.0, 1.0], [0.0, 0.0], "k+", markersize=10)
    left.set_xticks(np.linspace(-1.0, 1.0, 5))
    left.set(xlabel="x/focus", ylabel="y/focus", title=f"{turns} turns; +: singularities", aspect="equal")
    for order, points in found.items():
        slices = np.array([n for n, _ in points])
        for row, (label, marker) in enumerate((("H", "o-"), ("I", "s--"))):
            right.loglog(slices, [largest[row] for _, largest in points], marker, color=f"C{order // 2}",
                         label=f"{label}, order {order}")  # fmt: skip
    numbers = sorted({slices for points in found.values() for slices, _ in points})
    right.set_xticks(numbers, labels=map(str, numbers))
    right.minorticks_off()
    right.set(xlabel="slices of the lens", ylabel="largest relative change", title="Invariants")
    right.legend()
    right.grid(True, which="both", alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
