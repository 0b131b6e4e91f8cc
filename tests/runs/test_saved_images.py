"""Images in files that a user names: what each ending holds, and bad places, which are told of before anything else."""

import errno
import sys

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.runs.disk import Disk, Failing, using
from unrolled import ConfigError, ShapeError
from unrolled.inspection.albums import film_of, sheet_of
from unrolled.runs import save_images
from unrolled.runs.saved_images import check_images_place

STEPS = np.random.default_rng(0).integers(0, 256, (5, 3, 1, 4, 6), dtype=np.uint8)  # [N, T, C, height, width]
COLOURED = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 6), dtype=np.uint8)


@pytest.mark.parametrize("images", [STEPS, STEPS[:, -1]])
def test_an_array_is_kept_as_it_is(tmp_path, images):
    assert (np.load(save_images(images, tmp_path / "new" / "some.npz"))["x"] == images).all()


@pytest.mark.parametrize("images", [STEPS, COLOURED])
def test_a_sheet(tmp_path, images):
    with Image.open(save_images(images, tmp_path / "some.PNG")) as image:
        assert image.format == "PNG"
        assert (np.asarray(image.convert("RGB")) == sheet_of(images)).all()


@pytest.mark.parametrize("name", ["some.gif", "some.GIF"])
def test_a_film(tmp_path, name):
    with Image.open(save_images(STEPS, tmp_path / name)) as image:
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


@pytest.mark.parametrize(("steps", "durations"), [([0, 0, 1, 1, 1, 2], [400, 600, 2000]), ([1, 1, 1], [2400])])
def test_steps_at_which_nothing_changes_are_shown_for_as_long(tmp_path, steps, durations):
    with Image.open(save_images(STEPS[:, steps], tmp_path / "some.gif")) as image:
        assert [one.info["duration"] for one in ImageSequence.Iterator(image)] == durations


def test_the_longest_film_can_be_one_picture(tmp_path):
    still = np.zeros((1, 3_000, 1, 1, 1), dtype=np.uint8)
    with Image.open(save_images(still, tmp_path / "some.gif")) as image:
        assert image.info["duration"] == 2_999 * 200 + 2_000
    with pytest.raises(ConfigError, match=r"a film shows at most 3,000 steps, not 3,001: write an \.npz"):
        save_images(np.zeros((1, 3_001, 1, 1, 1), dtype=np.uint8), tmp_path / "more.gif")
    assert save_images(np.zeros((1, 3_001, 1, 1, 1), dtype=np.uint8), tmp_path / "more.png").stat().st_size


def test_a_side_that_a_gif_cannot_say_is_told_of(tmp_path):
    widest = np.zeros((1, 1, 1, 1, 65_531), dtype=np.uint8)
    with Image.open(save_images(widest, tmp_path / "some.gif")) as image:
        assert image.size == (65_535, 5)
    with pytest.raises(ConfigError, match="a film of 5 x 65,536 pixels has a side of more than 65,535"):
        check_images_place(tmp_path / "more.gif", (1, 1, 1, 1, 65_532))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("some.jpg", r"some\.jpg: images are written as a sheet \(\.png\), as a film .*\(\.gif\), .*\.npz"),
        ("some", "give a name that ends so"),
        ("there.png", "is there already: give another name"),
        ("nowhere.png", "is there already: give another name"),
        ("loop.png", "is there already: give another name"),
        ("there.png/some.gif", r"cannot be written: Not a directory\. Give another place"),
        ("nowhere.png/some.gif", r"cannot be written: .*\. Give another place"),
        ("nu\0ll.png", "no name has a null byte"),
        ("x" * 252 + ".png", r"cannot be written: File name too long\. Give another place"),
        ("new/" + "x" * 252 + ".png", "cannot be written: File name too long"),
    ],
)
def test_bad_places(tmp_path, name, told):
    (tmp_path / "there.png").write_bytes(b"mine")
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    images = np.zeros((1, 1, 1, 1, 1), dtype=np.uint8)
    with pytest.raises(ConfigError, match=told):
        check_images_place(tmp_path / name, images.shape)
    with pytest.raises(ConfigError, match=told):
        save_images(images, tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {"there.png", "nowhere.png", "loop.png"}
    assert (tmp_path / "there.png").read_bytes() == b"mine"
    assert (tmp_path / "nowhere.png").is_symlink()


@pytest.mark.parametrize(
    ("name", "shape", "fits"),
    [
        ("some.png", (1, 1, 3_996, 7_996), True),  # with the paper around it 4,000 x 8,000
        ("some.png", (1, 1, 3_996, 7_997), False),
        ("some.png", (2_000, 2_000, 1, 4, 4), False),  # 16,000,000 without the gaps
        ("some.png", (4, 1_000, 1, 96, 81), False),
        ("some.gif", (1, 2_000, 1, 121, 124), True),  # 2,000 sheets of 125 x 128
        ("some.gif", (1, 2_000, 1, 121, 125), False),
        ("some.gif", (2_000, 2_000, 1, 4, 4), False),
        ("some.npz", (2_000, 2_000, 1, 4, 4), True),
    ],
)
def test_what_is_shown_is_bounded_by_its_pixels(tmp_path, name, shape, fits):
    if fits:
        check_images_place(tmp_path / name, shape)
        return
    with pytest.raises(ConfigError, match=r"take 3?[\d,]+ pixels, and at most 32,000,000 are shown: draw fewer, or"):
        check_images_place(tmp_path / name, shape)


def test_a_place_is_tried_and_left_as_it_was(tmp_path):
    check_images_place(tmp_path / "new" / ".." / "new" / "deep" / "some.png", (1, 1, 1, 1))
    assert not list(tmp_path.iterdir())
    (tmp_path / "empty").mkdir()
    check_images_place(tmp_path / "empty" / "some.png", (1, 1, 1, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["empty"], "folders that were there stay"


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path):
    assert save_images(COLOURED, tmp_path / ("x" * 251 + ".png")).stat().st_size


def test_an_array_needs_no_pillow_and_a_film_does(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert save_images(STEPS[:, 0], tmp_path / "some.png").stat().st_size
    for name in ("some.gif", "some.GIF"):
        with pytest.raises(ConfigError, match=r"Pillow: pip install 'unrolled\[images\]'"):
            check_images_place(tmp_path / name, STEPS.shape)


@pytest.mark.parametrize(
    ("images", "name", "told"),
    [
        (STEPS[:, 0], "some.gif", r"\[5, 1, 4, 6\]: wanted .*\[N, T, C, height, width\]: draw\(..., all_steps=True\)"),
        (STEPS[:, 0], "some.GIF", r"draw\(..., all_steps=True\)"),
        (STEPS / 255, "some.png", r"float64 .*: wanted uint8 \[N, T, C, height, width\], or without T"),
        (STEPS[:0], "some.png", r"\[0, 3, 1, 4, 6\]: wanted"),
        (STEPS[0, 0], "some.npz", r"\[1, 4, 6\]: wanted"),
    ],
)
def test_other_arrays_are_told_of(tmp_path, images, name, told):
    with pytest.raises(ShapeError, match=told):
        save_images(images, tmp_path / name)
    assert not list(tmp_path.iterdir())


class Interrupting(Disk):
    """Ctrl-C at the call of that number."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def before(self, name, arguments):
        if len(self.calls) == self.number:
            raise KeyboardInterrupt


@pytest.mark.parametrize("way", ["full", "interrupted"])
def test_a_file_is_whole_or_nothing_is_left_of_it(tmp_path, way):
    """The disk is full, or Ctrl-C comes, at any of its calls until the file has its name."""
    with using(Disk()) as disk:
        save_images(STEPS, tmp_path / "counted" / "some.png")
    calls = disk.calls[: disk.calls.index("rename") + 1]
    removals = {number for number, name in enumerate(calls, start=1) if name in ("unlink", "rmdir", "close")}
    for number in sorted(set(range(1, len(calls) + 1)) - removals):
        place = tmp_path / f"{way}{number}"
        place.mkdir()
        failing = Failing(number, errno.ENOSPC) if way == "full" else Interrupting(number)
        with using(failing), pytest.raises(KeyboardInterrupt if way == "interrupted" else ConfigError) as told:
            save_images(STEPS, place / "new" / "some.png")
        assert way == "interrupted" or "some.png cannot be written: No space left" in str(told.value)
        assert not list(place.iterdir()), calls[number - 1]
    assert {"mkdir", "open", "write", "fsync", "rename"} <= set(calls)
