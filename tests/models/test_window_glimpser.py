"""A glimpser with a window: number by number as the paper says it, gradients through the window, batched as single."""

import math

import numpy as np
import pytest
import torch

from tests.models.test_classifier import mine
from unrolled import ShapeError, cell, trace, use_engine
from unrolled.models import WindowGlimpser, WindowGlimpserConfig
from unrolled.ops import affine, tanh, zoneout

SHAPE = (2, 5, 8)
ONE = {"glimpses": 3}
SEVERAL = {"objects": 2, "ends": True, "glimpses": 2}
WAYS = [ONE, SEVERAL, {"glimpse_size": 1, "glimpses": 1}]
LENGTHS = torch.ones(4, dtype=torch.long)
TARGETS = torch.tensor([[2, 0, 1, 2], [1, -1, 0, 2]])


@cell
def forgetful(x, h):
    """Some units of the state stay what they were (Krueger et al. 2017)."""
    h = zoneout(tanh(affine(x, h)), h, 0.4)
    return h


def _model(cell_name="lstm", way=ONE, **options):
    sizes = {"image": SHAPE, "classes": 3, "glimpse_size": 3, "hidden_size": 6} | way | options
    model = WindowGlimpser(WindowGlimpserConfig(**sizes), cell_name)
    with torch.no_grad():
        for value in (model.filters.place.weight, model.read_out.weight):
            value.mul_(2.0)  # (so that it does look elsewhere in another image)
    return model.eval()


def _images(dtype=torch.float32):
    return torch.randint(256, (1, 4, *SHAPE)).to(dtype)


def _filters(centre, stride, variance, size, pixels):
    """F of section 3.2, filter by filter and pixel by pixel, both counted from 1."""
    found = np.zeros((size, pixels))
    for i in range(1, size + 1):
        middle = centre + (i - size / 2 - 0.5) * stride
        for a in range(1, pixels + 1):
            found[i - 1, a - 1] = math.exp(-((a - middle) ** 2) / (2 * variance))
        found[i - 1] /= found[i - 1].sum()
    return found


def _sigmoid(numbers):
    return 1 / (1 + np.exp(-numbers))


def _rnn(weights, x, h, c):
    summed = weights["weight_h_x"] @ x + weights["bias_h_x"] + weights["weight_h_h"] @ h + weights["bias_h_h"]
    return np.tanh(summed), c


def _lstm(weights, x, h, c):
    summed = weights["weight_i_x"] @ x + weights["bias_i_x"] + weights["weight_i_h"] @ h + weights["bias_i_h"]
    i, f, o, g = np.split(summed, 4)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def _by_hand(model, image, step):
    """Logits after each glimpse, centres, strides and patches of one image, in numpy."""
    weights = {name.split(".")[-1]: value.detach().numpy() for name, value in model.rnn.named_parameters()}
    place, bias = model.filters.place.weight.detach().numpy(), model.filters.place.bias.detach().numpy()
    out, beside = model.read_out.weight.detach().numpy(), model.read_out.bias.detach().numpy()
    size, (_, height, width) = model.config.glimpse_size, SHAPE
    h = c = np.zeros(6)
    told, boxes, patches = [], [], []
    for _ in range(model.config.steps):
        across, down, variance, stride, gamma = place @ h + bias
        centre = (width + 1) / 2 * (across + 1), (height + 1) / 2 * (down + 1)
        stride = (max(height, width) - 1) / max(1, size - 1) * math.exp(stride)
        columns, rows = (
            _filters(one, stride, math.exp(variance), size, pixels)
            for one, pixels in zip(centre, (width, height), strict=True)
        )
        patch = np.stack([math.exp(gamma) * rows @ channel @ columns.T for channel in image])
        h, c = step(weights, patch.reshape(-1) / 255, h, c)
        told.append(out @ h + beside)
        boxes.append([*(one - 0.5 - (size - 1) / 2 * stride for one in centre), (size - 1) * stride])
        patches.append(patch)
    return np.array(told), np.array(boxes), np.array(patches)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize(("cell_name", "step"), [("rnn", _rnn), ("lstm", _lstm)])
@pytest.mark.parametrize("way", WAYS)
def test_by_hand(cell_name, step, way, engine):
    """Logits, boxes and patches of images that are wider than high."""
    model, images = _model(cell_name, way).double(), _images(torch.float64)
    with use_engine(engine), torch.no_grad():
        sight, said = model.sight(images[0]), model(images, LENGTHS)
    for row, image in enumerate(images[0].numpy()):
        told, boxes, patches = _by_hand(model, image, step)
        np.testing.assert_allclose(sight.logits[:, row], told, rtol=0, atol=1e-10)
        np.testing.assert_allclose(said[:, row], told[model.config.glimpses - 1 :: model.config.glimpses], atol=1e-10)
        np.testing.assert_allclose(sight.boxes[:, row, 0], boxes, rtol=0, atol=1e-10)
        np.testing.assert_allclose(sight.seen[:, row, 0], patches, rtol=0, atol=1e-9)
    if model.config.steps > 1:
        assert float(sight.boxes[-1].std(dim=0).max()) > 1e-3, "it looks elsewhere in another image"


@pytest.mark.parametrize("size", [2, 4])
def test_at_first_the_window_has_the_whole_image(size):
    with torch.no_grad():
        boxes = _model(glimpse_size=size).sight(_images()[0]).boxes[0, :, 0]
    cell = 8 / size  # pixels of the longer side for each filter
    wanted = torch.tensor([cell / 2, (5 - 8) / 2 + cell / 2, 8 - cell])
    torch.testing.assert_close(boxes, wanted.expand(4, 3))


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell_name", ["rnn(activation='relu')", "lstm", "gru_v3", "lstm(projection=4)", mine])
@pytest.mark.parametrize("way", WAYS)
def test_batched_is_single_on_either_engine(cell_name, way, engine):
    model, images = _model(cell_name, way), _images()
    with use_engine("reference"), torch.no_grad():
        wanted = model(images, LENGTHS)
    with use_engine(engine), torch.no_grad():
        together = model(images, LENGTHS)
        alone = [model(images[:, row : row + 1], LENGTHS[:1]) for row in range(4)]
    torch.testing.assert_close(together, wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat(alone, dim=1), together, rtol=0, atol=1e-5)


def test_an_image_of_nan_is_its_own():
    model, images = _model(), _images()
    with torch.no_grad():
        wanted = model(images, LENGTHS)
        images[:, 2] = torch.nan
        found = model(images, LENGTHS)
    assert found[:, 2].isnan().all()
    others = [0, 1, 3]
    assert torch.equal(found[:, others], wanted[:, others])


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("cell_name", ["gru", "lstm"])
@pytest.mark.parametrize("asked", ["last", "every"])
def test_numeric_gradients(cell_name, asked, engine):
    """Of every weight, that of the window's place among them: the way back goes through where it looks."""
    model, images = _model(cell_name, SEVERAL, asked=asked).double(), _images(torch.float64)

    def loss():
        told, beside = model.losses(images, LENGTHS, TARGETS)
        return told.mean() + beside

    with use_engine(engine):
        exact = torch.autograd.grad(loss(), list(model.parameters()))
        for (name, parameter), given in zip(model.named_parameters(), exact, strict=True):
            flat, numeric = parameter.detach().view(-1), torch.zeros_like(given).view(-1)
            some = range(0, len(flat), max(1, len(flat) // 20))
            with torch.no_grad():
                for place in some:
                    before, found = flat[place].item(), []
                    for shift in (1e-5, -1e-5):
                        flat[place] = before + shift
                        found.append(loss())
                    flat[place] = before
                    numeric[place] = (found[0] - found[1]) / 2e-5
            error = (numeric - given.reshape(-1))[list(some)].abs().max()
            assert float(error / given.abs().max()) < 1e-7, name


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_gradients_of_an_image_through_all_glimpses(engine):
    model = _model("gru").double()
    images = torch.rand(2, *SHAPE, dtype=torch.float64, requires_grad=True)
    with use_engine(engine):
        assert torch.autograd.gradcheck(lambda x: model.answers(255 * x), (images,))


def test_where_it_looks_is_learned_by_the_classes():
    model = _model().train()
    torch.cat([one.view(-1) for one in model.losses(_images(), LENGTHS, TARGETS[:1])]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().max() > 0), name
    assert bool((model.filters.place.bias.grad.abs() > 0).all()), "of all five numbers"


@pytest.mark.parametrize("way", [ONE, SEVERAL])
@pytest.mark.parametrize("asked", ["last", "every"])
def test_the_losses_by_hand(way, asked):
    model, images = _model("gru", way, asked=asked), _images()
    targets = TARGETS if way is SEVERAL else TARGETS[:1]
    wanted = [[2, 1, 3], [0, 3], [1, 0, 3], [2, 2, 3]] if way is SEVERAL else [[2], [0], [1], [2]]
    with torch.no_grad():
        losses, beside = model.losses(images, LENGTHS, targets)
        logits = model.sight(images[0]).logits
    told, every = {}, []
    for row, symbols in enumerate(wanted):
        for number, symbol in enumerate(symbols):
            for step in range(model.config.glimpses):
                nats = -logits[number * model.config.glimpses + step, row].log_softmax(0)[symbol]
                is_last = step == model.config.glimpses - 1
                every += [nats] if is_last or asked == "every" else []
                told |= {(number, row): nats} if is_last else {}
    torch.testing.assert_close(losses, torch.stack([told[key] for key in sorted(told)]))
    torch.testing.assert_close(losses.mean() + beside, torch.stack(every).mean())


def test_the_noise_of_a_cell_is_drawn_once_for_all_glimpses():
    model, images = _model(forgetful), _images()
    wanted = model(images, LENGTHS)
    assert torch.equal(model(images, LENGTHS), wanted), "none in evaluation"
    model.train()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(model(images, LENGTHS))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_trace_has_all_glimpses_on_either_engine():
    model, images = _model("lstm", SEVERAL), _images()
    traces = []
    for engine in ("auto", "reference"):
        with use_engine(engine):
            traces.append(trace(model, images, LENGTHS, gradients=True, loss=lambda said: said.square().sum()))
    native, reference = traces
    assert set(native) == set(reference)
    for address, values in native.items():
        assert values.shape[:2] == (model.config.steps, 4)
        torch.testing.assert_close(values, reference[address], rtol=0, atol=1e-5)
        torch.testing.assert_close(native.gradients[address], reference.gradients[address], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(native["rnn.layer0.h"], model.read(images[0]).hidden, rtol=0, atol=1e-6)


def test_windows_under_autocast_lie_near_those_without():
    """(The states differ a little; the place of the same state is the same: tests/layers/test_filterbank.py.)"""
    model = WindowGlimpser(WindowGlimpserConfig(image=(1, 200, 150), classes=3, hidden_size=6, glimpses=2), "lstm")
    images = torch.randint(256, (2, 1, 200, 150)).float()
    with torch.no_grad():
        wanted = model.sight(images).boxes
        with torch.autocast("cpu", torch.bfloat16):
            found = model.sight(images).boxes
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.5)


def test_what_it_cannot_be():
    with pytest.raises(ShapeError, match=r"inputs has shape \(1, 4, 2, 5, 9\)"):
        _model()(torch.zeros(1, 4, 2, 5, 9), LENGTHS)
    with pytest.raises(ShapeError, match=r"images has shape \(4, 2, 5, 9\)"):
        _model().sight(torch.zeros(4, 2, 5, 9))
    with pytest.raises(ShapeError, match="glimpse_size 9: a window has"):
        _model(glimpse_size=9)
