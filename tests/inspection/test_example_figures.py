"""Figures of single examples: words on their colours, maps of channels, paths, probabilities, strips of frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.inspection.pixels import pixels_of
from unrolled.inspection.channel_figures import contribution_maps
from unrolled.inspection.example import Cloud, ExampleRead, Video
from unrolled.inspection.path_figures import chances, paths
from unrolled.inspection.video_figures import strip
from unrolled.inspection.word_figures import coloured_words

METHODS = ("integrated gradients", "leave one out")
CLASSES = ["bad", "good <b>", "a class with a long name"]


def example(words, *, name="one", step="word", said=1, truth=1, at=None, channels=1, pieces_touch=False, summed=None):
    numbers = np.random.default_rng(len(words))
    count = len(words)
    methods = {method: numbers.standard_normal((count, channels)) for method in METHODS}
    said_each = numbers.dirichlet(np.ones(3), count)
    path = numbers.standard_normal((count, 2))
    return ExampleRead(
        name, step, words, said, truth, at, methods, 1.0, list(range(count)), said_each, path,
        step in ("word", "character"), pieces_touch, summed,
    )  # fmt: skip


def test_each_word_lies_on_the_colour_of_its_contribution():
    one = example(["a", "<b>fine</b>", "day"])
    drawn = coloured_words([one], CLASSES)
    colours, hovers = drawn.data[0].z, drawn.data[0].text
    values = one.contributions["integrated gradients"][:, 0]
    line = colours[2]  # (two lines of head)
    assert line[0] == round(values[0] / np.abs(values).max(), 3)
    assert line[1] is None
    assert list(line[2:13]) == [round(values[1] / np.abs(values).max(), 3)] * 11
    assert hovers[2][2] == f"&lt;b&gt;fine&lt;/b&gt;: {values[1]:+.3f} nats"
    words = drawn.data[2]
    assert list(words.text) == ["a", "&lt;b&gt;fine&lt;/b&gt;", "day"]
    assert list(words.x) == [0.0, 7.0, 15.0]
    assert list(words.y) == [2, 2, 2]
    heads = list(drawn.data[1].text)
    assert heads[0] == "<b>one</b>"
    assert heads[1] == f"said good &lt;b&gt; ({one.chance:.2f}), which is right"


def test_words_are_set_in_lines_that_they_fit_in():
    words = ["word"] * 12 + ["x" * 100, "\u4e2d\u6587" * 5, "\n"]
    drawn = coloured_words([example(words)], CLASSES)
    texts = drawn.data[2]
    ends = [(x + (len(text) - 1) / 2, y) for x, y, text in zip(texts.x, texts.y, texts.text, strict=True)]
    assert max(end for end, _ in ends) <= 43
    assert len({y for _, y in ends}) == 4
    assert drawn.data[2].text[-1] == "\u21b5"
    assert sum(cell is not None for cell in drawn.data[0].z[2]) == 9 * 4
    assert sum(cell is not None for cell in drawn.data[0].z[5]) == 20 + 1, "signs of the far East are twice as wide"


def test_characters_touch_and_a_long_text_is_cut():
    drawn = coloured_words([example(list("to be " * 200), step="character", pieces_touch=True)], CLASSES)
    assert all(cell is not None for cell in drawn.data[0].z[2])
    assert drawn.data[1].text[-1] == f"... and {1200 - 14 * 44:,} more"
    assert len(drawn.data[2].text) == 14 * 44


def test_buttons_show_the_other_method():
    shown = [example(["a", "fine", "day"]), example(["no"], name="two")]
    (menu,) = coloured_words(shown, CLASSES).layout.updatemenus
    assert [one.label for one in menu.buttons] == ["integrated gradients", "leave one out"]
    changes, traces = menu.buttons[1].args
    values = shown[0].contributions["leave one out"][:, 0]
    assert changes["z"][0][2][0] == round(values[0] / np.abs(values).max(), 3)
    assert changes["text"][0][2][0] == f"a: {values[0]:+.3f} nats"
    assert traces == (0,)


def test_the_step_whose_label_it_is_has_a_box():
    drawn = coloured_words([example(["a", "fine", "day"], at=1, said=0)], CLASSES)
    (box,) = drawn.layout.shapes
    assert (box.x0, box.x1) == (1.5, 5.5)
    assert "of word 1, it is good" in drawn.data[1].text[1]


@pytest.mark.parametrize(
    ("at", "first", "before", "after"),
    [(0, 0, 0, 584), (14 * 44 - 1, 0, 0, 584), (14 * 44, 7 * 44, 7 * 44, 276), (1199, 14 * 44, 14 * 44, 0)],
)
def test_of_a_long_text_that_part_is_shown_in_which_the_step_lies(at, first, before, after):
    letters = [chr(ord("a") + place % 26) for place in range(1200)]
    drawn = coloured_words([example(letters, step="character", pieces_touch=True, at=at)], CLASSES)
    (box,) = drawn.layout.shapes
    words = drawn.data[2]
    assert words.text[0] == letters[first]
    placed = list(zip(words.x, words.y, strict=True))
    assert placed[at - first] == ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    heads = list(drawn.data[1].text[2:])
    assert heads == [f"... {before:,} before"] * bool(before) + [f"... and {after:,} more"] * bool(after)
    assert len(words.text) == 1200 - before - after
    taken = [*drawn.data[1].y, *set(words.y)]
    assert sorted(taken) == list(range(len(taken))), "no two things in one line, and no line is empty"
    assert drawn.data[0].text[int(words.y[at - first])][round(words.x[at - first])].startswith(f"{letters[at]}: ")


def test_contributions_that_do_not_sum_are_told():
    (one, other) = (example(["0", "1"], step="step", channels=2, summed=summed) for summed in (0.316, None))
    drawn = contribution_maps([one, other], CLASSES, ["left", "right"])
    heads = [note.text.split("<br>") for note in drawn.layout.annotations]
    assert [len(head) for head in heads] == [3, 2]
    assert heads[0][2] == "gradients sum to +0.32, not +1.00"
    words = example(["a", "fine", "day"], summed=-0.316)
    assert coloured_words([words], CLASSES).data[1].text[2] == "gradients sum to -0.32, not +1.00"


def test_maps_of_channels():
    options = {"step": "step", "channels": 2}
    shown = [example(["0", "1", "2"], **options), example(["0"], name="two", at=0, **options)]
    drawn = contribution_maps(shown, CLASSES, ["left", "right"])
    values = shown[0].contributions["integrated gradients"]
    np.testing.assert_allclose(np.array(drawn.data[0].z), (values / np.abs(values).max()).T, atol=5e-4)
    assert drawn.data[0].text[1][2] == f"step 2, right: {values[2, 1]:+.3f} nats"
    assert [one.xaxis for one in drawn.data] == ["x", "x2"]
    assert drawn.layout.shapes[0].xref == "x2"
    changes, traces = drawn.layout.updatemenus[0].buttons[1].args
    lost = shown[1].contributions["leave one out"]
    np.testing.assert_allclose(np.array(changes["z"][1]), (lost / np.abs(lost).max()).T, atol=5e-4)
    assert traces == (0, 1)


def test_of_many_channels_those_are_shown_that_contributed_most():
    one = example(["0", "1", "2"], step="step", channels=40)
    one.contributions["integrated gradients"][:, 7] = 9.0
    one.contributions["integrated gradients"][:, 11] = 0.0
    drawn = contribution_maps([one], CLASSES, [f"channel {channel}" for channel in range(40)])
    names = list(drawn.data[0].y)
    assert len(names) == len(drawn.data[0].z) == 30
    assert list(drawn.data[0].z[names.index("channel 7")]) == [1.0] * 3
    assert "channel 11" not in names
    assert drawn.layout.annotations[0].text.startswith("<b>one</b> (30 of 40 channels)<br>")
    lost = one.contributions["leave one out"]
    shown = drawn.layout.updatemenus[0].buttons[1].args[0]["z"][0][names.index("channel 7")]
    np.testing.assert_allclose(shown, lost[:, 7] / np.abs(lost).max(), atol=5e-4)


def test_paths_go_from_a_circle_to_a_diamond():
    shown = [example(["a", "fine", "day"], name=name) for name in ("one", "two", "three")]
    cloud = Cloud(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([2, 0]), np.array([0.5, 0.25]))
    drawn = paths(shown, cloud, CLASSES)
    assert [list(one.x) for one in drawn.data[:2]] == [[2.0], [0.0]]
    assert [one.name for one in drawn.data[:2]] == ["bad", "a class wit\u2026"]
    assert list(drawn.data[1].text) == ["a class with a long name"]
    lines = drawn.data[2:]
    assert [one.visible for one in lines] == [True, True, "legendonly"]
    assert list(lines[0].x) == shown[0].path[:, 0].round(3).tolist()
    assert list(lines[0].text) == ["a", "fine", "day"]
    assert list(lines[0].marker.symbol) == ["circle-open", "circle", "diamond"]
    assert drawn.layout.xaxis.title.text == "first component (50% of the variance)"


def test_probabilities_after_each_word_an_example_at_a_time():
    shown = [example(["a", "fine", "day"], said=1, truth=2), example(["0", "1"], name="two", step="step")]
    drawn = chances(shown, CLASSES)
    names = [one.name for one in drawn.data]
    assert names[:2] == ["good &lt;b&gt; (said)", "a class wit\u2026 (right)"]
    assert list(drawn.data[0].y) == shown[0].chances[:, 1].round(4).tolist()
    visible, axis = drawn.layout.updatemenus[0].buttons[1].args
    assert visible["visible"] == [one.visible is False for one in drawn.data]
    assert (axis["xaxis.tickmode"], axis["xaxis.ticktext"]) == ("auto", None)
    assert list(drawn.layout.xaxis.ticktext) == ["a", "fine", "day"]


def test_words_that_are_numbers_are_words():
    shown = [example(["0", "1"], name="two", step="step"), example(["0", "1"])]
    drawn = chances(shown, CLASSES)
    assert drawn.layout.xaxis.ticktext is None
    numbered, words = (button.args[1] for button in drawn.layout.updatemenus[0].buttons)
    assert numbered.keys() == words.keys(), "nothing stays of the example before"
    assert list(words["xaxis.ticktext"]) == ["0", "1"]


def video(count=13, channels=1):
    numbers = np.random.default_rng(0)
    frames = numbers.uniform(-1, 1, (count, channels, 4, 6)).astype(np.float32)
    said = np.array([0, 1] * count)[:count]
    return Video("an example", frames, said, np.zeros(count, dtype=int), numbers.uniform(0.5, 1, count))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_strip_of_frames(channels):
    one = video(channels=channels)
    drawn = strip(one, CLASSES)
    sheet, labels, line, right, wrong = drawn.data
    top, left = 2 + (4 + 6 + 2), 2 + (6 + 2)  # of the second frame in the second row, below a label as high as wide
    shown = one.frames[11] if channels == 3 else one.frames[11].mean(axis=0, keepdims=True).repeat(3, axis=0)
    every = one.frames if channels == 3 else one.frames.mean(axis=1)
    wanted = (shown - every.min()) / (every.max() - every.min()) * 255
    np.testing.assert_allclose(pixels_of(sheet)[top : top + 4, left : left + 6].transpose(2, 0, 1), wanted, atol=0.51)
    assert labels.x[11] == left + 2.5
    assert labels.y[11] == top + 4 - 0.5 + 3
    assert list(labels.text[:2]) == ["bad<br> ", "\u2717 good &lt;\u2026<br>is bad"]
    assert len(set(labels.textfont.color)) == 2
    assert labels.customdata[1] == f"frame 1: said good &lt;b&gt; ({one.chances[1]:.2f}), it is bad"
    assert list(line.y) == one.chances.round(4).tolist()
    assert (list(right.x), list(wrong.x)) == (list(range(0, 13, 2)), list(range(1, 13, 2)))


def test_of_a_long_video_it_is_said_what_is_shown():
    assert strip(video(61), CLASSES).layout.xaxis2.title.text == "frame (the first 60 of 61)"
    assert strip(video(60), CLASSES).layout.xaxis2.title.text == "frame"


def test_large_frames_are_shown_in_fewer_pixels():
    frames = np.random.default_rng(0).uniform(size=(3, 1, 100, 150)).astype(np.float32)
    drawn = strip(replace(video(3), frames=frames), CLASSES)
    picture = pixels_of(drawn.data[0])[2:, 2:]
    assert picture.shape == (34 + 50 + 2, 3 * (50 + 2), 3)
    darkest, lightest = frames[:, :, ::3, ::3].min(), frames[:, :, ::3, ::3].max()
    assert picture[1, 2, 0] == pytest.approx((frames[0, 0, 3, 6] - darkest) / (lightest - darkest) * 255, abs=0.51)


def test_without_examples_there_is_no_picture():
    nobody = Cloud(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), np.zeros(2))
    assert coloured_words([], CLASSES) is None
    assert contribution_maps([], CLASSES, []) is None
    assert paths([], nobody, CLASSES) is None
    assert chances([], CLASSES) is None
