"""Beam search beside all that could be written, one by one; batched as single."""

from itertools import product
from typing import ClassVar

import pytest
import torch

from tests.models.test_translator import WAYS, _model
from unrolled import ConfigError
from unrolled.generation import Beam, beam_or_greedy, beam_search

LENGTHS = torch.tensor([4, 2])


def _sharpened(way, seed=0):
    """A model whose predictions are far from even, and what it has read."""
    torch.manual_seed(seed)
    model = _model("gru", way | {"tied": False}).double()
    with torch.no_grad():
        for value in model.writer.parameters():
            value.mul_(3.0)
    return model, model.read(torch.randint(9, (4, 2)), LENGTHS)


def _nats(model, memory, row, symbols):
    """The log-probability of a sequence and its end, by teacher forcing."""
    one = memory.pick(torch.tensor([row]))
    given = torch.tensor([model.writer.boundary, *symbols])[:, None]
    logits, _, _ = model.writer(given, one, model.writer.begin(one))
    wanted = torch.tensor([*symbols, model.writer.boundary])
    return float(logits[:, 0].log_softmax(dim=1)[torch.arange(len(wanted)), wanted].sum())


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("way", [WAYS[0], WAYS[4], WAYS[5]])
def test_as_wide_as_all_there_is_it_is_exhaustive(way, power):
    model, memory = _sharpened(way)
    most = torch.tensor([3, 2])
    beam = Beam(1 + 5 + 25 + 125, power)
    with torch.no_grad():
        found = beam_search(model.writer, memory, most, beam)
        for row in range(2):
            every = [one for length in range(int(most[row]) + 1) for one in product(range(5), repeat=length)]
            nats = {one: _nats(model, memory, row, one) for one in every}
            ranked = sorted(every, key=lambda one: -beam.score(nats[one], len(one) + 1))
            assert [one.ids for one in found[row]] == ranked[: beam.width]
            for one in found[row]:
                assert one.log_probability == pytest.approx(nats[one.ids], abs=1e-9)
                assert one.score == pytest.approx(one.log_probability / (len(one.ids) + 1) ** power)


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy(seed):
    model, memory = _sharpened(WAYS[0], seed)
    most = torch.tensor([6, 6])
    with torch.no_grad():
        found = beam_search(model.writer, memory, most, Beam(1))
        for row in range(2):
            one = memory.pick(torch.tensor([row]))
            state, symbol = model.writer.begin(one), model.writer.boundary
            written = []
            while len(written) < 6:
                logits, state, _ = model.writer.step(torch.tensor([symbol]), one, state)
                symbol = int(logits[0].argmax())
                if symbol == model.writer.boundary:
                    break
                written.append(symbol)
            assert [one.ids for one in found[row]] == [tuple(written)]


@pytest.mark.parametrize("way", [WAYS[0], WAYS[3], WAYS[5]])
def test_batched_is_single(way):
    model, memory = _sharpened(way)
    most = torch.tensor([5, 4])
    together = beam_search(model.writer, memory, most, Beam(3))
    for row in range(2):
        (alone,) = beam_search(model.writer, memory.pick(torch.tensor([row])), most[row : row + 1], Beam(3))
        assert [one.ids for one in alone] == [one.ids for one in together[row]]
        for one, other in zip(alone, together[row], strict=True):
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-6)
            if one.places is not None:
                torch.testing.assert_close(one.places, other.places, rtol=0, atol=1e-6)


def test_where_it_looked_belongs_to_what_it_wrote():
    model, memory = _sharpened(WAYS[0])
    with torch.no_grad():
        for row, ranked in enumerate(beam_search(model.writer, memory, torch.tensor([4, 4]), Beam(4))):
            for one in ranked:
                single = memory.pick(torch.tensor([row]))
                given = torch.tensor([model.writer.boundary, *one.ids])[:, None]
                _, _, weights = model.writer(given, single, model.writer.begin(single))
                torch.testing.assert_close(one.places, weights[:, 0])


def _slow_beam(model, memory, row, most, beam):
    """The same search with lists: the ids and scores that are found, the best first."""
    alive, found = [((), 0.0)], []
    while alive and len(found) < beam.width:
        every = []
        for ids, nats in alive:
            one = memory.pick(torch.tensor([row]))
            given = torch.tensor([model.writer.boundary, *ids])[:, None]
            logits, _, _ = model.writer(given, one, model.writer.begin(one))
            for symbol, more in enumerate(logits[-1, 0].log_softmax(dim=0).tolist()):
                if symbol == model.writer.boundary or len(ids) < most:
                    every.append((ids, symbol, nats + more))
        every.sort(key=lambda one: -one[2])
        is_end = lambda one: one[1] == model.writer.boundary
        ended = [one for one in every[: beam.width] if is_end(one)]
        found += [(ids, beam.score(nats, len(ids) + 1)) for ids, _, nats in ended]
        alive = [((*ids, symbol), nats) for ids, symbol, nats in every if symbol != model.writer.boundary][: beam.width]
    return sorted(found, key=lambda one: -one[1])[: beam.width]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_it_searches_as_the_same_with_lists(width, seed):
    model, memory = _sharpened(WAYS[seed % 2], seed)
    most, beam = torch.tensor([5, 3]), Beam(width)
    with torch.no_grad():
        found = beam_search(model.writer, memory, most, beam)
        for row in range(2):
            wanted = _slow_beam(model, memory, row, int(most[row]), beam)
            assert [one.ids for one in found[row]] == [ids for ids, _ in wanted]
            assert [one.score for one in found[row]] == pytest.approx([score for _, score in wanted], abs=1e-9)


def test_symbols_that_are_not_to_be_written():
    model, memory = _sharpened(WAYS[0])
    found = beam_search(model.writer, memory, torch.tensor([3, 3]), Beam(20), banned=(0, 2))
    assert all(not {0, 2} & set(one.ids) for ranked in found for one in ranked)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"width": 10**6}, {"length_penalty": -1.0}])
def test_beams_that_are_none(wrong):
    with pytest.raises(ConfigError, match="give a"):
        Beam(**wrong)


@pytest.mark.parametrize("seed", range(4))
def test_with_the_greedy_one_among_the_candidates_the_best_is_never_worse(seed):
    model, memory = _sharpened(WAYS[0], seed)
    most = torch.tensor([4, 6])
    for width in (1, 2, 3):
        greedy, beam = beam_search(model.writer, memory, most, Beam(1, 0)), Beam(width, 0)
        searched, both = (one(model.writer, memory, most, beam) for one in (beam_search, beam_or_greedy))
        for alone, without, ranked in zip(greedy, searched, both, strict=True):
            best = max(alone[0].log_probability, without[0].log_probability)
            assert ranked[0].log_probability == pytest.approx(best, abs=1e-9)
            assert len({one.ids for one in ranked}) == len(ranked) <= width
            assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)


class Told:
    """A writer of the symbols 0 to 3 that is a table: what was written -> chances of the next one, the end as 4."""

    boundary = 4
    CHANCES: ClassVar = {
        (): [0.5, 0.45, 0, 0.05, 0],
        (0,): [0.3, 0.25, 0.25, 0.2, 0],
        (1,): [0.5, 0.5, 0, 0, 0],
        (0, 0): [0, 0, 0, 0, 1],
    }
    LATER: ClassVar = [0.3, 0.2, 0.2, 0.1, 0.2]

    def begin(self, memory):
        return {"written": torch.full((1, len(memory.rows), 3), -1.0)}

    def step(self, ids, memory, state):
        written = state["written"][0].clone()
        rows, logits = [], []
        for row, symbol in zip(written.tolist(), ids.tolist(), strict=True):
            so_far = tuple(int(one) for one in row if one >= 0) + ((symbol,) if symbol != 4 else ())
            rows.append([*so_far, -1, -1, -1][:3])
            logits.append(self.CHANCES.get(so_far, self.LATER))
        return torch.tensor(logits).clamp_min(1e-12).log(), {"written": torch.tensor([rows], dtype=torch.float32)}, None


class Rows:
    def __init__(self, rows):
        self.rows = rows

    def pick(self, rows):
        return Rows(self.rows[rows])


def test_a_beam_can_lose_the_greedy_one():
    most, memory = torch.tensor([3]), Rows(torch.arange(1))
    greedy, beam, both = (
        search(Told(), memory, most, Beam(width, 0))[0][0]
        for search, width in ((beam_search, 1), (beam_search, 2), (beam_or_greedy, 2))
    )
    assert greedy.ids == both.ids == (0, 0)
    assert beam.log_probability < greedy.log_probability
