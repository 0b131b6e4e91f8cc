"""`--task glimpse`: from images to a run, and everything that a run can do."""

import math
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
import torch
from PIL import Image

from tests.inspection.pixels import pixels_of
from tests.runs.cut import resumed_as_never_cut
from unrolled import (
    ConfigError,
    DataError,
    GlimpseConfig,
    RunError,
    ShapeError,
    evaluate,
    load,
    look,
    predict,
    train,
    use_engine,
)
from unrolled.data import Examples, Picture, Ragged
from unrolled.runs import KINDS, Prepared, Sampled
from unrolled.runs.tasks.glimpse_data import symbols_of
from unrolled.runs.tasks.glimpse_score import score_of
from unrolled.training import Evaluated, Stepped

MARKS = np.array(
    [[[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 1, 0], [0, 1, 0], [0, 1, 0]], [[1, 1, 1], [1, 1, 1], [1, 1, 1]]]
)
NAMES = ["dot", "pole", "block"]
WAYS = [
    {},
    {"network": "dram", "cell": "gru"},
    {"network": "dram", "overview": False, "asked": "last", "rewarded": "right", "tries": 2},
    {"cell": "rnn(activation='relu')", "looks": "random"},
    {"network": "draw", "cell": "gru_v3"},
]


def _laid(marks, side=14):
    """An image with marks from left to right, each anywhere in its part."""
    image = np.zeros((side, side), dtype=np.uint8)
    numbers, wide = np.random.default_rng(int(np.sum(marks)) + _laid.count), side // len(marks)
    _laid.count += 1
    for place, mark in enumerate(marks):
        row, column = numbers.integers(0, side - 3), place * wide + numbers.integers(0, wide - 3)
        image[row : row + 3, column : column + 3] = MARKS[mark] * 255
    return image


_laid.count = 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images with one mark somewhere, and images with one or two."""
    place = tmp_path_factory.mktemp("glimpse")
    numbers = np.random.default_rng(0)
    one = numbers.integers(3, size=300)
    np.savez(place / "one.npz", x=np.stack([_laid([mark]) for mark in one]), y=np.array(NAMES)[one])
    two = numbers.integers(3, size=(120, 2))
    np.savez(place / "two.npz", x=np.stack([_laid(pair) for pair in two]), y=np.array(NAMES)[two])
    return place


def _config(place, **options):
    settings = {
        "steps": 30, "hidden_size": 20, "feature_size": 12, "glimpse_size": 3, "glimpses": 3, "batch_size": 16,
        "evaluations": 2, "samples": 1, "learning_rate": 0.01, "deviation": 0.2,
    }  # fmt: skip
    if options.get("network") == "draw":
        del settings["feature_size"]
    return GlimpseConfig(data=[str(place)], **settings | options)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    events = []
    config = _config(folder / "one.npz", steps=250, glimpse_size=7, scales=2, hidden_size=32, feature_size=32)
    path = train(config, tmp_path_factory.mktemp("trained") / "run", listen=events.append)
    return path, events


def test_a_run(folder, trained):
    path, events = trained
    prepared = next(one for one in events if isinstance(one, Prepared))
    assert prepared.unit == "image"
    assert "300 examples, grey images of 14 x 14, 3 classes (block, dot, pole); 30 are held out" in prepared.words
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    assert last.scores["accuracy"] > 0.9
    assert any(name in [one for one in events if isinstance(one, Sampled)][-1].text for name in NAMES)
    score = evaluate(path, str(folder / "one.npz"))
    assert score.accuracy > 0.9
    assert set(score.rows()) == {"accuracy", "nats per image", "images"}
    said = list(predict(path, str(folder / "one.npz")))
    truth = np.load(folder / "one.npz")["y"].tolist()
    assert np.mean([one.text == wanted for one, wanted in zip(said, truth, strict=True)]) == score.accuracy
    assert said[7].line().endswith("one.npz, example 7")
    assert all(0.3 < one.probabilities[0] <= 1.0 for one in said)


def test_what_was_held_out_is_what_a_run_is_measured_by(trained):
    path, events = trained
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    score = evaluate(path)
    assert (score.count, score.nats, score.by_name) == (30, pytest.approx(last.loss), last.scores)
    several = evaluate(path, runs=4)
    assert several == evaluate(path, runs=4), "the same locations are drawn"
    assert several.nats != score.nats


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("way", WAYS)
def test_resume_is_exact(folder, tmp_path, way, engine):
    config = _config(folder / "two.npz", samples=0, steps=12, **way)
    with use_engine(engine):
        resumed_as_never_cut(config, tmp_path, at=7)


def test_the_reference_reads_what_the_engine_trained(folder, trained):
    scores = []
    for engine in ("auto", "reference"):
        with use_engine(engine):
            scores.append(evaluate(trained[0], str(folder / "one.npz")))
    assert scores[0].accuracy == scores[1].accuracy
    assert scores[0].nats == pytest.approx(scores[1].nats, abs=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_learns(folder, tmp_path, way):
    events = []
    train(_config(folder / "two.npz", samples=0, steps=160, **way), tmp_path / "run", listen=events.append)
    last = fmean([one.loss for one in events if isinstance(one, Stepped)][-20:])
    assert last < 0.9 * 2 / 3 * math.log(3), "of who knows that there are two of three, and when they end"
    assert {one.step for one in events if isinstance(one, Stepped)} == set(range(1, 161))


def test_images_of_one_object_or_of_more_are_learned_together(tmp_path):
    numbers = np.random.default_rng(3)
    marks = [numbers.integers(3, size=numbers.integers(1, 3)) for _ in range(60)]
    lines = [f"{row}.png\t{' '.join(NAMES[one] for one in each)}\n" for row, each in enumerate(marks)]
    (tmp_path / "t.tsv").write_text("image\tlabel\n" + "".join(lines))
    for row, each in enumerate(marks):
        Image.fromarray(_laid(each)).save(tmp_path / f"{row}.png")
    options = {"steps": 3, "image_size": 14, "image_channels": "grey", "image_folder": str(tmp_path)}
    path = train(_config(tmp_path / "t.tsv", **options), tmp_path / "run")
    assert evaluate(path, str(tmp_path / "t.tsv")).count == 60
    (tmp_path / "other").mkdir()
    Image.fromarray(_laid([0])).save(tmp_path / "other" / "0.png")
    (tmp_path / "other" / "t.tsv").write_text("image\n0.png\n1.png\n")
    with pytest.raises(DataError, match=r"there is no image .*other/1\.png"):  # (the folder was that of the training)
        list(predict(path, str(tmp_path / "other" / "t.tsv")))
    assert len(list(predict(path, str(tmp_path / "other" / "t.tsv"), image_folder=str(tmp_path)))) == 2
    (tmp_path / "other" / "t.tsv").write_text("image\tlabel\n" + "".join(lines[:5]))
    assert look(path, str(tmp_path / "other" / "t.tsv"), image_folder=str(tmp_path)).text.endswith("5 images")


@pytest.mark.parametrize("precision", ["bf16", "float64"])
@pytest.mark.parametrize("way", [*WAYS[1:3], WAYS[4]])
def test_other_precisions(folder, tmp_path, precision, way):
    path = train(_config(folder / "two.npz", samples=0, steps=4, precision=precision, **way), tmp_path / "run")
    assert np.isfinite(evaluate(path).nats)
    assert look(path).account.behaviours


@pytest.mark.parametrize("network", ["dram", "draw"])
def test_several_objects(folder, tmp_path, network):
    run = load(train(_config(folder / "two.npz", network=network), tmp_path / "run"))
    assert (run.about.objects, run.about.ends, run.model.config.steps) == (2, True, 9)
    assert set(evaluate(run.path, str(folder / "two.npz")).rows()) == {
        "accuracy", "of objects and ends", "nats per object", "images",
    }  # fmt: skip
    np.savez(folder / "fewer.npz", x=np.zeros((2, 14, 14), dtype=np.uint8), y=np.array(["dot", "pole"]))
    assert evaluate(run.path, str(folder / "fewer.npz")).count == 2, "an image can have fewer"


def test_how_answers_are_judged(folder, tmp_path):
    """All of an image is right or it is wrong: each object in its place, and the end; nothing behind it counts."""
    model = load(train(_config(folder / "two.npz", steps=1), tmp_path / "run")).model
    targets = Ragged.of([np.array([2, 0]), np.array([1]), np.array([0, 1])])
    examples = Examples(Ragged(np.zeros((3, 1, 14, 14), np.uint8), np.arange(1, 4)), targets)
    answers = np.full((3, 3, 4), 0.1)
    for row, said in enumerate([[2, 0, 3], [1, 3, 0], [0, 2, 3]]):  # right, right, wrong in one of three
        answers[row, np.arange(3), said] = 0.7
    score = score_of(model, examples, answers, "object")
    assert score.accuracy == pytest.approx(2 / 3)
    assert score.symbols == pytest.approx(7 / 8)
    assert score.nats == pytest.approx(-(7 * np.log(0.7) + np.log(0.1)) / 8)


@pytest.mark.parametrize("data", ["one.npz", "two.npz"])
def test_looking_into_one(folder, tmp_path, trained, data):
    path = trained[0] if data == "one.npz" else train(_config(folder / data, network="dram"), tmp_path / "run")
    seen = look(path, [str(folder / data)])
    assert "where it looked" in seen.report().lower()
    figures = [figure for title, figure in seen.figures.items() if title.startswith("Where it looked")]
    assert len(figures) >= 3
    steps = load(path).model.config.steps
    for figure in figures:
        (chances,) = (np.array(one.z) for one in figure.data if one.type == "heatmap")
        assert len(figure.frames) == steps
        assert chances.shape[1] == steps
        np.testing.assert_allclose(chances.sum(axis=0), 1.0, atol=0.01)
    (told,) = [one for one in seen.sentences if one.about == "glimpses"]
    assert len(told.figures["right"]) == 3
    paths = {one.place.path for one in seen.account.behaviours}
    assert paths == ({"rnn"} if data == "one.npz" else {"rnn", "locator"})
    with pytest.raises(ConfigError, match=r"labels of one.s own are for text"):
        look(path, labels={"x": "y"})


@pytest.fixture(scope="module")
def windowed(tmp_path_factory):
    """A run that reads through a window, on images of 12 x 18 with one mark somewhere."""
    place = tmp_path_factory.mktemp("windowed")
    numbers = np.random.default_rng(2)
    marks = numbers.integers(3, size=400)
    wide = np.stack([np.concatenate([np.zeros((12, 6), np.uint8), _laid([one], 12)], axis=1) for one in marks])
    wide = np.stack([np.roll(one, -numbers.integers(7), axis=1) for one in wide])
    np.savez(place / "wide.npz", x=wide, y=np.array(NAMES)[marks])
    options = {"network": "draw", "glimpse_size": 6, "glimpses": 3, "hidden_size": 32, "steps": 250, "samples": 1}
    return train(_config(place / "wide.npz", **options), place / "run"), place / "wide.npz"


def test_a_window_learns_where_to_look(windowed):
    path, data = windowed
    score = evaluate(path)
    assert score.accuracy > 0.9
    assert [one.text for one in predict(path, str(data))].count("dot") > 50
    with use_engine("reference"):
        reference = evaluate(path)
    assert (reference.accuracy, reference.nats) == (score.accuracy, pytest.approx(score.nats, abs=1e-5))


def test_looking_into_a_window(windowed):
    """Boxes, path and patches are those of the model, counted as plotly counts: the first pixel's centre is 0."""
    path, data = windowed
    seen, model = look(path, [str(data)]), load(path).model
    (told,) = [one for one in seen.sentences if one.about == "glimpses"]
    assert told.text.endswith("pixels wide at first, {:.1f} at last".format(told.figures["sides"][-1]))
    left, _, right, _ = model.filters(torch.zeros(1, 32)).boxes()[0].tolist()
    assert told.figures["sides"][0] == pytest.approx(right - left, abs=0.01), "the first window is that of all images"
    assert seen.account.behaviours[0].signals, "a gradient goes back through all glimpses"
    assert {"across", "down", "side"} <= {one.name for one in seen.account.labels}
    figures = {title: made for title, made in seen.figures.items() if title.startswith("Where it looked")}
    for title, figure in figures.items():
        row = int(title.rpartition(" ")[2])
        with torch.no_grad():
            found = model.read(torch.from_numpy(np.load(data)["x"][row])[None, None].float())
        boxes = np.stack([one.boxes()[0].numpy() for one in found.windows])
        assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((-2.5, 19.5), (13.5, -2.5))
        for box, frame in zip(boxes, figure.frames, strict=True):  # (a margin of two pixels)
            (sides,) = (one for one in frame.data if one.line.dash == "solid")
            corners = [sides.x[0], sides.y[0], sides.x[2], sides.y[2]]
            wanted = np.clip(box, -2.5, [19.5, 13.5, 19.5, 13.5])
            np.testing.assert_allclose(corners, wanted, atol=0.02)
        (line,) = (one for one in figure.data if one.type == "scatter" and "markers" in one.mode)
        centres = np.stack([one.centre[0].numpy() for one in found.windows]) - 1
        np.testing.assert_allclose(np.array([line.x, line.y]).T, centres, atol=0.02)
        image, mosaic = (pixels_of(one) for one in figure.data if one.type == "image")
        assert image.shape == (12 + 4, 18 + 4, 3)
        patches = found.seen[:, 0, 0].numpy()
        shades = np.concatenate(list(patches), axis=1) / max(255.0, patches.max()) * 255
        framed = mosaic[1:7, [column for column in range(22) if column % 7], 0]  # (a line between two patches)
        np.testing.assert_allclose(framed, shades, atol=1)
    assert len(figures) >= 3


def test_the_trace_is_that_of_the_reference(folder, trained):
    from unrolled import trace

    model = load(trained[0]).model
    images = torch.from_numpy(np.load(folder / "one.npz")["x"][:3])[None, :, None].float()
    with torch.no_grad():
        inputs = (images, torch.ones(3, dtype=torch.long), model.look(images[0]))
        native = trace(model, *inputs)
        with use_engine("reference"):
            reference = trace(model, *inputs)
    assert set(native) == set(reference)
    for address, values in native.items():
        assert len(values) == model.config.steps
        torch.testing.assert_close(values, reference[address], rtol=0, atol=1e-5)


def _other_symbols(place):
    np.savez(place, x=np.zeros((3, 14, 14), np.uint8), y=np.array(["dot", "star", "dot"]))


def _other_size(place):
    np.savez(place, x=np.zeros((3, 14, 15), np.uint8), y=np.array(["dot", "dot", "dot"]))


def _too_many(place):
    np.savez(place, x=np.zeros((1, 14, 14), np.uint8), y=np.array([["dot", "dot"]]))


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (_other_symbols, r"new.npz, example 1: the symbol 'star' was not among those learned: block, dot, pole"),
        (_other_size, r"new.npz, example 0 is \(1, 14, 15\) .* \(1, 14, 14\) were learned"),
        (_too_many, r"new.npz, example 0: it has 2 symbols, at most 1 were learned"),
    ],
)
def test_images_that_are_others_than_were_learned(tmp_path, trained, write, told):
    write(tmp_path / "new.npz")
    with pytest.raises(DataError, match=told):
        evaluate(trained[0], str(tmp_path / "new.npz"))


def test_data_that_cannot_be_learned(tmp_path):
    np.savez(tmp_path / "same.npz", x=np.zeros((9, 5, 5), np.uint8), y=np.zeros(9, int))
    with pytest.raises(DataError, match=r"same.npz: there are 1 different symbols in 9 images"):
        train(_config(tmp_path / "same.npz"), tmp_path / "run")
    np.savez(tmp_path / "few.npz", x=np.zeros((2, 5, 5), np.uint8), y=np.arange(2))
    with pytest.raises(DataError, match="too few to learn some"):
        train(_config(tmp_path / "few.npz"), tmp_path / "run")
    with pytest.raises(DataError, match="images of what"):
        train(GlimpseConfig(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("way", [{}, {"network": "dram"}])
def test_looking_at_images_of_which_nobody_knows(folder, tmp_path, way):
    path = train(_config(folder / ("two.npz" if way else "one.npz"), samples=0, steps=20, **way), tmp_path / "run")
    (tmp_path / "mine").mkdir()
    for number, image in enumerate(np.load(folder / "one.npz")["x"][:4]):
        Image.fromarray(image).save(tmp_path / "mine" / f"{number}.png")
    seen = look(path, [str(tmp_path / "mine")])
    said = [one.text for one in predict(path, str(tmp_path / "mine"))]
    told = [one.text for one in seen.sentences if one.about in ("glimpses", "images")]
    assert "what they are said to be after the last of" in told[0]
    assert all(one.startswith(("surest: said ", "least sure: said ")) and "right" not in one for one in told[1:])
    assert {one.split("said ")[1].rsplit(" (", 1)[0] for one in told[1:]} <= {one or "(nothing)" for one in said}
    assert look(path, [str(tmp_path / "mine" / "2.png")]).text.endswith("1 images")
    with pytest.raises(DataError, match="nothing says what belongs to it"):
        evaluate(path, str(tmp_path / "mine"))


def test_options_of_reading_are_for_data_that_are_named(trained):
    for use in (evaluate, look):
        with pytest.raises(ConfigError, match="image_folder says how other data are read, and none are named"):
            use(trained[0], image_folder="anywhere")


def test_options_that_do_not_fit(folder):
    with pytest.raises(ValueError, match="with --scales 1 there is no wider patch: leave --scale-factor out"):
        _config(folder / "one.npz", scales=1, scale_factor=3)
    with pytest.raises(ValueError, match="--overview is for --network dram"):
        _config(folder / "one.npz", overview=True)


@pytest.mark.parametrize(
    "option",
    [{"scales": 2}, {"scale_factor": 3}, {"reach": 0.5}, {"feature_size": 12}, {"looks": "random"},
     {"looks": "centre"}, {"deviation": 0.1}, {"rewarded": "right"}, {"reward": 0.5}, {"tries": 2}, {"runs": 2},
     {"explore": 0.5}, {"overview": True}],
)  # fmt: skip
def test_a_window_has_no_use_for(option):
    ((name, _),) = option.items()
    told = "for --network dram" if name == "overview" else f": leave --{name.replace('_', '-')} out"
    with pytest.raises(ValueError, match=told):
        GlimpseConfig(data="x.npz", network="draw", **option)


@pytest.mark.parametrize(
    ("looks", "option"),
    [("random", {"deviation": 0.1}), ("random", {"rewarded": "right"}), ("random", {"reward": 0.5}),
     ("random", {"explore": 0.5}), ("centre", {"tries": 2}), ("centre", {"runs": 2}), ("centre", {"explore": 0.1})],
)  # fmt: skip
def test_places_that_are_not_chosen_have_no_use_for(looks, option):
    ((name, _),) = option.items()
    with pytest.raises(ValueError, match=f"with --looks {looks} no place is chosen: leave --{name} out"):
        GlimpseConfig(data="x.npz", looks=looks, **option)


def test_looking_into_one_takes_the_options_that_it_has_a_use_for(trained):
    with pytest.raises(ConfigError, match="runs is no option of a look into --task glimpse, which has image_column"):
        look(trained[0], runs=8)


def test_a_window_is_read_in_one_way(windowed):
    path, data = windowed
    with pytest.raises(ConfigError, match=r"with --network draw no place is drawn.*: leave --runs out"):
        evaluate(path, str(data), runs=4)


def test_more_filters_than_pixels(folder, tmp_path):
    with pytest.raises(ShapeError, match="glimpse_size 15: a window has so many filters along a side, from 1 to 14"):
        train(_config(folder / "one.npz", network="draw", glimpse_size=15), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_images_that_were_changed(tmp_path, trained):
    kind, about = KINDS["glimpse"], load(trained[0]).about
    images = (trained[0] / "images.safetensors").read_bytes()
    (tmp_path / "images.safetensors").write_bytes(images[:-10])
    with pytest.raises(DataError, match="holds no examples"):
        kind.data(tmp_path, about)
    examples = kind.data(trained[0], about)
    changes = {
        "a class that there is not": Examples(
            examples.inputs, Ragged(examples.targets.values + 3, examples.targets.ends)
        ),
        "fewer images": examples.pick(range(299)),
        "two symbols": Examples(
            examples.inputs.pick(range(150)), Ragged(examples.targets.values, np.arange(2, 301, 2))
        ),
    }
    for changed in changes.values():
        (tmp_path / "images.safetensors").write_bytes(kind.stored(changed))
        with pytest.raises(DataError, match=r"not those that its data.json tells of"):
            kind.data(tmp_path, about)


def test_numbers_that_are_not_finite(folder, trained):
    run = load(trained[0])
    with torch.no_grad():
        run.model.read_out.bias.fill_(torch.nan)
    examples = KINDS["glimpse"].data(trained[0], run.about).pick(range(3))
    with pytest.raises(RunError, match="answers that are no finite numbers"):
        KINDS["glimpse"].score(run.config, run.about, run.model, examples)


def test_a_folder_is_one_class_spaces_and_all():
    """Elsewhere what is parted by spaces are several objects."""
    pixels = np.zeros((1, 2, 2), dtype=np.uint8)
    one = Picture(pixels, ("golden retriever",), "dogs/golden retriever/1.png", is_class=True)
    assert symbols_of(one) == ["golden retriever"]
    assert symbols_of(replace(one, is_class=False)) == ["golden", "retriever"]
