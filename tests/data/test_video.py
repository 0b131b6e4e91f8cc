"""Videos that the test itself encodes: frames and labels as they were, and what is told of those that are none."""

import sys

import av
import numpy as np
import pytest

from unrolled import ConfigError, DataError
from unrolled.data import found, tagged

GREY, RGB = (1, 16, 24), (3, 16, 24)
PIXELS = {"ffv1": "bgr0", "mpeg4": "yuv420p", "mjpeg": "yuvj420p"}


def encoded(path, frames, codec="ffv1"):
    """A file of frames `[T, height, width, 3]`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = PIXELS[codec]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def _frames(steps=5, height=16, width=24):
    """Each of one colour, so that sizes and codecs change nothing."""
    colours = np.random.default_rng(0).integers(0, 256, (steps, 1, 1, 3), dtype=np.uint8)
    return np.broadcast_to(colours, (steps, height, width, 3)).copy()


def _read(path, shape=RGB, **options):
    with found([str(path)]) as places:
        return tagged(places, shape, **options)


def test_frames_are_as_they_were(tmp_path):
    frames = np.random.default_rng(1).integers(0, 256, (5, 16, 24, 3), dtype=np.uint8)
    (one,) = _read(encoded(tmp_path / "clip.mkv", frames), has_labels=False)
    assert one.value.dtype == np.uint8
    assert np.array_equal(one.value, frames.transpose(0, 3, 1, 2))
    assert one.labels == ()
    assert one.where.endswith("clip.mkv")


@pytest.mark.parametrize(("name", "codec"), [("clip.mp4", "mpeg4"), ("clip.avi", "mjpeg"), ("clip.MKV", "ffv1")])
def test_grey_and_another_size(tmp_path, name, codec):
    frames = _frames(height=48, width=32)
    frames[0], frames[1] = 0, 255
    (one,) = _read(encoded(tmp_path / name, frames, codec), GREY, has_labels=False)
    assert one.value.shape == (5, *GREY)
    wanted = frames[:, 0, 0] @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    assert np.abs(one.value.mean(axis=(1, 2, 3)) - wanted).max() < 4
    assert one.value[0].max() <= 2
    assert one.value[1].min() >= 253


@pytest.mark.parametrize("ending", [".tsv", ".txt"])
def test_a_folder_with_labels_beside(tmp_path, ending):
    for name, labels in (("a", "up\nup\ndown\nup\ndown\n"), ("b", "down\r\nup\r\n\r\n")):
        encoded(tmp_path / f"{name}.mkv", _frames(len(labels.split())))
        (tmp_path / f"{name}{ending}").write_text(labels)
    first, second = _read(tmp_path)
    assert first.labels == ("up", "up", "down", "up", "down")
    assert second.labels == ("down", "up")
    assert [one.where.rpartition("/")[2] for one in _read(tmp_path, has_labels=False)] == ["a.mkv", "b.mkv"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, r"clip\.mkv: its labels, .* should stand beside it in clip\.tsv or clip\.txt: neither is there"),
        ({"clip.txt": "a\n" * 5, "clip.tsv": "a\n" * 5}, "both are there: remove one"),
        ({"clip.txt": "a\n" * 4}, r"clip\.txt has 4 labels, and .*clip\.mkv 5 frames"),
        ({"clip.txt": "a\n\na\na\na\n"}, r"clip\.txt, line 2: wanted the label of a frame"),
        ({"clip.tsv": "a\tb\n" * 5}, r"clip\.tsv, line 1: wanted the label of a frame and nothing else"),
        ({"clip.txt": ""}, "has 0 labels"),
    ],
)
def test_bad_labels(tmp_path, files, told):
    encoded(tmp_path / "clip.mkv", _frames())
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        _read(tmp_path / "clip.mkv")


def test_what_is_no_video(tmp_path):
    (tmp_path / "words.mp4").write_text("no video\n" * 100)
    with pytest.raises(DataError, match=r"words\.mp4 is no video, or it is damaged"):
        _read(tmp_path / "words.mp4")
    (tmp_path / "empty.avi").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.avi is no video"):
        _read(tmp_path / "empty.avi")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(DataError, match=r"sound\.mkv has no pictures in it"):
        _read(tmp_path / "sound.mkv")
    encoded(tmp_path / "clip.mkv", _frames())
    with pytest.raises(ConfigError, match="frames of 2 channels were learned, and a video has 1"):
        _read(tmp_path / "clip.mkv", (2, 16, 24))


def test_without_the_library(tmp_path, monkeypatch):
    encoded(tmp_path / "clip.mkv", _frames())
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'unrolled\[video\]'"):
        _read(tmp_path / "clip.mkv")
