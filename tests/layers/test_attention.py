"""Attention: each scoring as a loop over rows and places; what is behind the end of a row has no part in it."""

import pytest
import torch

from unrolled import ConfigError
from unrolled.layers import Attention

LENGTHS = torch.tensor([5, 1, 3])


def _is_place(memory):
    return (torch.arange(len(memory))[:, None] < LENGTHS)[..., None]


def _score(layer, query, place):
    if layer.scoring == "dot":
        return query @ place
    if layer.scoring == "general":
        return query @ layer.query.weight.T @ place
    hidden = torch.tanh(layer.query(query) + layer.memory.weight @ place)
    return layer.score.weight[0] @ hidden


@pytest.mark.parametrize("scoring", ["dot", "general", "additive"])
def test_by_hand(scoring):
    layer = Attention(scoring, 4, 4 if scoring == "dot" else 3).double()
    memory = torch.randn(5, 3, 4 if scoring == "dot" else 3, dtype=torch.float64)
    queries = torch.randn(2, 3, 4, dtype=torch.float64)
    means, weights = layer(queries, memory.masked_fill(~_is_place(memory), torch.nan), LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        for step in range(2):
            real = memory[:length, row]
            scores = torch.stack([_score(layer, queries[step, row], place) for place in real])
            share = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(weights[step, row, :length], share)
            assert not weights[step, row, length:].any()
            torch.testing.assert_close(means[step, row], share @ real)


@pytest.mark.parametrize("scoring", ["dot", "general", "additive"])
def test_gradients(scoring):
    layer = Attention(scoring, 3, 3).double()
    queries, memory = (torch.randn(2 + one, 3, 3, dtype=torch.float64, requires_grad=True) for one in (0, 3))
    assert torch.autograd.gradcheck(lambda *given: layer(*given, LENGTHS), (queries, memory))
    layer(queries, memory, LENGTHS)[0].sum().backward()
    assert not memory.grad[3:, 2].any(), "a place behind the end"


def test_queries_that_do_not_fit():
    with pytest.raises(ConfigError, match="they are 4 and 6 wide"):
        Attention("dot", 4, 6)
