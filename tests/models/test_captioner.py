"""A captioner: the losses of CS231n's third assignment; of every way the same whole, padded, batched and stepped."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from tests.models.test_classifier import mine
from unrolled import use_engine
from unrolled.errors import ConfigError, ShapeError
from unrolled.models import Captioner, CaptionerConfig, TellerConfig, ViewerConfig, ended, given_before, parted

FRAME = (2, 11, 9)
VIEWER = {"frame": FRAME, "mean": (100.0, 90.0), "deviation": (50.0, 60.0), "size": 8}
CAPTIONS = torch.tensor([[3, 1, 0, 2], [1, -1, 4, 2], [-1, -1, 4, 0]])  # [U, N]
TARGETS = torch.tensor([[3, 1, 0, 2], [1, 5, 4, 2], [5, -1, 4, 0], [-1, -1, 5, 5]])  # the same, one for each image
WAYS = ["first", "every", "state", "word", "soft", "hard"]


def drawn(model, scale=1.0):
    """The same model with weights of order one, none of them zero."""
    for value in model.parameters():
        torch.nn.init.normal_(value, std=scale * value[0].numel() ** -0.5 if value.dim() > 1 else 0.3)
    return model


def _model(image="soft", cell_name="lstm", viewer=None, **options):
    torch.manual_seed(5)
    teller = TellerConfig(vocab_size=5, embedding_size=6, hidden_size=7, image=image, **options)
    config = CaptionerConfig(viewer=ViewerConfig(**(viewer or VIEWER)), teller=teller)
    return drawn(Captioner(config, cell_name)).eval()


def _images(count=4):
    return torch.rand(1, count, *FRAME) * 255, torch.ones(count, dtype=torch.long)


class TestTargets:
    def test_sequences_are_parted_and_know_their_column(self):
        # three captions, an empty one among them; one; one and an empty one
        columns = torch.tensor([[1, 2, 5, 5, 3, 5], [4, 5, -1, -1, -1, -1], [0, 1, 2, 5, 5, -1]]).T
        captions, owners = parted(columns, 5)
        assert owners.tolist() == [0, 0, 0, 1, 2, 2]
        assert captions.T.tolist() == [
            [1, 2, -1], [-1, -1, -1], [3, -1, -1], [4, -1, -1], [0, 1, 2], [-1, -1, -1],
        ]  # fmt: skip

    def test_what_is_given_stands_before_what_is_wanted(self):
        assert given_before(CAPTIONS, 5).T.tolist() == [[5, 3, 1, 5], [5, 1, 5, 5], [5, 0, 4, 4], [5, 2, 2, 0]]
        assert ended(CAPTIONS, 5).T.tolist() == [[3, 1, 5, -1], [1, 5, -1, -1], [0, 4, 4, 5], [2, 2, 0, 5]]


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize(
    ("cell_name", "features", "wanted"),
    [("rnn", (-1.5, 0.3), 9.83235591003), ("lstm", (-0.5, 1.7), 9.82445935443)],
)
def test_the_losses_of_the_assignment(cell_name, features, wanted, engine):
    """N, D, W, H = 10, 20, 30, 40, V = 3 with <NULL> = 0, T = 13; every weight is even from -1.4 to 1.3."""
    viewer = {"features": 20}
    teller = TellerConfig(vocab_size=3, embedding_size=30, hidden_size=40, image="state")
    model = Captioner(CaptionerConfig(viewer=ViewerConfig(**viewer), teller=teller), cell_name).double()

    def even(*shape):
        return torch.linspace(-1.4, 1.3, torch.Size(shape).numel(), dtype=torch.float64).view(shape)

    parts = 4 if cell_name == "lstm" else 1
    layer = model.teller.rnn.layer0
    names = {name.rpartition("_")[2] + name[0]: name for name, _ in layer.named_parameters()}
    with torch.no_grad():
        model.teller.project.weight.copy_(even(20, 40).T)
        model.teller.project.bias.copy_(even(40))
        model.teller.embedding.weight[:3].copy_(even(3, 30))
        layer.get_parameter(names["xw"]).copy_(even(30, parts * 40).T)
        layer.get_parameter(names["hw"]).copy_(even(40, parts * 40).T)
        layer.get_parameter(names["xb"]).copy_(even(parts * 40))
        layer.get_parameter(names["hb"]).zero_()
        model.teller.read_out.weight[:3].copy_(even(40, 3).T)
        model.teller.read_out.bias[:3].copy_(even(3))
        captions = (torch.arange(10 * 13) % 3).view(10, 13)
        seen = torch.linspace(*features, 10 * 20, dtype=torch.float64).view(1, 10, 20)
        with use_engine(engine):
            logits, _ = model(seen, torch.ones(10, dtype=torch.long), captions[:, :-1].T)
    nats = F.cross_entropy(logits[..., :3].flatten(0, 1), captions[:, 1:].T.flatten(), ignore_index=0, reduction="sum")
    assert float(nats / 10) == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell_name", ["rnn", "lstm", "gru_v3", mine])
@pytest.mark.parametrize("image", WAYS)
def test_batched_is_single_and_padded_is_unpadded(image, cell_name, engine):
    model = _model(image, cell_name, num_layers=2)
    images, ones = _images()
    given = given_before(CAPTIONS, 5)
    lengths = torch.tensor([3, 2, 4, 4])
    with use_engine(engine), torch.no_grad():
        together, weights = model(images, ones, given, lengths)
        longer, _ = model(images, ones, torch.cat([given, torch.randint(5, (3, 4))]), lengths)
        for row, length in enumerate(lengths):
            alone, looked = model(images[:, row : row + 1], ones[:1], given[:length, row : row + 1])
            torch.testing.assert_close(alone[:, 0], together[:length, row], rtol=0, atol=1e-5)
            torch.testing.assert_close(longer[:length, row], together[:length, row], rtol=0, atol=1e-6)
            if weights is not None:
                torch.testing.assert_close(looked[:, 0], weights[:length, row], rtol=0, atol=1e-5)
                torch.testing.assert_close(looked.sum(dim=2), torch.ones(length, 1))


@pytest.mark.parametrize("image", WAYS)
def test_symbol_by_symbol_it_tells_the_same(image):
    model = _model(image, num_layers=2)
    images, ones = _images()
    given = given_before(CAPTIONS, 5)
    with torch.no_grad():
        whole, weights = model(images, ones, given)
        memory = model.read(images, ones)
        state = model.teller.begin(memory)
        for step, symbols in enumerate(given):
            logits, state, looked = model.teller.step(symbols, memory, state)
            torch.testing.assert_close(logits, whole[step], rtol=0, atol=1e-5)
            assert (looked is None) == (weights is None)
            if looked is not None:
                torch.testing.assert_close(looked, weights[step], rtol=0, atol=1e-6)


@pytest.mark.parametrize("image", WAYS)
def test_the_losses_are_those_of_each_symbol_and_of_the_ends(image):
    model = _model(image)
    images, ones = _images()
    made = model.losses(images, ones, TARGETS)
    losses = made[0] if isinstance(made, tuple) else made
    nats = -model(images, ones, given_before(CAPTIONS, 5))[0].log_softmax(dim=2)
    wanted = ended(CAPTIONS, 5)
    torch.testing.assert_close(losses, nats.gather(2, wanted.clamp_min(0)[..., None])[..., 0][wanted >= 0])


@pytest.mark.parametrize("image", WAYS)
def test_several_captions_of_an_image_are_as_those_of_several_images(image):
    model = _model(image)
    images, ones = _images(2)
    both = torch.tensor([[3, 1, 5, 2, 5, -1], [0, 5, 4, 4, 1, 5]]).T
    apart = torch.tensor([[3, 1, 5, -1], [2, 5, -1, -1], [0, 5, -1, -1], [4, 4, 1, 5]]).T
    made, other = model.losses(images, ones, both), model.losses(images[:, [0, 0, 1, 1]], ones.repeat(2), apart)
    for one, same in zip(*(each if isinstance(each, tuple) else (each,) for each in (made, other)), strict=True):
        torch.testing.assert_close(one, same)


@pytest.mark.parametrize("image", WAYS)
def test_every_weight_has_its_gradient(image):
    model = _model(image, cell_name="lstm", num_layers=2, dropout=0.2, mixing=0.5).train()
    made = model.losses(*_images(), TARGETS)
    loss = made[0].mean() + made[1] if isinstance(made, tuple) else made.mean()
    loss.backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().max() > 0, name


@pytest.mark.parametrize("image", ["every", "soft"])
def test_gradients_are_numeric_in_float64(image):
    model = _model(image, viewer={"features": 3}, spread=0.7).double()
    features, lengths = torch.randn(4, 4, 3, dtype=torch.float64), torch.tensor([4, 2, 3, 4])

    def objective():
        made = model.losses(features, lengths, TARGETS)
        return made[0].mean() + made[1] if isinstance(made, tuple) else made.mean()

    analytic = torch.autograd.grad(objective(), list(model.parameters()))
    for (name, value), gradient in zip(model.named_parameters(), analytic, strict=True):
        direction = torch.randn_like(value)
        with torch.no_grad():
            ahead = (value.add_(1e-5 * direction), objective())[1]
            behind = (value.sub_(2e-5 * direction), objective())[1]
            value.add_(1e-5 * direction)
        numeric = float(ahead - behind) / 2e-5
        assert numeric == pytest.approx(float((gradient * direction).sum()), rel=1e-6, abs=1e-8), name


class TestHardAttention:
    """Two symbols and their end, four places: 64 ways to look, each with its chance."""

    PLACES = 4

    def _model(self, **options):
        settings = {"reward": 1.0, "entropy": 0.0, "mixing": 0.0, "spread": 0.0} | options
        return _model("hard", "rnn", {"features": 3}, **settings).double()

    def _ways(self, model, run, steps):
        """What `run` gives for every way to look, and the chance of each."""
        for way in itertools.product(range(self.PLACES), repeat=steps):
            model.teller.baseline.fill_(1.3)
            model.teller._chosen = lambda weights, left=list(way): torch.full((len(weights),), left.pop(0))
            made, looks = run()
            yield made, looks.weights.gather(2, looks.chosen[..., None]).prod()
        del model.teller._chosen

    @pytest.mark.parametrize("engine", ["auto", "reference"])
    def test_its_gradient_has_the_mean_of_the_expectation(self, engine):
        """The mean over all ways, by their chances, of what is minimised; and the expectation of -log p(y | s)."""
        model = drawn(self._model().train(), scale=2.0)  # (early looks matter much)
        features, captions = torch.randn(self.PLACES, 1, 3, dtype=torch.float64), torch.tensor([[3], [1]])
        lengths, targets = torch.tensor([self.PLACES]), torch.tensor([[3, 1, 5]]).T
        given, wanted = given_before(captions, 5), ended(captions, 5)
        weights = list(model.parameters())
        seen = []
        look = model.teller.look
        model.teller.look = lambda *args: seen.append(look(*args)) or seen[-1]

        def exactly():
            memory = model.read(features, lengths)
            composed, _, looks = look(given, memory, model.teller.begin(memory))
            logits = model.teller.read_out(composed)
            return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="mean"), looks

        def estimated():
            nats, beside = model.losses(features, lengths, targets)
            return nats.mean() + beside, seen[-1][2]

        with use_engine(engine):
            expected = sum(cost * chance for cost, chance in self._ways(model, exactly, len(given)))
            exact = torch.autograd.grad(expected, weights)
            mean = sum(cost * chance.detach() for cost, chance in self._ways(model, estimated, len(given)))
            estimate = torch.autograd.grad(mean, weights)
        for one, other in zip(estimate, exact, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)

    def test_with_many_draws_it_comes_within_a_twentieth(self):
        model = self._model().train()
        features, captions = torch.randn(self.PLACES, 1, 3, dtype=torch.float64), torch.tensor([[3], [1]])
        given, wanted, count = given_before(captions, 5), ended(captions, 5), 20_000
        weights = list(model.teller.attention.parameters())

        def exactly():
            memory = model.read(features, torch.tensor([self.PLACES]))
            composed, _, looks = model.teller.look(given, memory, model.teller.begin(memory))
            logits = model.teller.read_out(composed)
            return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="mean"), looks

        exact = torch.autograd.grad(sum(one * chance for one, chance in self._ways(model, exactly, 3)), weights)
        targets = torch.tensor([[3, 1, 5]]).T.expand(-1, count)
        nats, beside = model.losses(features.expand(-1, count, -1), torch.full((count,), self.PLACES), targets)
        estimate = torch.autograd.grad(nats.mean() + beside, weights)
        for one, other in zip(estimate, exact, strict=True):
            assert (one - other).norm() / other.norm() < 0.05

    def test_the_baseline_moves_while_training_only(self):
        model = self._model()
        features, lengths = torch.randn(4, 4, 3, dtype=torch.float64), torch.tensor([4, 2, 3, 4])
        model.losses(features, lengths, TARGETS)
        assert float(model.teller.baseline) == 0
        nats, _ = model.train().losses(features, lengths, TARGETS)
        assert float(model.teller.baseline) == pytest.approx(0.1 * float(nats.detach().mean()))
        assert "teller.baseline" in model.state_dict()

    def test_it_looks_at_places_that_are_there(self):
        model = self._model().train()
        features, lengths = torch.randn(4, 300, 3, dtype=torch.float64), torch.full((300,), 2)
        memory = model.read(features, lengths)
        given = torch.full((3, 300), 5)
        _, _, looks = model.teller.look(given, memory, model.teller.begin(memory))
        assert set(looks.chosen.flatten().tolist()) == {0, 1}

    def test_evaluated_it_looks_where_it_is_likeliest(self):
        model = self._model()
        images, lengths = torch.randn(4, 3, 3, dtype=torch.float64), torch.tensor([4, 4, 4])
        memory = model.read(images, lengths)
        _, _, looks = model.teller.look(torch.full((2, 3), 5), memory, model.teller.begin(memory))
        assert torch.equal(looks.chosen, looks.weights.argmax(dim=2))

    def test_entropy_and_mixing_have_their_parts(self):
        features, lengths = torch.randn(4, 4, 3, dtype=torch.float64), torch.tensor([4, 2, 3, 4])
        torch.manual_seed(1)
        _, without = self._model(reward=0.0).losses(features, lengths, TARGETS)
        _, beside = self._model(reward=0.0, entropy=1.0).losses(features, lengths, TARGETS)
        assert float(without.detach()) == 0
        assert -torch.tensor(4.0).log() <= float(beside.detach()) < 0
        softly = self._model(mixing=1.0).train()
        _, nothing = softly.losses(features, lengths, TARGETS)
        assert float(nothing.detach()) == 0


def test_attention_that_is_spread_out_evenly_costs_nothing():
    model = _model("soft", viewer={"features": 3})
    for value in model.teller.attention.score.parameters():
        torch.nn.init.zeros_(value)
    for lengths in ([4, 4, 4, 4], [2, 4, 1, 3]):
        _, beside = model.losses(torch.randn(4, 4, 3), torch.tensor(lengths), TARGETS)
        assert float(beside.detach()) == pytest.approx(0, abs=1e-10)
    model.teller.attention.score.weight.data.fill_(3.0)
    _, beside = model.losses(torch.randn(4, 4, 3), torch.full((4,), 4), TARGETS)
    assert float(beside.detach()) > 0.01


def test_while_training_images_are_moved_a_little():
    model = _model("every", viewer=VIEWER | {"shift": 2})
    image = torch.zeros(1, 500, *FRAME)
    image[..., 5, 4] = 255
    seen = []
    model.viewer.grid.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.read(image, torch.ones(500, dtype=torch.long))
    model.train().read(image, torch.ones(500, dtype=torch.long))
    still, moved = ((one[:, 0] > 0).nonzero()[:, 1:] for one in seen)
    assert still.unique(dim=0).tolist() == [[5, 4]]
    assert {tuple(one) for one in moved.tolist()} == set(itertools.product(range(3, 8), range(2, 7)))


@pytest.mark.parametrize("image", ["state", "soft"])
def test_cells_whose_output_is_no_state_are_told_of(image):
    with pytest.raises(ConfigError, match="is no state"):
        _model(image, "sru")


@pytest.mark.parametrize("image", WAYS)
def test_what_stands_behind_the_ends_of_features_is_not_read(image):
    model = _model(image, viewer={"features": 3})
    features, lengths = torch.randn(4, 4, 3), torch.tensor([4, 2, 3, 1])
    behind = torch.arange(4)[:, None] >= lengths
    outcomes = []
    for filling in (0.0, 5.0, torch.nan):
        made = model.losses(features.masked_fill(behind[..., None], filling), lengths, TARGETS)
        outcomes.append(torch.cat([one.flatten() for one in made]) if isinstance(made, tuple) else made)
    assert torch.equal(outcomes[0], outcomes[1])
    assert torch.equal(outcomes[0], outcomes[2])


def by_hand(teller, ids, places, name):
    """Logits `[U, V + 1]` of one caption, by the equations, with an LSTM's parts in the order i, f, o, g."""
    cell, summary = teller.rnn.layer0, places.mean(dim=0)
    weights = {key.rpartition("_")[2] + key[0]: value for key, value in cell.named_parameters()}

    def lstm(x, h, c):
        z = weights["xw"] @ x + weights["xb"] + weights["hw"] @ h + weights["hb"]
        i, f, o, g = z.chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    size = teller.config.hidden_size
    h, c, logits = torch.zeros(size), torch.zeros(size), []
    if name == "word":
        h, c = lstm(teller.project.weight @ summary + teller.project.bias, h, c)
    if name == "soft":
        h, c = ((teller.start[one].weight @ summary + teller.start[one].bias).tanh() for one in ("h", "c"))
    for symbol in ids:
        x = teller.embedding.weight[symbol]
        if name == "every":
            h, c = lstm(torch.cat([x, summary]), h, c)
        elif name == "word":
            h, c = lstm(x, h, c)
        else:
            asked = teller.attention
            query = asked.query.weight @ h + asked.query.bias
            scores = [asked.score.weight[0] @ (asked.memory.weight @ a + query).tanh() for a in places]
            alpha = torch.stack(scores).softmax(dim=0)
            z = (teller.gate.weight[0] @ h + teller.gate.bias[0]).sigmoid() * (alpha[:, None] * places).sum(dim=0)
            h, c = lstm(torch.cat([x, z]), h, c)
            x = x + teller.of_state.weight @ h + teller.of_state.bias + teller.of_place.weight @ z
        read = x if name == "soft" else h
        logits.append(teller.read_out.weight @ read + teller.read_out.bias)
    return torch.stack(logits)


@pytest.mark.parametrize("name", ["every", "word", "soft"])
def test_each_way_is_its_equations(name):
    model = _model(name, viewer={"features": 3})
    places, ids = torch.randn(4, 3), [5, 3, 1, 0]
    with torch.no_grad():
        logits, _ = model(places[:, None], torch.tensor([4]), torch.tensor(ids)[:, None])
        torch.testing.assert_close(logits[:, 0], by_hand(model.teller, ids, places, name), rtol=0, atol=1e-5)


def test_of_the_places_of_an_image_the_largest_numbers_are_its_summary():
    model = _model("every")
    memory = model.read(*_images())
    assert torch.equal(memory.summary, memory.places.amax(dim=0))


def test_other_images_are_told_of():
    with pytest.raises(ShapeError, match="inputs"):
        _model().read(torch.rand(1, 3, 2, 11, 8), torch.ones(3, dtype=torch.long))
    with pytest.raises(ShapeError, match="inputs"):
        _model(viewer={"features": 3}).read(torch.rand(4, 3, 2), torch.ones(3, dtype=torch.long))
