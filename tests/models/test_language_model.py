"""The language model: char-rnn's sizes, one-hot and embedding, steps, and the lecture's "hello"."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from unrolled import LanguageModel, LanguageModelConfig, ShapeError


def _model(cell="lstm", **sizes):
    return LanguageModel(LanguageModelConfig(**{"vocab_size": 7, "hidden_size": 5, **sizes}), cell)


@pytest.mark.parametrize(("cell", "count"), [("lstm", 240_321), ("gru_v3", 182_337), ("rnn", 66_369)])
def test_char_rnn_s_number_of_parameters(cell, count):
    model = _model(cell, vocab_size=65, hidden_size=128, num_layers=2)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize("embedding_size", [0, 3])
def test_steps_are_the_whole(embedding_size):
    model = _model(embedding_size=embedding_size, num_layers=2).eval()
    ids = torch.randint(7, (6, 2))
    whole, final = model(ids)
    state = None
    for t, row in enumerate(ids):
        logits, state = model.step(row, state)
        torch.testing.assert_close(logits, whole[t])
    assert all(torch.equal(state[name], final[name]) for name in final)


def test_one_hot_is_a_row_of_the_matrix():
    model = _model("rnn")
    ids = torch.tensor([[3], [1]])
    by_hand = torch.zeros(2, 1, 7)
    by_hand[0, 0, 3] = by_hand[1, 0, 1] = 1
    assert torch.equal(model(ids)[0], model.read_out(model.rnn(by_hand)[0]))


def test_dropout_stands_before_the_read_out():
    model = _model(dropout=0.4, hidden_size=64)
    ids = torch.randint(7, (60, 20))
    seen = []
    model.read_out.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    hidden, _ = model.rnn(torch.nn.functional.one_hot(ids, 7).float())
    model(ids)
    kept = seen[0] != 0
    assert abs(kept.float().mean() - 0.6) < 0.01
    torch.testing.assert_close(seen[0][kept], hidden[kept] / 0.6)
    assert not torch.equal(model(ids)[0], model(ids)[0])
    model.eval()
    assert torch.equal(model(ids)[0], model(ids)[0])


def test_ids_are_whole_numbers():
    with pytest.raises(ShapeError, match="ids are torch.float32"):
        _model()(torch.zeros(3, 2))
    with pytest.raises(ShapeError, match=r"ids are torch\.bool"):
        _model()(torch.zeros(3, 2).bool())
    with pytest.raises(ShapeError, match="ids is a list"):
        _model()([[1, 2]])


@pytest.mark.parametrize("embedding_size", [0, 4])
def test_ids_lie_within_the_vocabulary(embedding_size):
    model = _model(embedding_size=embedding_size)
    size = model.config.vocab_size
    for bad in (-1, size):
        with pytest.raises(ShapeError, match=f"ids go from .*, the vocabulary from 0 to {size - 1}"):
            model(torch.tensor([[0], [bad]]))
    ids = torch.tensor([[0, 1], [size - 1, 0]])
    for kind in (torch.int32, torch.uint8):
        assert torch.equal(model(ids.to(kind))[0], model(ids)[0])


@pytest.mark.parametrize("sizes", [{"hidden_size": 0}, {"vocab_size": 0}, {"dropout": 1.0}, {"colour": "red"}])
def test_sizes_are_checked(sizes):
    with pytest.raises(ValidationError):
        _model(**sizes)
