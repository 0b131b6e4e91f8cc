"""`--task tag`: from files to a run, and everything that a run can do."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.test_video import encoded
from tests.runs.cut import resumed_as_never_cut
from unrolled import ConfigError, DataError, TagConfig, evaluate, load, look, predict, train, use_engine
from unrolled.data import moving_digits
from unrolled.data.moving_digits import varied, videos
from unrolled.runs import Prepared, Sampled
from unrolled.training import Evaluated


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Words that are tagged by the word before; ramps that go up or down; squares of light that come and stay."""
    place = tmp_path_factory.mktemp("tag")
    numbers = np.random.default_rng(0)
    with (place / "words.tsv").open("w") as file:
        for _ in range(120):
            before = "start"
            for word in numbers.choice(["sea", "day", "sun"], numbers.integers(2, 9)):
                file.write(f"{word}\tafter-{before}\n")
                before = word
            file.write("\n")
    steps = numbers.standard_normal((80, 9, 1)).cumsum(axis=1)
    np.savez(place / "ramps.npz", x=steps, y=(steps[..., 0] > 0).astype(int), lengths=numbers.integers(3, 10, 80))
    x, y = np.zeros((80, 6, 8, 8), dtype=np.uint8), np.zeros((80, 6), dtype=int)
    for row in range(80):
        kind, start = row % 3, numbers.integers(0, 4)
        x[row, start, 2 * kind : 2 * kind + 2, 2:6] = 200
        y[row, start:] = kind + 1
    np.savez(place / "lights.npz", x=x, y=y)
    return place


def _config(data, **options):
    settings = {
        "steps": 150, "hidden_size": 16, "embedding_size": 8, "batch_size": 16, "evaluations": 3, "samples": 2,
        "learning_rate": 0.02, "dropout": 0.0,
    }  # fmt: skip
    return TagConfig(data=[str(data)], **settings | options)


@pytest.mark.parametrize("init", ["normal", "uniform"])
def test_an_encoder_of_frames_learns_from_any_initial_values(folder, tmp_path, init):
    """Gains of norms stay: with zeros in their place no gradient would come through them."""
    run = load(train(_config(folder / "lights.npz", init=init, steps=1, samples=0, val_frac=0.0), tmp_path / "run"))
    frames = torch.randint(255, (2, 3, 1, 8, 8)).float()
    run.model(frames, torch.tensor([2, 2, 1])).square().sum().backward()
    first = run.model.front.encoder.stages[0][0]
    assert first.weight.grad.abs().sum() > 0


def test_a_sum_of_losses_is_for_texts():
    with pytest.raises(ValueError, match="--loss-reduction sum is for --task text"):
        _config("x", loss_reduction="sum")


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_a_run_on_words(folder, tmp_path, engine):
    events = []
    with use_engine(engine):
        path = train(_config(folder / "words.tsv"), tmp_path / "run", listen=events.append)
    prepared = next(one for one in events if isinstance(one, Prepared))
    assert prepared.unit == "step"
    assert prepared.train > 5 * prepared.held_out > 100
    assert "120 examples" in prepared.words
    assert "4 labels (after-day, after-sea, after-start, after-sun)" in prepared.words
    assert [one for one in events if isinstance(one, Evaluated)][-1].scores["accuracy"] > 0.95
    assert "after-start, after-" in [one for one in events if isinstance(one, Sampled)][-1].text
    (tmp_path / "new.txt").write_text("sun\nday\nsea\n\nday\n")
    said = list(predict(path, str(tmp_path / "new.txt")))
    assert [one.labels for one in said] == [("after-start", "after-sun", "after-day"), ("after-start",)]
    assert said[0].line() == "after-start after-sun after-day\tsun day sea"


@pytest.mark.parametrize(("name", "unit"), [("ramps.npz", "step"), ("lights.npz", "frame")])
def test_numbers_and_frames(folder, tmp_path, name, unit):
    path = train(_config(folder / name), tmp_path / "run")
    score = evaluate(path, str(folder / name))
    assert score.accuracy > 0.95
    assert score.unit == unit
    assert load(path).about.unit == unit
    (first, *_) = predict(path, str(folder / name))
    assert first.where.endswith(f"{name}, example 0")


def test_frame_by_frame_it_says_the_same(folder, tmp_path):
    run = load(train(_config(folder / "lights.npz", samples=0), tmp_path / "run"))
    with np.load(folder / "lights.npz") as arrays:
        frames = torch.from_numpy(arrays["x"][:5]).float().transpose(0, 1)[:, :, None]
    with torch.no_grad():
        whole = run.model(frames, torch.full((5,), 6))
        state = None
        for step, frame in enumerate(frames):
            logits, state = run.model.step(frame, state)
            torch.testing.assert_close(logits, whole[step], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["words.tsv", "lights.npz"])
def test_resume_is_exact(folder, tmp_path, name):
    config = _config(folder / name, dropout=0.3, samples=0, steps=30)
    resumed_as_never_cut(config, tmp_path, at=13)


@pytest.mark.parametrize("name", ["words.tsv", "lights.npz"])
def test_looking_into_one(folder, tmp_path, name):
    path = train(_config(folder / name, samples=0, val_frac=0.5), tmp_path / "run")
    assert look(path).steps < 400, "too few to find cells in"
    seen = look(path, [str(folder / name)])
    assert "tagger of 4 labels" in seen.report()
    assert any(title.startswith("What it says of each frame") for title in seen.figures) == (name == "lights.npz")
    assert seen.account.labels[0].what.startswith("at a step of the class")
    with pytest.raises(ConfigError, match=r"labels of one.s own are for text"):
        look(path, labels={"x": "y"})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "there is no example"),
        ("\n\n", "there is no example"),
        ("sea\tA\nday\n", r"bad\.txt, line 2: wanted a word, a tab and its label, got 'day'"),
        ("sea\tA\n\nday\t \n", r"bad\.txt, line 3: wanted a word"),
        ("\tA\n", r"bad\.txt, line 1: wanted a word"),
        ("sea\tNN\tO\n", r"bad\.txt, line 1: wanted a word, a tab and its label"),
        ("the sea\tA\n", r"bad\.txt, line 1: wanted one word a line"),
        ("sea\tA\n" * 4, "all 4 have the label 'A'"),
        ("sea\tA\nday\tB\n", "too few to learn some"),
        (b"sea\t\xff\n", "UTF-8"),
    ],
)
def test_bad_words(tmp_path, content, told):
    (tmp_path / "bad.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=told):
        train(_config(tmp_path / "bad.txt"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": np.zeros((4, 3, 2))}, "wanted x, y"),
        ({"x": np.zeros((4, 3)), "y": np.zeros((4, 3))}, r"x is \(4, 3\): wanted"),
        ({"x": np.zeros((4, 3, 2)), "y": np.zeros(4)}, r"y is \(4,\), and x"),
        ({"x": np.zeros((4, 3, 0)), "y": np.zeros((4, 3))}, "wanted"),
        ({"x": np.zeros((2, 3, 2)), "y": np.zeros((2, 3)), "lengths": np.array([0, 2])}, "example 0: its length is 0"),
        ({"x": np.zeros((2, 3, 2)), "y": np.zeros((2, 3)), "lengths": np.array([0.5, 2])}, "wanted 2 whole numbers"),
        ({"x": np.full((2, 3, 2), np.nan), "y": np.zeros((2, 3))}, "example 0: step 0, channel 0 is nan"),
    ],
)
def test_bad_arrays(tmp_path, arrays, told):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=told):
        train(_config(tmp_path / "bad.npz"), tmp_path / "run")


def test_using_it_wrongly(folder, tmp_path):
    path = train(_config(folder / "words.tsv", steps=3, samples=0), tmp_path / "run")
    (tmp_path / "new.txt").write_text("sea\tbefore\n")
    with pytest.raises(DataError, match=r"new\.txt, line 1: the class 'before' was not among those learned"):
        evaluate(path, str(tmp_path / "new.txt"))
    with pytest.raises(DataError, match="is numbers, and texts were learned"):
        evaluate(path, str(folder / "ramps.npz"))
    lights = train(_config(folder / "lights.npz", steps=3, samples=0), tmp_path / "lights")
    with pytest.raises(DataError, match=r"a step is \(1,\), \(1, 8, 8\) were learned"):
        evaluate(lights, str(folder / "ramps.npz"))
    with pytest.raises(DataError, match="one is text, the other numbers"):
        train(TagConfig(data=[str(folder / "words.tsv"), str(folder / "ramps.npz")]), tmp_path / "both")
    with pytest.raises(DataError, match="labels of what"):
        train(TagConfig(), tmp_path / "none")


def test_moving_digits():
    """The digit is there in the first frame; where it is hidden its label stays; nothing leaves the picture."""
    images = np.random.default_rng(0).integers(1, 255, (20, 28, 28)).astype(np.uint8)
    labels = np.arange(20) % 10
    made, again = (videos(images, labels, 30, 5) for _ in range(2))
    assert made["x"].shape == (30, 20, 32, 32)
    assert all(np.array_equal(made[name], again[name]) for name in made)
    pixels = (made["x"] > 0).sum(axis=(2, 3))
    assert (pixels[:, 0] >= 14 * 14 - 20).all()
    hidden = pixels <= 3 * 5 * 5
    assert 0.1 < hidden.mean() < 0.4
    changes = (made["y"][:, 1:] != made["y"][:, :-1]).sum(axis=1)
    assert (changes <= 1).all()
    assert changes.sum() > 20


def test_varied_digits_are_as_many_times_there_each_in_another_way():
    images = np.zeros((3, 28, 28), dtype=np.uint8)
    images[0, 4:24, 12:16] = images[1, 12:16, 4:24] = images[2, 8:20, 8:20] = 200
    many, again = (varied(images, 4, seed=1) for _ in range(2))
    assert many.shape == (12, 28, 28)
    assert many.dtype == np.uint8
    assert np.array_equal(many, again)
    assert len({one.tobytes() for one in many}) == 12
    rows, columns = np.mgrid[:28, :28] - 13.5
    for row, one in enumerate(many.astype(float)):
        assert abs((one * rows).sum()) + abs((one * columns).sum()) < 0.6 * one.sum(), "it stays in the middle"
        assert abs(one.sum() / images[row % 3].sum() - 1) < 0.5
        assert one.any()


@pytest.mark.proof
def test_no_digit_of_the_test_is_in_a_video_that_is_learned(monkeypatch):
    """With digits that are dark among the first 4,000, and light among the others."""
    images = np.full((5_000, 28, 28), 100, dtype=np.uint8)
    images[4_000:] = 200
    monkeypatch.setattr(moving_digits, "digits_of", lambda folder: (images, np.arange(5_000) % 10))
    learned, measured = (np.load(io.BytesIO(b"".join(corpus.make(Path())))) for corpus in moving_digits.VIDEOS)
    assert learned["x"].max() == 100
    assert set(np.unique(measured["x"])) == {0, 200}
    assert (len(learned["x"]), len(measured["x"])) == (5_000, 500)


@pytest.fixture
def clips(tmp_path):
    """Videos of four frames, dark or light, with the label of each beside them."""
    folder = tmp_path / "clips"
    folder.mkdir()
    numbers = np.random.default_rng(2)
    for row in range(20):
        is_light = numbers.integers(0, 2, 4).astype(bool)
        frames = np.where(is_light[:, None, None, None], 220, 30).astype(np.uint8)
        encoded(folder / f"{row:02}.mkv", np.broadcast_to(frames, (4, 20, 30, 3)).copy())
        (folder / f"{row:02}.txt").write_text("".join("light\n" if one else "dark\n" for one in is_light))
    return folder


@pytest.mark.parametrize(("channels", "shape"), [("grey", (1, 8, 8)), ("rgb", (3, 8, 8))])
def test_videos(clips, tmp_path, channels, shape):
    path = train(_config(clips, steps=60, samples=0, frame_size=8, frame_channels=channels), tmp_path / "run")
    assert load(path).about.frame == shape
    assert evaluate(path, str(clips)).accuracy > 0.95
    frames = np.full((3, 40, 40, 3), 30, dtype=np.uint8)
    frames[1] = 220
    (said,) = predict(path, str(encoded(tmp_path / "new.mkv", frames)))
    assert said.labels == ("dark", "light", "dark")
    assert said.line() == f"dark light dark\t{tmp_path / 'new.mkv'}"


def test_a_video_is_brought_to_the_frames_that_were_learned(folder, tmp_path):
    """A run that learned arrays reads videos in the shape of those arrays."""
    path = train(_config(folder / "lights.npz", steps=3, samples=0), tmp_path / "run")
    clip = encoded(tmp_path / "clip.mkv", np.zeros((5, 24, 16, 3), dtype=np.uint8))
    (said,) = predict(path, str(clip))
    assert len(said.labels) == 5
    with pytest.raises(DataError, match=r"clip\.tsv or clip\.txt: neither is there"):
        evaluate(path, str(clip))
    words = train(_config(folder / "words.tsv", steps=3, samples=0), tmp_path / "words")
    with pytest.raises(DataError, match="is numbers, and texts were learned"):
        list(predict(words, str(clip)))
