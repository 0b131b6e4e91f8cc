"""A tagger: padded as unpadded, batched as single, step by step as at once, on words, numbers and frames."""

import pytest
import torch

from unrolled import ShapeError, cell, use_engine
from unrolled.layers import ImageEncoder
from unrolled.models import FrontConfig, SequenceConfig, Tagger
from unrolled.ops import affine, sigmoid, tanh

LENGTHS = torch.tensor([5, 1, 7, 3])
FRONTS = {
    "words": FrontConfig(vocab_size=11, embedding_size=5),
    "numbers": FrontConfig(mean=(1.0, 2.0), deviation=(3.0, 4.0)),
    "frames": FrontConfig(frame=(2, 9, 12), mean=(1.0, 2.0), deviation=(3.0, 4.0), embedding_size=6),
    "plain": FrontConfig(frame=(1, 16, 16), mean=(1.0,), deviation=(3.0,), embedding_size=6, blocks="plain"),
}


@cell
def mine(x, memory):
    gate = sigmoid(affine(x, memory))
    memory = gate * memory + (1 - gate) * tanh(affine(x))
    return memory


def _inputs(kind, steps=7, rows=4):
    if kind == "words":
        return torch.randint(11, (steps, rows))
    return torch.randn(steps, rows, *(FRONTS[kind].frame or (2,)))


def _model(cell_name, kind, **options):
    config = SequenceConfig(front=FRONTS[kind], classes=3, hidden_size=7, num_layers=2, **options)
    return Tagger(config, cell_name).eval()


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("kind", list(FRONTS))
@pytest.mark.parametrize("cell_name", ["rnn", "lstm", "gru", "gru_v3", mine])
def test_padded_batched_and_stepped(cell_name, kind, engine):
    model, inputs = _model(cell_name, kind), _inputs(kind)
    with use_engine(engine), torch.no_grad():
        together = model(inputs, LENGTHS)
        longer = model(torch.cat([inputs, _inputs(kind, 4)]), LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            alone = model(inputs[:length, row : row + 1], torch.tensor([length]))
            torch.testing.assert_close(longer[:length, row], together[:length, row], rtol=0, atol=1e-6)
            torch.testing.assert_close(alone[:, 0], together[:length, row], rtol=0, atol=1e-6)
        state, stepped = None, []
        for step in range(7):
            logits, state = model.step(inputs[step], state)
            stepped.append(logits)
        whole = model(inputs, torch.full((4,), 7))
    torch.testing.assert_close(torch.stack(stepped), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell_name", ["lstm", "gru_v3"])
def test_given_its_features_the_recurrent_part_is_the_same_to_the_bit(cell_name):
    model = _model(cell_name, "frames")
    with torch.no_grad():
        features = model.front(_inputs("frames"))
        whole, _ = model.rnn(features)
        state, stepped = None, []
        for step in range(7):
            hidden, state = model.rnn.step(features[step], state)
            stepped.append(hidden)
    assert torch.equal(torch.stack(stepped), whole)


def test_the_losses_are_of_real_steps():
    model, inputs = _model("gru", "words"), _inputs("words")
    targets = torch.randint(3, (7, 4))
    for row, length in enumerate(LENGTHS.tolist()):
        targets[length:, row] = -100
    losses = model.losses(inputs, LENGTHS, targets).detach()
    assert losses.shape == (16,)
    log_probabilities = model(inputs, LENGTHS).log_softmax(dim=2).detach()
    by_hand = [
        -float(log_probabilities[step, row, targets[step, row]])
        for step in range(7)
        for row in range(4)
        if step < LENGTHS[row]
    ]
    torch.testing.assert_close(losses, torch.tensor(by_hand))


def test_one_that_reads_from_the_end_cannot_be_stepped():
    model = _model("gru", "words", bidirectional=True)
    with pytest.raises(ShapeError, match="has to see the whole sequence"):
        model.step(torch.zeros(4, dtype=torch.int64))


def test_frames_of_another_size():
    with pytest.raises(ShapeError, match=r"wanted \(T, B, 2, 9, 12\)"):
        _model("gru", "frames")(torch.randn(7, 4, 2, 9, 11), LENGTHS)


def _encoder(channels, height, width, blocks="residual"):
    """With gains that are not zero, as those of a residual block are at first."""
    encoder = ImageEncoder(channels, height, width, 10, blocks)
    for part in encoder.parameters():
        if part.dim() == 1:
            torch.nn.init.normal_(part, 1.0, 0.3)
    return encoder


@pytest.mark.parametrize("blocks", ["plain", "residual"])
@pytest.mark.parametrize("size", [(1, 20, 24), (3, 1, 1), (2, 8, 3), (3, 70, 33)])
def test_an_image_alone_is_the_same_as_among_others(size, blocks):
    encoder = _encoder(*size, blocks)
    images = torch.randn(6, *size)
    vectors = encoder(images)
    assert vectors.shape == (6, 10)
    alone = torch.cat([encoder(one[None]) for one in images])
    torch.testing.assert_close(alone, vectors, rtol=0, atol=1e-5)
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3


@pytest.mark.parametrize("blocks", ["plain", "residual"])
def test_every_weight_of_an_encoder_is_learned(blocks):
    encoder = _encoder(2, 33, 20, blocks)
    encoder(torch.randn(3, 2, 33, 20)).square().sum().backward()
    assert all(part.grad.abs().max() > 0 for part in encoder.parameters())


def test_the_last_convolution_is_told_where_each_pixel_is():
    encoder, read = _encoder(1, 24, 16), []
    encoder.last.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    encoder(torch.randn(2, 1, 24, 16))
    assert read[0].shape == (2, 34, 6, 4)
    for rows, columns in read[0][:, -2:]:
        assert torch.equal(rows, torch.linspace(-1, 1, 6)[:, None].expand(6, 4))
        assert torch.equal(columns, torch.linspace(-1, 1, 4).expand(6, 4))


def test_residual_blocks_add_what_went_in():
    """With its convolutions at zero a residual block is the ReLU of its input, a plain one is zero."""
    for blocks, wanted in (("residual", True), ("plain", False)):
        encoder = ImageEncoder(1, 8, 8, 3, blocks)
        block = encoder.stages[2]
        for part in block.parameters():
            torch.nn.init.zeros_(part)
        x = torch.randn(2, 32, 4, 4)
        assert torch.equal(block(x), x.relu() if wanted else torch.zeros_like(x))


def test_a_residual_block_begins_as_the_identity():
    x = torch.rand(2, 32, 4, 4)
    assert torch.equal(ImageEncoder(1, 8, 8, 3).stages[2](x), x)


def test_more_frames_than_are_encoded_together():
    front = FRONTS["plain"].made()
    images = torch.randn(350, 3, 1, 16, 16)
    parts = torch.cat([front(one) for one in images.split(7)])
    torch.testing.assert_close(front(images), parts, rtol=0, atol=1e-5)


def test_noise_and_dropout_of_frames_are_there_while_training():
    images = torch.randn(5, 3, 2, 9, 12)
    for options in ({"noise": 0.5}, {"dropout": 0.5}):
        front = FRONTS["frames"].model_copy(update=options).made()
        assert not torch.equal(front(images), front(images)), options
        plain = FRONTS["frames"].made().eval()
        plain.load_state_dict(front.state_dict())
        assert torch.equal(front.eval()(images), plain(images)), options
