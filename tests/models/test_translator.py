"""A translator: step by step as at once, padded as unpadded, batched as single, for every way to know the source."""

import pytest
import torch

from tests.models.test_classifier import mine
from unrolled import use_engine
from unrolled.models import FrontConfig, Translator, TranslatorConfig, WriterConfig

LENGTHS = torch.tensor([5, 1, 6, 3])
TARGETS = torch.tensor([[3, 1, 0, 2], [1, -1, 4, 2], [-1, -1, 4, 0]])
WAYS = [
    {"context": "attention", "attention": "additive", "num_layers": 2},
    {"context": "attention", "attention": "general", "tied": True},
    {"context": "attention", "attention": "dot", "bidirectional": False},
    {"context": "fixed", "num_layers": 2, "tied": True},
    {"context": "fixed", "bidirectional": False},
    {"context": "state", "bidirectional": False, "num_layers": 2, "reverse_source": True},
]


def _model(cell_name="lstm", way=WAYS[0], **options):
    way = way | options
    of_model = {name: way.pop(name) for name in ("bidirectional", "reverse_source", "dropout") if name in way}
    writer = WriterConfig(vocab_size=5, embedding_size=6, hidden_size=7, **way)
    config = TranslatorConfig(front=FrontConfig(vocab_size=9, embedding_size=4), writer=writer, **of_model)
    return Translator(config, cell_name).eval()


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell_name", ["rnn", "lstm", "gru", "gru_v3", mine])
@pytest.mark.parametrize("way", WAYS)
def test_padded_is_unpadded_and_batched_is_single(cell_name, way, engine):
    model = _model(cell_name, way)
    ids = torch.randint(9, (6, 4))
    given = model.given(TARGETS)
    with use_engine(engine), torch.no_grad():
        together, _ = model(ids, LENGTHS, given)
        longer, _ = model(torch.cat([ids, torch.randint(9, (3, 4))]), LENGTHS, given)
        alone = [
            model(ids[:length, row : row + 1], torch.tensor([length]), given[:, row : row + 1])[0]
            for row, length in enumerate(LENGTHS)
        ]
    torch.testing.assert_close(longer, together, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.cat(alone, dim=1), together, rtol=0, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_symbol_by_symbol_it_writes_the_same(way):
    model = _model("lstm", way)
    ids, given = torch.randint(9, (6, 4)), model.given(TARGETS)
    with torch.no_grad():
        whole, weights = model(ids, LENGTHS, given)
        memory = model.read(ids, LENGTHS)
        state = model.writer.begin(memory)
        for step, symbols in enumerate(given):
            logits, state, looked = model.writer.step(symbols, memory, state)
            torch.testing.assert_close(logits, whole[step], rtol=0, atol=1e-5)
            assert (looked is None) == (weights is None) == (way["context"] != "attention")
            if looked is not None:
                torch.testing.assert_close(looked, weights[step], rtol=0, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_the_losses_are_those_of_each_symbol_and_of_the_ends(way):
    model = _model("gru", way)
    ids = torch.randint(9, (6, 4))
    losses = model.losses(ids, LENGTHS, TARGETS)
    nats = -model(ids, LENGTHS, model.given(TARGETS))[0].log_softmax(dim=2)
    wanted = [
        nats[step, row, symbol]
        for step, symbols in enumerate([[3, 1, 0, 2], [1, 5, 4, 2], [5, None, 4, 0], [None, None, 5, 5]])
        for row, symbol in enumerate(symbols)
        if symbol is not None
    ]
    torch.testing.assert_close(losses, torch.stack(wanted))


@pytest.mark.parametrize("way", WAYS)
def test_every_weight_has_its_gradient(way):
    model = _model("lstm", way).double()
    model.losses(torch.randint(9, (6, 4)), LENGTHS, TARGETS).sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.any(), name


def test_numeric_gradients():
    model = _model("gru_v3", WAYS[0], num_layers=1).double()
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(3.0)  # (of order 1)
    ids = torch.randint(9, (6, 4))
    names = ["writer.embedding.weight", "writer.attention.memory.weight", "writer.begin_with.weight"]
    loss = model.losses(ids, LENGTHS, TARGETS).sum()
    exact = torch.autograd.grad(loss, [dict(model.named_parameters())[name] for name in names])
    for name, gradient in zip(names, exact, strict=True):
        value = dict(model.named_parameters())[name].detach()
        numeric = torch.zeros_like(value)
        with torch.no_grad():
            for place in range(value.numel()):
                flat = value.view(-1)
                before = flat[place].item()
                found = []
                for shift in (1e-5, -1e-5):
                    flat[place] = before + shift
                    found.append(model.losses(ids, LENGTHS, TARGETS).sum())
                flat[place] = before
                numeric.view(-1)[place] = (found[0] - found[1]) / 2e-5
        assert float((numeric - gradient).abs().max() / gradient.abs().max()) < 1e-7, name


def test_a_source_that_is_read_from_its_end():
    backwards, forwards = _model("gru", WAYS[5]), _model("gru", WAYS[5], reverse_source=False)
    forwards.load_state_dict(backwards.state_dict())
    ids = torch.randint(9, (6, 4))
    turned = ids.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        turned[:length, row] = ids[:length, row].flip(0)
    one, other = backwards.read(ids, LENGTHS), forwards.read(turned, LENGTHS)
    torch.testing.assert_close(one.state, other.state)
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(one.places[:length, row], other.places[:length, row].flip(0))


def test_scheduled_sampling_mixes_what_it_would_write_itself():
    model = _model("gru", WAYS[1]).train()
    with torch.no_grad():
        model.writer.bias[4] = 50.0  # (it writes nothing but 4)
    memory, given = model.read(torch.randint(9, (6, 4)), LENGTHS), model.given(TARGETS)
    model.truth = 0.0
    assert (model._mixed(given, memory)[1:] == 4).all()
    assert (model._mixed(given, memory)[0] == model.writer.boundary).all()
    model.truth = 0.5
    mixed = torch.stack([model._mixed(given, memory)[1] for _ in range(200)])
    assert 0.4 < float((mixed[:, 0] == 4).double().mean()) < 0.6
    assert ((mixed == 4) | (mixed == given[1])).all()


def test_labels_are_smoothed_while_it_learns():
    model, plain = (_model("gru", WAYS[1]) for _ in range(2))
    model.config = model.config.model_copy(update={"label_smoothing": 0.2})
    plain.load_state_dict(model.state_dict())
    ids = torch.randint(9, (6, 4))
    assert torch.equal(model.losses(ids, LENGTHS, TARGETS), plain.losses(ids, LENGTHS, TARGETS)), (
        "not where it is measured"
    )
    nats = -model(ids, LENGTHS, model.given(TARGETS))[0].log_softmax(dim=2)[0]
    wanted = 0.8 * nats[torch.arange(4), TARGETS[0]] + 0.2 * nats.mean(dim=1)
    torch.testing.assert_close(model.train().losses(ids, LENGTHS, TARGETS)[:4], wanted)


def test_symbols_that_are_none():
    from unrolled import ShapeError

    model = _model()
    with pytest.raises(ShapeError, match="the vocabulary from 0 to 5"):
        model(torch.zeros(6, 4, dtype=torch.long), LENGTHS, torch.full((2, 4), 6))


def test_a_state_needs_one_direction():
    with pytest.raises(ValueError, match="one that reads in one direction"):
        _model("gru", WAYS[5], bidirectional=True)
