"""A deep classifier: as many layers as asked for, batched as single, its gradient, and where that vanishes."""

import pydantic
import pytest
import torch

from unrolled import ShapeError
from unrolled.inspection import gradients_by_layer
from unrolled.models import DeepClassifier, DeepClassifierConfig

FRAME = (2, 9, 14)  # channels, height, width


def _model(**options):
    return DeepClassifier(DeepClassifierConfig(**{"frame": FRAME, "classes": 3, "layers": 6, "channels": 5} | options))


def _images(count=4, frame=FRAME, dtype=torch.float32):
    return (255 * torch.rand(1, count, *frame, dtype=dtype)).round()


@pytest.mark.parametrize("layers", [4, 10, 50])
def test_so_many_layers_have_weights(layers):
    weights = [one for one in _model(layers=layers).parameters() if one.dim() > 1]
    assert len(weights) == layers


@pytest.mark.parametrize("blocks", ["plain", "residual"])
def test_an_image_alone_is_what_it_is_in_a_batch(blocks):
    model, images = _model(blocks=blocks, init="he"), _images()
    together = model(images)
    assert together.shape == (4, 3)
    for row in range(4):
        torch.testing.assert_close(model(images[:, row : row + 1])[0], together[row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("blocks", ["plain", "residual"])
def test_the_gradient_is_that_of_the_loss(blocks):
    """In each parameter, along a random direction, against differences."""
    model = _model(blocks=blocks, init="he").double()
    images, targets = _images(3, dtype=torch.float64), torch.tensor([[2, 0, 1]])

    def loss():
        return model.losses(images, torch.ones(3), targets).mean()

    for parameter, gradient in zip(model.parameters(), torch.autograd.grad(loss(), [*model.parameters()]), strict=True):
        direction = torch.randn_like(parameter)
        with torch.no_grad():
            steps = []
            for sign in (1, -1):
                parameter += sign * 1e-6 * direction
                steps.append(loss())
                parameter -= sign * 1e-6 * direction
        want = (steps[0] - steps[1]) / 2e-6
        torch.testing.assert_close((gradient * direction).sum(), want, rtol=1e-5, atol=1e-9)


def test_the_loss_of_each_image():
    model, images = _model(), _images()
    targets = torch.tensor([[0, 2, 2, 1]])
    chances = model(images).softmax(dim=1)
    want = -chances[torch.arange(4), targets[0]].log()
    torch.testing.assert_close(model.losses(images, torch.ones(4), targets), want)


@pytest.mark.parametrize("seed", range(3))
def test_at_fifty_layers_the_first_has_a_gradient_where_something_is_added(seed):
    """With torch's initial values the plain network's is gone; with He's it is not."""
    images = _images(8, (1, 28, 28), torch.float64)
    ratio = {}
    for blocks, init in (("plain", "torch"), ("residual", "torch"), ("plain", "he")):
        torch.manual_seed(seed)
        model = _model(layers=50, frame=(1, 28, 28), channels=8, blocks=blocks, init=init).double()
        found = gradients_by_layer(model, model.losses(images, torch.ones(8), torch.arange(8)[None] % 3).mean())
        assert len(found) == 50
        assert found[-1] == 1
        ratio[blocks, init] = found[0]
    assert ratio["plain", "torch"] < 1e-4
    assert ratio["residual", "torch"] > 1e-2
    assert ratio["plain", "he"] > 1e-2


def test_images_of_another_size():
    with pytest.raises(ShapeError, match="wanted"):
        _model()(torch.zeros(1, 3, 2, 14, 9))
    with pytest.raises(ShapeError, match="wanted"):
        _model()(torch.zeros(2, 3, *FRAME))


@pytest.mark.parametrize("options", [{"layers": 7}, {"layers": 2}, {"classes": 1}, {"blocks": "dense"}, {"depth": 3}])
def test_sizes_of_none(options):
    with pytest.raises(pydantic.ValidationError):
        _model(**options)
