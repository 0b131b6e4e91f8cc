"""Drawing noise: the published numbers, the same bits twice, pieces, and what chance should look like."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from unrolled import ConfigError
from unrolled.engine import Noise, library, use_engine
from unrolled.engine.noise import Source, draw, philox

ENGINE = pytest.mark.skipif(library() is None, reason="installed without the native engine")
ONES = 0xFFFFFFFF

# Counter, key and result from the tests of Random123, the authors' own library (kat_vectors, philox4x32 10).
PUBLISHED = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "wanted"), PUBLISHED)
def test_the_published_numbers(counter, key, wanted):
    words = philox(tuple(torch.tensor(word) for word in counter), key[0] | key[1] << 32)
    assert tuple(int(word) for word in words) == wanted


def _source(width=37, probability=0.7, mean=1.0, is_per_step=True, stream=5):
    return Source(width, probability, mean, is_per_step, stream)


def _drawn(source, noise, steps=3, batch=5, dtype=torch.float32):
    return draw(source, noise, steps, batch, torch.empty(0, dtype=dtype))


@ENGINE
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_library_draws_what_torch_draws(dtype):
    """Any width; numbers of steps and rows that begin anew at 2**32; the ends of the range of probabilities."""
    far = Noise(2**64 - 1, step=2**32 - 2, row=2**32 - 3)
    for width, noise, probability in product((1, 4, 63, 64, 130), (Noise(0), far), (1e-12, 0.3, 1.0)):
        for is_per_step in (True, False):
            source = _source(width, probability, 0.3, is_per_step, 2**32 - 1)
            mine = _drawn(source, noise, dtype=dtype)
            with use_engine("reference"):
                assert torch.equal(_drawn(source, noise, dtype=dtype), mine)


@ENGINE
def test_threads_change_no_bit():
    before, drawn = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            drawn.append(_drawn(_source(129), Noise(3), steps=31, batch=33))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_the_whole_is_its_pieces(engine):
    with use_engine(engine):
        whole = _drawn(_source(), Noise(3, step=10, row=20), steps=7, batch=5)
        late = _drawn(_source(), Noise(3, step=10, row=20).at(4), steps=3, batch=5)
        low = _drawn(_source(), Noise(3, step=10, row=22), steps=7, batch=3)
        assert torch.equal(whole[4:], late)
        assert torch.equal(whole[:, 2:], low)
        assert torch.equal(whole[..., :9], _drawn(_source(9), Noise(3, step=10, row=20), steps=7, batch=5))


def test_all_steps_of_a_sequence_share_one_mask():
    source = _source(is_per_step=False)
    assert _drawn(source, Noise(3), steps=7).shape == (5, 37)
    assert torch.equal(_drawn(source, Noise(3), steps=7), _drawn(source, Noise(3, step=90), steps=2))


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.9])
def test_as_often_as_it_should_be(probability):
    source = _source(512, probability, 1.0)
    drawn = _drawn(source, Noise(8), steps=40, batch=50)
    assert set(drawn.unique().tolist()) == {0.0, torch.tensor(source.value).item()}
    share = drawn.count_nonzero().item() / drawn.numel()
    deviation = (probability * (1 - probability) / drawn.numel()) ** 0.5
    assert abs(share - probability) < 4 * deviation
    assert drawn.double().mean().item() == pytest.approx(1.0, abs=4 * deviation / probability)


def test_neighbours_are_independent():
    """Two masks that differ in one number agree in half of their units, also where that number differs by little."""
    source, sizes = Source(256, 0.5, 0.5, True, 5), {"steps": 64, "batch": 64}
    mine = _drawn(source, Noise(8), **sizes)
    others = {
        "seed": (source, Noise(9)),
        "a far seed": (source, Noise(8 + 2**40)),
        "step": (source, Noise(8, step=1)),
        "row": (source, Noise(8, row=1)),
        "stream": (replace(source, stream=6), Noise(8)),
        "layer": (source.of_layer(1), Noise(8)),
    }
    deviation = 0.5 / mine.numel() ** 0.5
    for name, (another, noise) in others.items():
        agree = (mine == _drawn(another, noise, **sizes)).double().mean().item()
        assert abs(agree - 0.5) < 4 * deviation, name
    for dim in range(3):  # steps, rows, units
        for distance in (1, 2, 4):
            agree = (mine == mine.roll(distance, dim)).double().mean().item()
            assert abs(agree - 0.5) < 4 * deviation, (dim, distance)


def test_what_is_no_noise():
    for given in ({"seed": -1}, {"seed": 2**64}, {"seed": 1.0}, {"seed": 1, "step": -1}, {"seed": 1, "row": True}):
        with pytest.raises(ConfigError, match="Noise was given .*: give a whole number from 0 to"):
            Noise(**given)
