"""A drawer: step by step as the paper says it, batched as single, whichever engine runs; its losses and gradients."""

import math

import pytest
import torch

import unrolled.inspection
from tests.models.test_classifier import mine
from unrolled import ShapeError, use_engine
from unrolled.engine import why_missing
from unrolled.models import Drawer, DrawerConfig

SHAPE = (2, 5, 7)
WAYS = [
    {},
    {"read_size": 3, "write_size": 4},
    {"read_size": 2, "num_layers": 2},
    {"write_size": 1},
    {"steps": 1, "threshold": 0},
]


def _model(cell_name="lstm", way=WAYS[1], **options):
    sizes = {"shape": SHAPE, "steps": 4, "hidden_size": 6, "latent_size": 3} | way | options
    model = Drawer(DrawerConfig(**sizes), cell_name)
    with torch.no_grad():
        model.blank.normal_()
    return model.eval()


def _images(count=3, dtype=torch.float32):
    return (torch.rand(count, *SHAPE, dtype=dtype) > 0.5).to(dtype)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell_name", ["rnn", "lstm", "gru", "gru_v3", mine])
@pytest.mark.parametrize("way", WAYS)
def test_batched_is_single_on_either_engine(cell_name, way, engine):
    model = _model(cell_name, way)
    images, noise = _images(), model.noise(3)
    with use_engine("reference"), torch.no_grad():
        wanted = model(images, noise)
    with use_engine(engine), torch.no_grad():
        together = model(images, noise)
        alone = [model(images[row : row + 1], noise[:, row : row + 1]) for row in range(3)]
    torch.testing.assert_close(together.canvases, wanted.canvases, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat([one.canvases for one in alone], dim=1), together.canvases, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat([one.latent() for one in alone], dim=1), together.latent(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_step_by_step_as_in_the_paper(way):
    """Section 2.1, with a cell whose state is its output, written out once more."""
    model = _model("gru", way).double()
    images, noise = _images(dtype=torch.float64), model.noise(3)
    drawn = model(images, noise)
    canvas = model.blank.expand(3, *SHAPE)
    hidden = torch.zeros(3, 6, dtype=torch.float64)
    states = [None, None]
    for step, epsilon in enumerate(noise):
        missing = images - 1 / (1 + torch.exp(-canvas))
        if model.config.read_size:
            window = model.reader.filters(hidden)
            seen = torch.cat([window.read(images), window.read(missing)], dim=1)
            torch.testing.assert_close(drawn.read[step].boxes(), window.boxes())
        else:
            seen = torch.cat([images, missing], dim=1)
        output, states[0] = model.encoder.step(torch.cat([seen.flatten(1), hidden], dim=1), states[0])
        mean, log_deviation = model.latent(output)[:, :3], model.latent(output)[:, 3:]
        hidden, states[1] = model.decoder.step(mean + log_deviation.exp() * epsilon, states[1])
        patch = model.pen.write(hidden)
        if model.config.write_size:
            size = model.config.write_size
            window = model.pen.filters(hidden)
            canvas = canvas + window.write(patch.view(3, 2, size, size))
        else:
            canvas = canvas + patch.view(3, *SHAPE)
        torch.testing.assert_close(drawn.canvases[step + 1], canvas)
        normal, prior = (torch.distributions.Normal(*both) for both in ((mean, log_deviation.exp()), (0.0, 1.0)))
        divergence = torch.distributions.kl_divergence(normal, prior).sum(dim=1)
        torch.testing.assert_close(drawn.latent()[step], divergence)
    chances = torch.sigmoid(canvas)
    nats = -(images * chances.log() + (1 - images) * (1 - chances).log()).sum(dim=(1, 2, 3))
    torch.testing.assert_close(drawn.reconstruction(images), nats)
    assert len(drawn.read) == (len(noise) if model.config.read_size else 0)
    assert len(drawn.written) == (len(noise) if model.config.write_size else 0)


@pytest.mark.parametrize("way", WAYS)
def test_the_losses_are_the_bound_of_each_image(way):
    model = _model("lstm", way)
    inputs = torch.randint(256, (1, 3, *SHAPE)).float()
    torch.manual_seed(5)
    losses = model.losses(inputs, torch.ones(3), torch.zeros(1, 3))
    torch.manual_seed(5)
    images = inputs[0] / 255 if model.config.threshold == 0 else (inputs[0] >= 128).float()
    drawn = model(images, model.noise(3))
    torch.testing.assert_close(losses, drawn.reconstruction(images) + drawn.latent().sum(dim=0))
    assert losses.shape == (3,)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell_name", ["rnn", "lstm", "gru", "gru_v3", "layer_norm_lstm", "lstm(projection=5)", mine])
def test_at_once_it_is_what_it_is_step_by_step(cell_name, layers, engine):
    """One equation for all steps, in which the image is multiplied once: the same numbers, the same gradients."""
    if engine == "native" and why_missing():
        engine = "reference"
    model = _model(cell_name, WAYS[0], num_layers=layers).double()
    inputs, weights = torch.randint(256, (1, 3, *SHAPE)).double(), list(model.parameters())
    with use_engine(engine):
        torch.manual_seed(5)
        at_once = model.losses(inputs, torch.ones(3), torch.zeros(1, 3))
        found = torch.autograd.grad(at_once.sum(), weights)
        torch.manual_seed(5)
        images = model.pixels(inputs[0])
        drawn = model(images, model.noise(3))
        losses = drawn.reconstruction(images) + drawn.latent().sum(dim=0)
        wanted = torch.autograd.grad(losses.sum(), weights)
    assert model._at_once(images, model.noise(3)) is not None
    torch.testing.assert_close(at_once, losses, rtol=1e-10, atol=1e-10)
    for one, other in zip(found, wanted, strict=True):
        assert float((one - other).abs().max() / other.abs().max()) < 1e-10


def test_what_is_watched_goes_step_by_step():
    model = _model("lstm", WAYS[0])
    images, noise = _images(), model.noise(3)
    with unrolled.inspection.Recorder(model).recording():
        assert model._at_once(images, noise) is None
    model.losses(torch.rand(1, 3, *SHAPE), torch.ones(3), torch.zeros(1, 3))
    assert _model("lstm", WAYS[1])._at_once(images, noise) is None, "a window"
    assert _model("lstm(zoneout=0.1)", WAYS[0])._at_once(images, noise) is None, "noise"
    dropping = _model("lstm", WAYS[0], dropout=0.5)
    assert dropping._at_once(images, noise) is not None
    assert dropping.train()._at_once(images, noise) is None, "dropout"


def test_the_bound_is_one():
    """No more than log p(x), which with one number in z is an integral that can be counted out."""
    model = Drawer(DrawerConfig(shape=(1, 2, 2), steps=1, hidden_size=4, latent_size=1), "lstm").double()
    image = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]], dtype=torch.float64)
    grid = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    with torch.no_grad():
        imagined = model.imagined(grid[None, :, None])
        log_p = -imagined.reconstruction(image.expand(len(grid), -1, -1, -1))
        density = torch.exp(log_p - grid.square() / 2) / math.sqrt(2 * math.pi)
        exact = -torch.trapezoid(density, grid).log()
        many = image.expand(4000, -1, -1, -1)
        drawn = model(many, model.noise(4000))
        bound = (drawn.reconstruction(many) + drawn.latent().sum(dim=0)).mean()
    assert exact < bound < exact + 0.5


def test_out_of_nothing_it_draws_from_the_prior():
    model = _model("lstm", WAYS[1])
    noise = model.noise(5)
    drawn = model.imagined(noise)
    assert drawn.canvases.shape == (5, 5, *SHAPE)
    assert drawn.mean is None
    assert not drawn.read
    with torch.no_grad():  # an encoder that says the prior draws the same
        model.latent.weight.zero_()
        model.latent.bias.zero_()
    torch.testing.assert_close(model(_images(5), noise).canvases, drawn.canvases)
    torch.testing.assert_close(model(_images(5), noise).latent(), torch.zeros(4, 5))


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("way", WAYS)
def test_every_weight_has_its_gradient(way, engine):
    model = _model("lstm", way).double()
    with use_engine(engine):
        model.losses(torch.randint(256, (1, 3, *SHAPE)).double(), torch.ones(3), torch.zeros(1, 3)).sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        is_unused = way.get("steps") == 1 and name.endswith("weight_i_h")  # (what it multiplies is a state of zero)
        assert value.grad.any() or is_unused, name


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("way", WAYS[:2])
def test_numeric_gradients(way, engine):
    model = _model("gru_v3", way).double()
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(2.0)  # (of order 1)
    images, noise = _images(dtype=torch.float64), model.noise(3)

    def loss():
        drawn = model(images, noise)
        return drawn.reconstruction(images).sum() + drawn.latent().sum()

    names = ["blank", "encoder.layer0.weight_n_x", "decoder.layer0.bias_n_x", "latent.weight", "pen.write.weight"]
    if way:
        names += ["reader.filters.place.weight", "pen.filters.place.bias"]
    with use_engine(engine):
        every = dict(model.named_parameters())
        exact = torch.autograd.grad(loss(), [every[name] for name in names])
        for name, gradient in zip(names, exact, strict=True):
            flat = every[name].detach().view(-1)
            places = torch.randperm(len(flat))[:12]
            numeric = torch.stack([_slope(loss, flat, int(place)) for place in places])
            found = gradient.reshape(-1)[places]
            assert float((numeric - found).abs().max() / gradient.abs().max()) < 1e-7, name


@torch.no_grad()
def _slope(loss, flat, place):
    before, found = flat[place].item(), []
    for shift in (1e-5, -1e-5):
        flat[place] = before + shift
        found.append(loss())
    flat[place] = before
    return (found[0] - found[1]) / 2e-5


def test_pixels():
    model = _model(threshold=100)
    images = torch.tensor([[0.0, 99.0, 100.0, 255.0]]).repeat(1, 18)[:, :70].view(1, *SHAPE)
    assert model.pixels(images).flatten().tolist()[:4] == [0.0, 0.0, 1.0, 1.0]
    assert _model(threshold=0).pixels(images).flatten()[1] == pytest.approx(99 / 255)
    wobbly = _model(threshold=0, shift=2.0, turn=20.0)
    torch.testing.assert_close(wobbly.pixels(images), images / 255)
    assert not torch.allclose(wobbly.train().pixels(images), images / 255), "while training"


def test_noise_of_the_cell_goes_on_from_step_to_step():
    """A mask for the whole sequence is the same at all steps of a drawing."""
    from unrolled import cell
    from unrolled.ops import affine, dropout, tanh

    @cell
    def masked(x, h):
        return tanh(affine(x, dropout(h, 0.5, per="sequence")))

    model = _model(masked, WAYS[0], steps=6).train()
    seen = []
    model.decoder.register_forward_pre_hook(lambda _, __, given: seen.append(given["noise"]), with_kwargs=True)
    model(_images(), model.noise(3))
    assert [one.step for one in seen] == list(range(6))
    assert len({one.seed for one in seen}) == 1


def test_other_shapes_are_refused():
    model = _model()
    with pytest.raises(ShapeError, match="images has shape"):
        model(torch.zeros(3, 2, 5, 6), model.noise(3))
    with pytest.raises(ShapeError, match="noise has shape"):
        model(_images(), model.noise(2))
