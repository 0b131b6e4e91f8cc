"""A classifier: what each pooling is, by hand; padded as unpadded, batched as single."""

import pytest
import torch

from unrolled import ShapeError, cell, use_engine
from unrolled.layers import Pool
from unrolled.models import Classifier, ClassifierConfig, FrontConfig
from unrolled.ops import affine, sigmoid, tanh

LENGTHS = torch.tensor([5, 1, 7, 3])
POOLINGS = ["last", "mean", "max", "attention"]


@cell
def mine(x, memory):
    gate = sigmoid(affine(x, memory))
    memory = gate * memory + (1 - gate) * tanh(affine(x))
    return memory


def _sequence(width=6):
    """[7, 4, width], NaN behind each end."""
    sequence = torch.randn(7, 4, width, dtype=torch.float64)
    for row, length in enumerate(LENGTHS.tolist()):
        sequence[length:, row] = torch.nan
    return sequence


@pytest.mark.parametrize("bidirectional", [False, True])
def test_last(bidirectional):
    sequence = _sequence()
    found = Pool("last", 6, bidirectional=bidirectional)(sequence.nan_to_num(0.0), LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        wanted = sequence[length - 1, row].clone()
        if bidirectional:
            wanted[3:] = sequence[0, row, 3:]
        assert torch.equal(found[row], wanted)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_mean_and_max_look_at_real_steps_only(pooling):
    sequence = _sequence()
    found = Pool(pooling, 6)(sequence, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        real = sequence[:length, row]
        wanted = real.mean(dim=0) if pooling == "mean" else real.amax(dim=0)
        torch.testing.assert_close(found[row], wanted)


def test_attention_by_hand():
    pool = Pool("attention", 6).double()
    sequence = _sequence()
    found, weights = pool(sequence, LENGTHS), pool.weights(sequence, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        real = sequence[:length, row]
        scores = torch.tanh(real @ pool.hidden.weight.T + pool.hidden.bias) @ pool.score.weight[0]
        share = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(weights[:length, row], share)
        assert not weights[length:, row].any()
        torch.testing.assert_close(found[row], share @ real)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_sequence_of_no_step_is_zero(pooling):
    found = Pool(pooling, 4)(torch.randn(3, 2, 4), torch.tensor([0, 3]))
    assert not found[0].any()
    assert found[1].any()


def _model(cell_name, pooling, front=None, **options):
    front = front or FrontConfig(vocab_size=11, embedding_size=5)
    config = ClassifierConfig(front=front, classes=3, hidden_size=7, pooling=pooling, **options)
    return Classifier(config, cell_name).eval()


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_name", ["rnn", "lstm", "gru", "gru_v3", mine])
def test_padded_is_unpadded_and_batched_is_single(cell_name, pooling, engine):
    model = _model(cell_name, pooling, bidirectional=True, num_layers=2)
    ids = torch.randint(11, (7, 4))
    with use_engine(engine), torch.no_grad():
        together = model(ids, LENGTHS)
        longer = model(torch.cat([ids, torch.randint(11, (4, 4))]), LENGTHS)
        alone = [model(ids[:length, row : row + 1], torch.tensor([length])) for row, length in enumerate(LENGTHS)]
    torch.testing.assert_close(longer, together, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-6)


def test_channels_have_one_scale():
    front = FrontConfig(mean=(10.0, -2.0), deviation=(5.0, 0.5))
    model = _model("gru", "mean", front)
    series = torch.randn(7, 4, 2)
    scaled = (series - torch.tensor([10.0, -2.0])) / torch.tensor([5.0, 0.5])
    plain = _model("gru", "mean", FrontConfig(mean=(0.0, 0.0), deviation=(1.0, 1.0)))
    plain.load_state_dict({**model.state_dict(), "front.mean": torch.zeros(2), "front.deviation": torch.ones(2)})
    torch.testing.assert_close(model(series, LENGTHS), plain(scaled, LENGTHS))


def test_the_losses_are_those_of_each_example():
    model = _model("lstm", "last")
    ids, targets = torch.randint(11, (7, 4)), torch.tensor([[0, 2, 1, 1]])
    losses = model.losses(ids, LENGTHS, targets)
    log_probabilities = model(ids, LENGTHS).log_softmax(dim=1)
    torch.testing.assert_close(losses, -log_probabilities[torch.arange(4), targets[0]])


def test_words_are_read_as_unknown_while_it_learns():
    front = FrontConfig(vocab_size=11, embedding_size=5, token_dropout=0.5).made()
    ids = torch.full((50, 40), 7)
    unknown = (front(ids) == front.embedding.weight[0]).all(dim=-1).double().mean()
    assert 0.45 < float(unknown) < 0.55
    assert (front.eval()(ids) == front.embedding.weight[7]).all()


def test_what_tells_nothing_is_the_unknown_word_or_the_mean():
    learned = FrontConfig(vocab_size=11, embedding_size=5, token_dropout=0.5).made()
    assert torch.equal(learned.nothing(), learned.embedding.weight[0])
    assert not FrontConfig(vocab_size=11, embedding_size=5).made().nothing().any()
    channels = FrontConfig(mean=(10.0, -2.0), deviation=(5.0, 0.5)).made()
    assert torch.equal(channels.nothing(), channels(torch.tensor([[[10.0, -2.0]]]))[0, 0])
    frames = FrontConfig(frame=(2, 9, 12), mean=(1.0, 2.0), deviation=(3.0, 4.0), embedding_size=6).made().eval()
    grey = torch.tensor([1.0, 2.0])[:, None, None].expand(1, 1, 2, 9, 12)
    torch.testing.assert_close(frames.nothing(), frames(grey)[0, 0])


@pytest.mark.parametrize(
    ("inputs", "told"),
    [(torch.full((7, 4), 11), "from 11 to 11, the vocabulary from 0 to 10"), (torch.zeros(7, 4), "whole numbers")],
)
def test_ids_that_are_none(inputs, told):
    with pytest.raises(ShapeError, match=told):
        _model("gru", "mean")(inputs, LENGTHS)


def test_another_number_of_channels():
    with pytest.raises(ShapeError, match="wanted"):
        _model("gru", "mean", FrontConfig(mean=(0.0, 0.0), deviation=(1.0, 1.0)))(torch.zeros(7, 4, 3), LENGTHS)


@pytest.mark.parametrize("wrong", [{}, {"vocab_size": 3, "mean": (1.0,), "deviation": (1.0,)}, {"mean": (1.0,)}])
def test_a_front_reads_ids_or_channels(wrong):
    with pytest.raises(ValueError, match="ids or channels"):
        FrontConfig(**wrong)
