"""A glimpser: read at once as glimpse by glimpse, batched as single, losses by hand, its policy's gradient exact."""

import itertools
import math

import pytest
import torch
from torch import nn

from tests.models.test_classifier import mine
from unrolled import ShapeError, cell, use_engine
from unrolled.models import Glimpser, GlimpserConfig, Looked
from unrolled.ops import affine, tanh, zoneout


@cell
def forgetful(x, h):
    """Some units of the state stay what they were (Krueger et al. 2017)."""
    h = zoneout(tanh(affine(x, h)), h, 0.4)
    return h


RAM = {"tries": 2}
DRAM = {"join": "product", "locator": "layer", "context": 3, "objects": 2, "ends": True, "glimpses": 2}
WAYS = [RAM, DRAM, {"locator": "layer", "scales": 3, "looks": "random"}, {"looks": "centre", "scale_factor": 3}]
LENGTHS = torch.ones(4, dtype=torch.long)
TARGETS = torch.tensor([[2, 0, 1, 2], [1, -1, 0, 2]])


def _model(cell_name="lstm", way=RAM, **options):
    sizes = {"image": (2, 9, 7), "classes": 3, "glimpses": 3, "glimpse_size": 2, "scales": 2, "feature_size": 5,
             "hidden_size": 6, "deviation": 0.3}  # fmt: skip
    model = Glimpser(GlimpserConfig(**sizes | way | options), cell_name)
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(2.0)  # (so that it does look elsewhere in another image)
        model.policy.mean.bias.uniform_(-0.5, 0.5)
    return model.eval()


def _images():
    return torch.randint(256, (1, 4, 2, 9, 7)).float()


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell_name", ["rnn(activation='relu')", "lstm", "gru_v3", mine])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("runs", [1, 3])
def test_batched_is_single(cell_name, way, runs, engine):
    model, images = _model(cell_name, way), _images()
    with use_engine(engine), torch.no_grad():
        looked = model.look(images[0], runs)
        together = model(images, LENGTHS, looked)
        alone = [model.look(images[0, row : row + 1], runs) for row in range(4)]
        said = [model(images[:, row : row + 1], LENGTHS[:1], one) for row, one in enumerate(alone)]
    torch.testing.assert_close(torch.cat(said, dim=1), together, rtol=0, atol=1e-5)
    places = torch.stack([one.locations for one in alone], dim=2).flatten(1, 2)
    torch.testing.assert_close(places, looked.locations, rtol=0, atol=1e-6)
    assert bool(places.std(dim=1).max() > 1e-3) == (way.get("looks") != "centre")


@pytest.mark.parametrize("cell_name", ["rnn(activation='relu')", "lstm", "gru"])
@pytest.mark.parametrize("way", WAYS[:3])
def test_all_glimpses_at_once_are_what_was_seen_one_by_one(cell_name, way):
    """The states in which locations are chosen are the same in both readings, on both engines."""
    model, images = _model(cell_name, way), _images()
    with torch.no_grad():
        looked = model.look(images[0])
        for engine in ("auto", "reference"):
            with use_engine(engine):
                known = model.understand(images[0], looked)
            if way.get("looks") != "random":
                torch.testing.assert_close(model.policy.means(known.chosen_in), looked.drawn, rtol=0, atol=1e-6)
        seen = model.sensor(images[0], looked.locations)
    assert torch.equal(seen, looked.seen)


def test_an_overview_is_where_the_layer_begins_that_chooses():
    model, images = _model("rnn", DRAM), _images()
    with torch.no_grad():
        looked = model.look(images[0])
        known = model.understand(images[0], looked)
        coarse = nn.functional.adaptive_avg_pool2d(images[0] / 255, 3).flatten(1)
        _, _, _, widen, _, onto = model.begin_with
        first = torch.tanh(onto(torch.relu(widen(coarse))))
        second, _ = model.locator.step(known.hidden[0], {"h": first[None]})
    torch.testing.assert_close(known.chosen_in[0], first)
    torch.testing.assert_close(looked.drawn[0], torch.tanh(model.policy.mean(first)))
    torch.testing.assert_close(known.chosen_in[1], second)
    with torch.no_grad():
        blind = _model("rnn", DRAM | {"context": 0}).look(images[0]).drawn[0]
    assert (blind == blind[0]).all()


def test_looking_again_is_looking_the_same_and_learning_is_not():
    model, images = _model(), _images()
    assert torch.equal(model.look(images[0], 3).drawn, model.look(images[0], 3).drawn)
    runs = model.look(images[0], 3).drawn.view(3, 3, 4, 2)
    assert bool((runs.std(dim=1) > 0.01).all()), "runs differ"
    model.train()
    first, other = model.look(images[0]), model.look(images[0])
    assert not torch.equal(first.drawn, other.drawn)
    distances = (first.drawn - model.policy.means(model.understand(images[0], first).chosen_in)) / 0.3
    assert 0.5 < distances.std().item() < 1.5
    assert float(first.locations.abs().max()) <= 1.0


def test_the_noise_of_a_cell_is_the_same_in_both_readings():
    model, images = _model(forgetful, DRAM).train(), _images()
    looked = model.look(images[0])
    drawn = model.policy.means(model.understand(images[0], looked).chosen_in)
    again = model.policy.means(model.understand(images[0], looked).chosen_in)
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, model.policy.means(model.understand(images[0], model.look(images[0])).chosen_in))


@pytest.mark.parametrize("way", [DRAM, RAM | {"tries": 3}])
@pytest.mark.parametrize("asked", ["last", "every"])
@pytest.mark.parametrize("rewarded", ["right", "chance"])
@pytest.mark.parametrize("explore", [0.0, 0.5, 1.0])
def test_the_losses_by_hand(way, asked, rewarded, explore):
    model = _model("gru", way, asked=asked, rewarded=rewarded, reward=0.7, explore=explore).train()
    images = _images()
    targets = TARGETS if way is DRAM else TARGETS[:1]
    torch.manual_seed(6)
    losses, beside = model.losses(images, LENGTHS, targets)
    torch.manual_seed(6)
    looked = model.look(images[0], model.config.tries)
    known = model.understand(images[0], looked)
    wanted = [[2, 1, 3], [0, 3], [1, 0, 3], [2, 2, 3]] if way is DRAM else [[2], [0], [1], [2]]
    each, told, every, policy, baseline = model.config.glimpses, {}, [], [], []
    for place in range(looked.drawn.shape[1]):
        row, earned = place % 4, []
        for step in range(model.config.steps):
            number, is_last = step // each, step % each == each - 1
            earned.append(0.0)
            if number < len(wanted[row]) and (is_last or asked == "every"):
                logits, symbol = model.read_out(known.hidden[step, place]), wanted[row][number]
                every.append(-logits.log_softmax(0)[symbol])
                worth = float(logits.argmax() == symbol) if rewarded == "right" else logits.softmax(0)[symbol].item()
                earned[-1] = worth / (each if asked == "every" else 1)
                if is_last:
                    told.setdefault((number, row), []).append(every[-1])
        for step in range(model.config.steps):
            if looked.aimless[place]:
                continue
            state, to_come = known.chosen_in[step, place], sum(earned[step : (step // each + 1) * each])
            mean, expected = torch.tanh(model.policy.mean(state)), model.policy.baseline(state)[0]
            density = torch.distributions.Normal(mean, 0.3).log_prob(looked.drawn[step, place]).sum()
            policy.append(-density * (to_come - expected.detach()))
            baseline.append((to_come - expected) ** 2)
    of_each = torch.stack([torch.stack(told[key]).mean() for key in sorted(told)])
    torch.testing.assert_close(losses, of_each)
    assert bool(looked.aimless.all()) or explore < 1
    assert not bool(looked.aimless.any()) or explore > 0
    minimised = torch.stack(every).mean()
    if policy:
        minimised = minimised + 0.7 * torch.stack(policy).mean() + torch.stack(baseline).mean()
    torch.testing.assert_close(losses.mean() + beside, minimised)


def test_classes_are_learned_from_their_nats_and_locations_from_rewards():
    model = _model("lstm", DRAM).train()
    losses, beside = model.losses(_images(), LENGTHS, TARGETS)
    names = [name for name, _ in model.named_parameters()]
    of_nats = torch.autograd.grad(losses.sum(), list(model.parameters()), retain_graph=True, allow_unused=True)
    of_reward = torch.autograd.grad(beside, list(model.parameters()), allow_unused=True)
    where = ("locator", "policy", "begin_with")
    for name, first, second in zip(names, of_nats, of_reward, strict=True):
        assert (first is None or not first.any()) == name.startswith(where), name
        assert (second is None or not second.any()) != name.startswith(where), name


@pytest.mark.parametrize("looks", ["centre", "random"])
def test_without_a_choice_there_is_nothing_beside(looks):
    model = _model(looks=looks).train()
    assert abs(model.losses(_images(), LENGTHS, TARGETS[:1])[1].item()) < 1e-6
    spread = model.look(_images()[0], 50).drawn
    assert float(spread.abs().max()) == 0.0 if looks == "centre" else 0.9 < float(spread.abs().max()) <= 1.0


def test_so_many_runs_look_anywhere():
    model = _model(explore=0.25).train()
    looked = model.look(_images()[0], 1_000)
    assert looked.aimless.float().mean().item() == pytest.approx(0.25, abs=0.03)
    anywhere = looked.drawn[:, looked.aimless]
    assert anywhere.mean().abs() < 0.03
    assert anywhere.std().item() == pytest.approx(1 / math.sqrt(3), abs=0.02)
    assert 0.99 < float(anywhere.abs().max()) <= 1.0
    assert not model.eval().look(_images()[0], 1_000).aimless.any()


def test_numeric_gradients_of_what_was_seen():
    model, images = _model("gru", DRAM).double(), _images().double()
    looked = model.look(images[0])

    def answers():
        return model.logits(model.understand(images[0], looked).hidden).square().sum()

    def density():
        means = model.policy.means(model.understand(images[0], looked).chosen_in)
        return model.policy.log_density(means, looked.drawn + 0.1).sum()

    parameters = dict(model.named_parameters())
    for name, loss in (("glimpse.what.1.weight", answers), ("glimpse.where.2.weight", answers),
                       ("policy.mean.weight", density), ("begin_with.5.weight", density)):  # fmt: skip
        exact = torch.autograd.grad(loss(), parameters[name])[0]
        flat, numeric = parameters[name].detach().view(-1), torch.zeros_like(exact)
        with torch.no_grad():
            for place in range(len(flat)):
                before, found = flat[place].item(), []
                for shift in (1e-5, -1e-5):
                    flat[place] = before + shift
                    found.append(loss())
                flat[place] = before
                numeric.view(-1)[place] = (found[0] - found[1]) / 2e-5
        assert float((numeric - exact).abs().max() / exact.abs().max()) < 1e-7, name


def _cells(means, deviation, pixels, size):
    """The probabilities of each first pixel of a patch, from -1 on: of a Gaussian cut at -1 and 1, `[..., pixels + 1]`.

    A patch of `size` pixels begins at floor((1 + l) pixels / 2 - size / 2 + 1/2).
    """
    first, last = math.floor(-size / 2 + 0.5), math.floor(pixels - size / 2 + 0.5)
    edges = torch.tensor([(start + size / 2 - 0.5) * 2 / pixels - 1 for start in range(first + 1, last + 1)])
    below = torch.special.ndtr((edges.to(means) - means[..., None]) / deviation)
    below = torch.cat([torch.zeros_like(below[..., :1]), below, torch.ones_like(below[..., :1])], dim=-1)
    return below[..., 1:] - below[..., :-1], [(start + size / 2) * 2 / pixels - 1 for start in range(first, last + 1)]


def _enumerable(seed, **options):
    """A model whose reward depends on nothing but the pixels at which its glimpses begin."""
    torch.manual_seed(seed)
    model = _model("rnn", {"image": (1, 4, 4), "glimpses": 2, "scales": 1, "deviation": 0.4} | options)
    model = model.double().train()
    nn.init.zeros_(model.glimpse.where[2].weight)
    with torch.no_grad():
        model.policy.mean.weight.mul_(2.0)
        model.policy.mean.bias.copy_(torch.tensor([0.2, -0.3]))
        model.read_out.weight.mul_(9.0)
    return model, torch.randint(256, (1, 1, 1, 4, 4)).double()


def _expected_reward(model, images, wanted):
    """The sum over all pairs of glimpses: their probability times what is earned by what is said then."""
    (across, down), places = _cells(model.policy.means(torch.zeros(1, 6).double())[0], 0.4, 4, 2)
    grid = torch.tensor(list(itertools.product(places, places))).double()  # [N, 2], x and y
    chance = (across[:, None] * down[None]).flatten()
    count = len(grid)
    both = torch.stack([grid.repeat_interleave(count, dim=0), grid.repeat(count, 1)])  # [2, N * N, 2]
    pictures = images[0].expand(count * count, -1, -1, -1)
    known = model.understand(pictures, Looked(both, model.sensor(pictures, both)))
    logits = model.read_out(known.hidden)  # [2, N * N, V]
    if model.config.rewarded == "right":
        earned = (logits[1].argmax(dim=-1) == wanted).double()
    else:
        earned = logits.softmax(dim=-1)[..., wanted].mean(dim=0).detach()
    second, _ = _cells(model.policy.means(known.chosen_in[1]), 0.4, 4, 2)  # [N * N, 2, cells]
    of_second = (second[:, 0, :, None] * second[:, 1, None, :]).flatten(1)
    of_second = of_second.gather(1, torch.arange(count).repeat(count)[:, None])[:, 0]
    return (chance.repeat_interleave(count) * of_second * earned).sum()


@pytest.mark.parametrize("options", [{}, {"rewarded": "chance", "asked": "every", "explore": 0.25}])
def test_the_gradient_of_the_policy_is_that_of_the_expected_reward(options):
    """REINFORCE, in the mean over many runs, against the sum over all pairs of glimpses that there are."""
    for seed in range(20):  # the first whose answer depends on where it looks
        model, images = _enumerable(seed, **options)
        of_each = [_expected_reward(model, images, wanted) for wanted in range(3)]
        assert sum(one.item() for one in of_each) == pytest.approx(1.0, abs=1e-12)
        worth = min(of_each, key=lambda one: abs(one.item() - 0.5))
        if 0.3 < worth.item() < 0.7:
            break
    wanted = of_each.index(worth)
    assert 0.3 < worth.item() < 0.7
    parameters = [model.policy.mean.weight, model.policy.mean.bias]
    exact = torch.cat([one.flatten() for one in torch.autograd.grad(worth, parameters)])
    found = []
    for _ in range(60):
        many = images.expand(-1, 2000, -1, -1, -1)
        targets = torch.full((1, 2000), wanted)
        _, beside = model.losses(many, torch.ones(2000, dtype=torch.long), targets)
        steps = model.config.steps  # (it is the mean over the glimpses, the reward is that of all)
        found.append(-steps * torch.cat([one.flatten() for one in torch.autograd.grad(beside, parameters)]))
    estimates = torch.stack(found)
    error = estimates.std(dim=0) / len(estimates) ** 0.5
    assert float(exact.abs().max()) > 20 * float(error.max()), "or a wrong gradient could pass"
    assert bool(((estimates.mean(dim=0) - exact).abs() < 5 * error + 1e-9).all())


def test_what_it_cannot_be():
    with pytest.raises(ValueError, match="it needs locator 'layer'"):
        _model(context=4)
    with pytest.raises(ShapeError, match=r"inputs has shape \(1, 4, 2, 9, 8\)"):
        _model()(torch.zeros(1, 4, 2, 9, 8), LENGTHS)
