"""Losses: code, turn, element and last coordinates, on every backend."""

import math

import numpy as np
import pytest
from support.backends import host_copy, placed, plain, track
from support.losses import (
    BOTH,
    KEPT,
    LOSSES,
    METRE,
    NAMES,
    UNPHYSICAL,
    WIDE,
    beam_of,
    mask,
)
from support.rings import ELECTRON, scraping_ring, wide_beam

import gputrack as gt
from gputrack.base.losses import LossCode


@pytest.mark.parametrize("first_turn", [0, 100])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name, first_turn, backend):
    loss = LOSSES[name]
    lattice = gt.Lattice(loss.elements, ELECTRON)
    beam = beam_of(
        KEPT if "k" not in lattice.names and "c" not in lattice.names else loss.start, loss.start, turn=first_turn
    )
    out = track(backend, lattice, beam, 12, limit=loss.limit)
    coordinates, code, turn, element = plain(out)
    assert code[1] == loss.code
    assert turn[1] == first_turn + loss.turn
    assert element[1] == loss.place
    for value, key in zip(coordinates[:, 1], NAMES, strict=True):
        wanted = loss.last.get(key, 0.0)
        if wanted is not None:
            assert value == pytest.approx(wanted, rel=1e-14, abs=1e-15), key
    assert out.turn == first_turn + 12


def test_survivors_stay(backend):
    """Inside every aperture above, on both sides of an offset one."""
    elements = [mask(**BOTH), gt.Drift("d", dx=0.015, aperture=gt.Aperture(rectangle=(0.0149, 0.002)))]
    out = track(backend, gt.Lattice(elements, ELECTRON), beam_of(dict(x=0.0005, y=0.001)), 3)
    assert out.n_lost == 0
    out = track(backend, gt.Lattice([gt.Drift("d", tilt=math.pi / 2, **WIDE)], ELECTRON), beam_of(dict(y=0.005)), 3)
    assert out.n_lost == 0


def test_no_limit(backend):
    out = track(backend, gt.Lattice([METRE], ELECTRON), beam_of(dict(x=1e100)), 2, limit=math.inf)
    assert out.n_lost == 0


@pytest.fixture(scope="module")
def scraped():
    """A ring with apertures that scrape a wide beam over many turns, and the beam."""
    return scraping_ring(), wide_beam(700)


def test_backends_lose_the_same_particles(scraped, backend):
    ring, beam = scraped
    reference = gt.track(ring, beam, 30, backend="array")
    out = track(backend, ring, beam, 30)
    assert 100 < reference.n_lost < 600
    assert len(set(reference.loss_turn.tolist())) > 5
    assert len(set(reference.loss_element.tolist())) > 3
    for mine, theirs in zip(plain(out)[1:], plain(reference)[1:], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(plain(out)[0], reference.coordinates, rtol=0, atol=1e-13)


def test_lost_particles_stay_as_they_were(scraped, backend):
    ring, beam = scraped
    first = track(backend, ring, beam, 5)
    again = gt.track(ring, first, 20, backend=backend)
    dead = host_copy(first.lost)
    assert dead.any() and again.n_lost > first.n_lost
    for before, after in zip(plain(first), plain(again), strict=True):
        np.testing.assert_array_equal(before[..., dead], after[..., dead])
    back = gt.track(ring, again, 25, backend=backend, backwards=True)
    for before, after in zip(plain(again), plain(back), strict=True):
        np.testing.assert_array_equal(before[..., host_copy(again.lost)], after[..., host_copy(again.lost)])


def test_particles_lost_before_stay_lost_whatever_they_hold(backend):
    """Dead particles from a file may hold anything; their neighbours do not notice."""
    coordinates = np.full((6, 20), 1e-3)
    coordinates[:, 7] = math.nan
    codes = np.zeros(20, dtype=int)
    codes[7] = LossCode.IMPORTED
    beam = gt.Beam(coordinates, ELECTRON, loss_code=codes, loss_turn=np.where(codes, 4, -1))
    out = track(backend, gt.Lattice([METRE], ELECTRON), beam, 3)
    assert plain(out)[1].tolist() == codes.tolist()
    assert plain(out)[2][7] == 4 and np.isnan(plain(out)[0][:, 7]).all()
    others = np.delete(plain(out)[0], 7, axis=1)
    assert (others == others[:, :1]).all()


def test_everybody_lost(backend):
    out = track(backend, gt.Lattice([METRE, mask(rectangle=(1e-3, 1e-3))], ELECTRON), beam_of(*[dict(x=0.1)] * 40), 9)
    assert out.n_lost == 40
    assert out.losses().by_code == {LossCode.APERTURE: 40}
    assert out.losses().by_element == {1: 40}
    assert out.turn == 9


def test_backwards_passes_apertures(backend):
    """Apertures do not act backwards: a particle that hits one on the way out is not lost on the way back."""
    lattice = gt.Lattice([mask(rectangle=(1e-3, 1e-3)), METRE], ELECTRON)
    out = gt.track(lattice, placed(beam_of(dict(x=0.1)), backend), 1, backend=backend, backwards=True)
    assert out.n_lost == 0


def test_backwards_losses_name_turn_and_element(backend):
    """Turns are undone from the last one on."""
    lattice = gt.Lattice([METRE, gt.HKicker("k", kick=-0.4)], ELECTRON)
    beam = beam_of({}, turn=10)
    out = gt.track(lattice, placed(beam, backend), 5, backend=backend, backwards=True, limit=100.0)
    _, code, turn, element = plain(out)
    assert (code[0], turn[0], element[0]) == (UNPHYSICAL, 7, 1)
    beyond = gt.track(lattice, placed(beam_of(dict(x=2.0), turn=10), backend), 5, backend=backend, backwards=True)
    assert (plain(beyond)[2][0], plain(beyond)[3][0]) == (9, 1)
