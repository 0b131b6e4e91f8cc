"""Depth on images: the sum lets many layers learn, and without it they do not; what cannot be compared is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from unrolled import ConfigError, DataError
from unrolled.inspection import gradients_by_layer
from unrolled.models import DeepClassifier, DeepClassifierConfig
from unrolled.runs import DepthConfig, depth_curves
from unrolled.runs.depth.images import LabelledImages


def _save(path, count, seed, classes=3, size=(9, 12)):
    """A dark image with noise, and a light bar in one of three places."""
    numbers = np.random.default_rng(seed)
    y = numbers.integers(0, classes, count) if classes > 1 else np.zeros(count, dtype=int)
    x = numbers.integers(0, 60, (count, *size))
    for row, place in enumerate(y):
        x[row, :, 4 * place : 4 * place + 3] += 150
    np.savez(path, x=x.astype(np.uint8), y=np.array([f"bar {one}" for one in y]))
    return str(path)


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    place = tmp_path_factory.mktemp("bars")
    return {"data": _save(place / "learned.npz", 120, 1), "measured": _save(place / "others.npz", 41, 2)}


SMALL = {"layers": 20, "channels": 8, "steps": 30, "batch_size": 16, "learning_rate": 5e-3, "evaluations": 3}


@pytest.fixture(scope="module")
def found(bars, tmp_path_factory):
    told: list[str] = []
    page = tmp_path_factory.mktemp("page") / "depth.html"
    return depth_curves(DepthConfig(**bars, **SMALL), page, told.append), told, page


def test_what_is_added_lets_twenty_layers_learn(found):
    residual, plain, begun_well = found[0].learnt
    assert [residual.name, plain.name, begun_well.name] == ["residual", "plain", "plain, He"]
    assert residual.accuracies[-1] > 0.95
    assert plain.accuracies[-1] < 0.6
    assert residual.gradients[0] > 1e-2
    assert plain.gradients[0] < 1e-6
    assert begun_well.gradients[0] > 1e-2
    assert begun_well.rate == residual.rate / 4
    assert residual.good_after in residual.steps
    assert plain.good_after is None


def test_each_is_measured_as_often(found):
    depth, told, _ = found
    for one in depth.learnt:
        assert one.steps == (10, 20, 30)
        assert len(one.accuracies) == len(one.nats) == 3
        assert len(one.gradients) == 20
    assert len(told) == 9
    assert told[0].startswith("residual: step 10, ")


def test_both_have_the_same_initial_values_and_the_gradients_are_those_of_the_first_images(found, bars):
    images = LabelledImages.read([bars["data"]], [bars["measured"]])
    batch = images.learned.batch(range(16))
    torch.manual_seed(1)  # the configuration's own
    sizes = DeepClassifierConfig(frame=(1, 9, 12), classes=3, layers=20, channels=8)
    model = DeepClassifier(sizes).double()
    for one in found[0].learnt[:2]:
        model.deep.is_residual = one.name == "residual"
        loss = torch.nn.functional.cross_entropy(model(batch.inputs.double()), batch.targets[0])
        assert one.gradients == pytest.approx(gradients_by_layer(model, loss), rel=1e-9)


def test_it_is_the_same_again_and_nobody_s_random_numbers_change(bars):
    config = DepthConfig(**bars, **SMALL | {"layers": 6, "steps": 4, "networks": ["plain, He", "residual"]})
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    first, again = depth_curves(config), depth_curves(config)
    assert (torch.rand(2) == want).all()
    assert first == again
    assert [one.name for one in first.learnt] == ["plain, He", "residual"]
    assert first != depth_curves(config.model_copy(update={"seed": 2}))


def test_a_network_without_a_gradient_is_told_of_before_any_is_trained(bars, monkeypatch):
    seen, told = [], []

    def gradients(model, loss):
        seen.append(loss)
        if len(seen) == 2:
            raise ConfigError("there is no gradient to compare")
        return [1.0] * 20

    monkeypatch.setattr("unrolled.runs.depth.learning.gradients_by_layer", gradients)
    with pytest.raises(ConfigError, match="there is no gradient to compare"):
        depth_curves(DepthConfig(**bars, **SMALL), say=told.append)
    assert not told


def test_the_page_has_the_pictures_and_the_words(found):
    depth, _, page = found
    text = page.read_text()
    assert text.count("<figure>") == len(depth.figures) == 3
    for told in depth.sentences:
        assert told.text.replace("'", "&#x27;") in text
    assert "120 images of" in text
    drawn = depth.figures["The gradient in each layer, before training"]
    assert [len(line.y) for line in drawn.data] == [20, 20, 20]
    assert drawn.data[0].y[-1] == 1
    depth.write(page)  # an older one goes


def test_a_page_that_would_replace_something_else(bars, tmp_path):
    place = tmp_path / "notes.html"
    place.write_text("mine")
    told = []
    with pytest.raises(ConfigError, match="is no report"):
        depth_curves(DepthConfig(**bars, **SMALL), place, told.append)
    with pytest.raises(ConfigError, match="no such folder"):
        depth_curves(DepthConfig(**bars, **SMALL), tmp_path / "there" / "depth.html", told.append)
    assert not told
    assert place.read_text() == "mine"


def test_images_that_do_not_belong_together(bars, tmp_path):
    other = _save(tmp_path / "small.npz", 5, 1, size=(8, 12))
    with pytest.raises(DataError, match=r"small.npz, example 0 is \(1, 8, 12\)"):
        LabelledImages.read([bars["data"]], [other])
    one = _save(tmp_path / "one.npz", 5, 1, classes=1)
    with pytest.raises(DataError, match="all 5 have the label 'bar 0'"):
        LabelledImages.read([one], [bars["measured"]])
    two = _save(tmp_path / "two.npz", 50, 1, classes=2)
    with pytest.raises(DataError, match=r"others.npz, example \d+: the label 'bar 2' is not among .*: bar 0, bar 1"):
        LabelledImages.read([two], [bars["measured"]])


def test_an_image_with_two_labels(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.tsv").write_text("image\tlabel\na.png\tcat\na.png\tdog\n")
    with pytest.raises(DataError, match=r"a.tsv, line 2: .*a.png has 2 texts"):
        LabelledImages.read([str(tmp_path / "a.tsv")], [str(tmp_path / "a.tsv")])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"layers": 7}, "even number"),
        ({"measured": ()}, "name images"),
        ({"precision": "bf16"}, "float32"),
        ({"networks": ()}, "at least 1"),
        ({"networks": ("dense",)}, "plain, He"),
        ({"depth": 3}, "Extra inputs"),
    ],
)
def test_a_comparison_that_is_none(bars, options, told):
    with pytest.raises(ValueError, match=told):
        DepthConfig(**bars | options)
