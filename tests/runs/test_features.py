"""Features of images: what the encoder makes, place by place; made once, and again when anything is another."""

import numpy as np
import pytest
import torch
from torch import nn

from unrolled import ConfigError, ShapeError
from unrolled.runs.encoders import encoder_called
from unrolled.runs.features import features_of, kept_features


class Counted(nn.Module):
    """A convolution, with noise while it is trained, and the batches that it read."""

    def __init__(self, kind="grid"):
        super().__init__()
        self.convolution = nn.Conv2d(2, 5, 3, stride=2)
        self.noise = nn.Dropout(0.5)
        self.kind = kind
        self.read = []

    def forward(self, images):
        self.read.append(len(images))
        grid = self.noise(self.convolution(images))
        return {
            "grid": grid,
            "vector": grid.amax(dim=(2, 3)),
            "line": grid[0, 0, 0],
            "pair": (grid, grid),
            "complex": grid + 1j,
            "drawn": grid + torch.randn(1) * grid.std(),
        }[self.kind]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (37, 2, 9, 12), dtype=np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def _kept(cache):
    return sorted(cache.glob("*.safetensors"))


@pytest.mark.parametrize("kind", ["grid", "vector"])
def test_each_place_is_where_it_was(images, kind):
    encoder = Counted(kind).train()
    found = features_of(encoder, images)
    assert encoder.training
    assert encoder.noise.training
    encoder.eval()
    for row in (0, 31, 32, 36):
        want = encoder(torch.from_numpy(images[row : row + 1]).float())[0].detach()
        grid = found.values[row].T.reshape(5, found.rows, found.columns)
        torch.testing.assert_close(torch.from_numpy(grid).squeeze(), want, rtol=1e-5, atol=1e-4)
    assert found.values.dtype == np.float32
    assert (found.rows, found.columns) == ((4, 5) if kind == "grid" else (1, 1))


def test_they_are_made_once(images, cache):
    encoder, told = Counted(), []
    first = kept_features(encoder, "mine", images, told.append)
    assert encoder.read == [32, 32, 5]
    assert told == ["32 of 37 images", "37 of 37 images"]
    again = kept_features(encoder, "mine", images)
    assert encoder.read == [32, 32, 5]
    assert (again.values == first.values).all()
    assert (again.rows, again.columns) == (first.rows, first.columns)
    assert len(_kept(cache)) == 1


def test_they_are_made_again_where_something_is_another(images, cache):
    encoder = Counted()
    kept_features(encoder, "mine", images)
    kept_features(encoder, "another", images)
    kept_features(encoder, "mine", images[::-1])
    kept_features(encoder, "mine", images.reshape(37, 2, 12, 9))
    with torch.no_grad():
        encoder.convolution.bias[2] += 1
    moved = kept_features(encoder, "mine", images)
    assert (moved.values == features_of(encoder, images).values).all()
    assert len(_kept(cache)) == 5


@pytest.mark.parametrize("damage", ["cut", "other", "empty"])
def test_a_damaged_file_is_made_again(images, cache, damage):
    encoder = Counted()
    first = kept_features(encoder, "mine", images)
    (path,) = _kept(cache)
    whole = path.read_bytes()
    if damage == "other":
        kept_features(encoder, "mine", images[:5])
        (other,) = set(_kept(cache)) - {path}
        other.replace(path)
    else:
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    assert (kept_features(encoder, "mine", images).values == first.values).all()
    assert path.read_bytes() == whole


def test_without_a_place_to_keep_them(images, cache):
    cache.parent.write_text("a file")
    encoder = Counted()
    assert (kept_features(encoder, "mine", images).values == features_of(encoder, images).values).all()


def test_an_encoder_without_weights(images):
    found = kept_features(nn.AvgPool2d(9, ceil_mode=True), "mean", images)
    assert found.values.shape == (37, 2, 2)


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("line", lambda x: x, r"made \[5\] of 32 images"),
        ("pair", lambda x: x, "made tuple of 32 images"),
        ("complex", lambda x: x, "complex numbers"),
        ("drawn", lambda x: x, "something else of the same images each time"),
        ("grid", lambda x: x[0], "give uint8"),
        ("grid", lambda x: x[:0], "give uint8"),
        ("grid", lambda x: x.astype(np.float32), "give uint8"),
    ],
)
def test_what_makes_no_features(images, cache, kind, change, told):
    with pytest.raises(ShapeError, match=told):
        kept_features(Counted(kind), "mine", change(images))
    assert not _kept(cache)


def test_numbers_that_are_not_finite(images):
    encoder = Counted()
    nn.init.constant_(encoder.convolution.bias, float("nan"))
    with pytest.raises(ShapeError, match="not finite"):
        features_of(encoder, images)


def test_an_encoder_that_nobody_knows():
    with pytest.raises(ConfigError, match="efficientnet-lite0"):
        encoder_called("efficientnet")


@pytest.mark.proof
def test_what_the_pretrained_network_saw_on_photographs_tells_shapes_that_it_never_saw():
    """Discs, squares and crosses, of any size, place and grey: the nearest of 60 others is of the same shape.

    Nearest by pixels, it often is not.
    """
    numbers = np.random.default_rng(0)
    kinds = np.arange(120) % 3
    images = np.stack([_shape(kind, numbers) for kind in kinds])
    encoder = encoder_called("efficientnet-lite0")
    found = features_of(encoder, images)
    assert (found.rows, found.columns, found.values.shape[2]) == (7, 7, 1280)
    by_features = _nearest(found.values.mean(axis=1), kinds)
    by_pixels = _nearest(images.reshape(120, -1) / 255.0, kinds)
    assert by_features > 0.9
    assert by_pixels < 0.7


def _shape(kind, numbers):
    size, light, ground = numbers.integers(6, 12), numbers.integers(120, 256), numbers.integers(0, 80)
    row, column = numbers.integers(size, 48 - size, 2)
    y, x = np.mgrid[:48, :48] - np.array([row, column])[:, None, None]
    inside = (x * x + y * y < size * size, (abs(x) < size) & (abs(y) < size), (abs(x) < 2) | (abs(y) < 2))[kind]
    inside &= (abs(x) < size) & (abs(y) < size)
    return np.where(inside, light, ground).astype(np.uint8)[None]


def _nearest(vectors, kinds):
    """How many of the last half have the kind of the nearest of the first half, by the cosine."""
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = (scaled[60:] @ scaled[:60].T).argmax(axis=1)
    return (kinds[:60][nearest] == kinds[60:]).mean()
