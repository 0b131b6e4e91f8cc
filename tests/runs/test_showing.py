"""`unrolled data show`: the beginning of a named corpus, whether it is text, images or videos."""

import io
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from unrolled import DataError
from unrolled.cli.commands import app
from unrolled.data import corpora
from unrolled.runs import shown

DARK, BRIGHT = np.zeros((2, 3), dtype=np.uint8), np.full((2, 3), 255, dtype=np.uint8)


@pytest.fixture
def having(tmp_path, monkeypatch):
    """Makes a corpus that was fetched, called so."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path))

    def make(content, ending=".npz"):
        corpus = replace(corpora.find("digits"), name="made-up", make=lambda _: [content], sha256=None, ending=ending)
        monkeypatch.setattr(corpora, "_CORPORA", (corpus,))
        return corpora.fetch("made-up")

    return make


def arrays(**named):
    file = io.BytesIO()
    np.savez(file, **named)
    return file.getvalue()


def test_captions_stand_below_their_images(having):
    y = np.array(["one", "a caption", "three"])
    having(arrays(x=np.stack([BRIGHT, DARK, BRIGHT]), y=y))
    told = "3 images of 2 x 3 pixels, a text for each: a caption, one, three\n\n"
    assert shown("made-up", 2) == f"{told}███\none  ..."
    assert shown("made-up", columns=8) == f"{told}███\none  ...\n\n███\n..."


def test_several_labels_are_told_together(having):
    having(arrays(x=np.stack([BRIGHT] * 12), y=np.arange(24).reshape(12, 2)))
    told = "12 images of 2 x 3 pixels, 2 labels for each: 24 different ones"
    assert shown("made-up", 2) == f"{told}\n\n███  ███\n0 1  2 3"
    assert shown("made-up", columns=1).count("███") == 6


def test_a_label_alone(having):
    having(arrays(x=np.stack([BRIGHT, BRIGHT]), y=np.array([7, 7])))
    assert shown("made-up").startswith("2 images of 2 x 3 pixels, a label for each: 7\n")


def test_of_videos_the_first_frames_are_shown(having):
    having(arrays(x=np.stack([[BRIGHT, BRIGHT], [DARK, DARK]]), y=np.array([[1, 2], [3, 3]])))
    assert shown("made-up") == (
        "2 videos of 2 frames of 2 x 3 pixels, a label for each frame: 1, 2, 3\n\n███  ███\n1    2"
    )


@pytest.mark.parametrize(("length", "count"), [(None, 1_000), (7, 7)])
def test_of_a_text_its_beginning(having, length, count):
    text = "Shall I compare thee\n" * 100
    having(text, ".txt")
    assert shown("made-up", length) == text[:count]


def test_a_damaged_file_is_told_of(having):
    having(b"no arrays")
    with pytest.raises(DataError, match=r"made-up\.npz is no \.npz of arrays, or it is damaged"):
        shown("made-up")


def test_the_command(having):
    having(arrays(x=np.stack([BRIGHT]), y=np.array(["a\x1bb"])))
    ran = CliRunner().invoke(app, ["data", "show", "made-up"])
    assert ran.stdout == "1 images of 2 x 3 pixels, a text for each: a\ufffdb\n\n███\na\ufffdb\n"
    assert CliRunner().invoke(app, ["data", "show", "made-up", "--length", "0"]).exit_code != 0
