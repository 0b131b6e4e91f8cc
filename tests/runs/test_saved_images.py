"""Images in files that a user names: what each ending holds, and bad places, which are told of before anything else."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from unrolled import ConfigError, ShapeError
from unrolled.inspection.albums import film_of, rows_of, sheet_of
from unrolled.runs import check_images_place, save_images

STEPS = np.random.default_rng(0).integers(0, 256, (5, 3, 1, 4, 6), dtype=np.uint8)  # [N, T, C, height, width]
COLOURED = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 6), dtype=np.uint8)


@pytest.mark.parametrize("images", [STEPS, STEPS[:, -1]])
def test_an_array_is_kept_as_it_is(tmp_path, images):
    assert (np.load(save_images(images, tmp_path / "new" / "some.npz"))["x"] == images).all()


@pytest.mark.parametrize(("images", "sheet"), [(STEPS, rows_of(STEPS)), (COLOURED, sheet_of(COLOURED))])
def test_a_sheet(tmp_path, images, sheet):
    with Image.open(save_images(images, tmp_path / "some.PNG")) as image:
        assert image.format == "PNG"
        assert (np.asarray(image.convert("RGB")) == sheet).all()


def test_a_film(tmp_path):
    with Image.open(save_images(STEPS, tmp_path / "some.gif")) as image:
        assert (image.format, image.n_frames, image.info["loop"]) == ("GIF", 3, 0)
        frames = [(one.info["duration"], np.asarray(one.convert("RGB"))) for one in ImageSequence.Iterator(image)]
    assert [duration for duration, _ in frames] == [200, 200, 2000]
    for (_, frame), sheet in zip(frames, film_of(STEPS), strict=True):
        assert (frame == sheet).all(), "grey is kept as it is"


def test_a_film_in_colours(tmp_path):
    images = np.zeros((1, 2, 3, 4, 6), dtype=np.uint8)
    images[0, 0, 0], images[0, 1, 2] = 250, 250  # red, then blue
    with Image.open(save_images(images, tmp_path / "some.gif")) as image:
        frames = [np.asarray(one.convert("RGB"))[10, 10].astype(int) for one in ImageSequence.Iterator(image)]
    assert np.abs(frames - np.array([[250, 0, 0], [0, 0, 250]])).max() <= 3


@pytest.mark.parametrize(
    ("name", "count", "told"),
    [
        ("some.jpg", 1, r"some\.jpg: images are written as a sheet \(\.png\), as a film .*\(\.gif\), .*\.npz"),
        ("some", 1, "give a name that ends so"),
        ("there.png", 1, "is there already: give another name"),
        ("there.png/some.gif", 1, "is no folder"),
        ("some.png", 10_001, "at most 10,000 images are shown, not 10,001: draw fewer, or write an .npz"),
    ],
)
def test_bad_places(tmp_path, name, count, told):
    (tmp_path / "there.png").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=told):
        check_images_place(tmp_path / name, count)
    with pytest.raises(ConfigError, match=told):
        save_images(np.zeros((count, 1, 1, 1, 1), dtype=np.uint8), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]
    assert (tmp_path / "there.png").read_bytes() == b"mine"


def test_an_array_has_any_number_of_images_and_only_a_film_needs_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    check_images_place(tmp_path / "some.npz", 10_001)
    assert save_images(STEPS[:, 0], tmp_path / "some.png").stat().st_size
    with pytest.raises(ConfigError, match=r"Pillow: pip install 'unrolled\[images\]'"):
        check_images_place(tmp_path / "some.gif")


def test_all_steps_count(tmp_path):
    with pytest.raises(ConfigError, match="at most 10,000 images are shown, not 10,002"):
        save_images(np.zeros((5_001, 2, 1, 1, 1), dtype=np.uint8), tmp_path / "some.png")


@pytest.mark.parametrize(
    ("images", "name", "told"),
    [
        (STEPS[:, 0], "some.gif", r"\[5, 1, 4, 6\]: wanted .*\[N, T, C, height, width\]: draw\(..., all_steps=True\)"),
        (STEPS / 255, "some.png", r"float64 .*: wanted uint8 \[N, T, C, height, width\], or without T"),
        (STEPS[:0], "some.png", r"\[0, 3, 1, 4, 6\]: wanted"),
        (STEPS[0, 0], "some.npz", r"\[1, 4, 6\]: wanted"),
    ],
)
def test_other_arrays_are_told_of(tmp_path, images, name, told):
    with pytest.raises(ShapeError, match=told):
        save_images(images, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_told_of(tmp_path, monkeypatch):
    def full(_: dict[Path, bytes]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unrolled.files.replace", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        save_images(STEPS, tmp_path / "some.png")
