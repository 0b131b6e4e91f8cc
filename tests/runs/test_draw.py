"""`--task draw`: from images to a run, and everything that a run can do."""

import errno
import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.inspection.pixels import pixels_of
from tests.runs.cut import resumed_as_never_cut
from tests.runs.disk import Failing, using
from unrolled import (
    ConfigError,
    DataError,
    DrawConfig,
    RunError,
    UnrolledError,
    draw,
    evaluate,
    load,
    look,
    predict,
    train,
    use_engine,
)
from unrolled.cells import find as load_cell
from unrolled.data import Examples, Ragged, read_examples, stored_examples
from unrolled.inspection.canvases import Costs, nearest
from unrolled.models import Drawer, DrawerConfig
from unrolled.runs import KINDS, Prepared, Sampled, draw_to, in_letters, save_images
from unrolled.runs.saved_images import check_images_place
from unrolled.runs.tasks.blocks import in_blocks
from unrolled.runs.tasks.draw_look import imagined_pictures
from unrolled.runs.tasks.draw_score import bounds_of, noise_of
from unrolled.training import Evaluated, seed_of

GUESSING = 42 * math.log(2)  # nats
WAYS = [
    {},
    {"read_size": 2, "write_size": 3, "cell": "gru_v3"},
    {"strokes": 1, "threshold": 0, "num_layers": 2, "dropout": 0.2},
    {"precision": "bf16", "cell": "gru"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bars that stand or lie somewhere in 7 x 6 pixels."""
    place = tmp_path_factory.mktemp("draw")
    numbers = np.random.default_rng(0)
    images = np.zeros((120, 7, 6), dtype=np.uint8)
    for one in images:
        if numbers.random() < 0.5:
            one[numbers.integers(7)] = numbers.integers(130, 256)
        else:
            one[:, numbers.integers(6)] = numbers.integers(130, 256)
    np.savez(place / "bars.npz", x=images)
    np.savez(place / "few.npz", x=images[:5])
    return place


def _config(place, **options):
    settings = {
        "steps": 100, "strokes": 3, "hidden_size": 16, "latent_size": 4, "batch_size": 16, "evaluations": 2,
        "samples": 1, "learning_rate": 0.01, "shift": 0.0, "turn": 0.0,
    }  # fmt: skip
    return DrawConfig(data=[str(place / "bars.npz")], **settings | options)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    events = []
    config = _config(folder, read_size=3, write_size=5)
    path = train(config, tmp_path_factory.mktemp("trained") / "run", listen=events.append)
    return path, events


def test_a_run(folder, trained):
    path, events = trained
    prepared = next(one for one in events if isinstance(one, Prepared))
    assert prepared.unit == "image"
    assert "120 examples, images of 1 x 7 x 6; 12 are held out" in prepared.words
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    assert last.loss < 0.7 * GUESSING
    drawn = [one for one in events if isinstance(one, Sampled)][-1].text.split("\n")
    assert len(drawn) == 4, "two rows of pixels a line"
    assert set("".join(drawn)) <= set(" ▀▄█")
    score = evaluate(path)
    assert (score.count, score.draws, score.nats) == (12, 1, pytest.approx(last.loss, abs=1e-4))
    assert score.nats == pytest.approx(score.reconstruction + score.latent)
    assert score.bits == pytest.approx(score.nats / 42 / math.log(2))
    assert set(score.rows()) == {"nats per image", "reconstruction", "latent", "bits per pixel", "images"}


def test_each_image_and_all_together(folder, trained):
    path, _ = trained
    said = list(predict(path, str(folder / "few.npz"), draws=3))
    score = evaluate(path, str(folder / "few.npz"), draws=3)
    assert [one.where for one in said] == [f"{folder / 'few.npz'}, example {row}" for row in range(5)]
    assert np.mean([one.nats for one in said]) == pytest.approx(score.nats)
    assert all(one.nats == pytest.approx(one.reconstruction + one.latent) for one in said)
    assert said[0].line().startswith(f"{said[0].nats:.2f}\t")
    assert score.draws == 3
    assert evaluate(path, str(folder / "few.npz"), draws=3) == score, "the same noise"
    once = evaluate(path, str(folder / "few.npz"))
    assert once.nats != score.nats
    assert once.rows()["images"] == "5, each drawn once"


def test_the_noise_of_an_image_does_not_depend_on_what_is_drawn_beside_it(monkeypatch, folder, trained):
    run = load(trained[0])
    images = KINDS["draw"].others(run.config, run.about, [str(folder / "few.npz")])[1]
    together = bounds_of(run.model, images, 2)
    monkeypatch.setattr("unrolled.runs.tasks.draw_score._AT_ONCE", 2)
    in_pieces = bounds_of(run.model, images, 2)
    turned = bounds_of(run.model, images.pick(np.arange(5)[::-1]), 2)
    np.testing.assert_allclose(turned.latent[::-1], together.latent, rtol=0, atol=1e-4)
    np.testing.assert_allclose(in_pieces.latent, together.latent, rtol=0, atol=1e-4)
    np.testing.assert_allclose(in_pieces.reconstruction, together.reconstruction, rtol=0, atol=1e-4)
    assert bounds_of(run.model, images, 2, should_stop=lambda: True) is None


def test_the_reference_reads_what_the_engine_trained(trained):
    scores = []
    for engine in ("auto", "reference"):
        with use_engine(engine):
            scores.append(evaluate(trained[0]).nats)
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("way", WAYS)
def test_resume_is_exact(folder, tmp_path, way, engine):
    config = _config(folder, samples=0, steps=8, shift=1.0, turn=5.0, **way)
    with use_engine(engine):
        resumed_as_never_cut(config, tmp_path, at=5)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_learns(folder, tmp_path, way):
    events = []
    train(_config(folder, samples=0, steps=60, **way), tmp_path / "run", listen=events.append)
    last = [one.loss for one in events if isinstance(one, Evaluated)][-1]
    assert last < 0.7 * GUESSING


def test_looking_into_one(folder, trained):
    path, _ = trained
    seen = look(path, [str(folder / "few.npz")])
    assert "a drawer of images of 1 x 7 x 6" in seen.report()
    growing, costs, imagined, beside, *_ = seen.figures.items()
    assert growing[0] == "Images, and the canvas of each, step by step"
    assert [frame.name for frame in growing[1].frames] == ["0", "1", "2", "3"]
    reads, writes = growing[1].frames[1].data[1:]
    assert (len(reads.x), len(writes.x)) == (5 * 6, 5 * 6), "a box of four corners for each of five images"
    assert not growing[1].frames[0].data[1].x, "nothing was read before the first step"
    score = evaluate(path, str(folder / "few.npz"))
    (told,) = [one for one in seen.sentences if one.about == "drawing"]
    assert told.figures["nats"] == pytest.approx(score.nats, abs=1e-2)
    assert sum(costs[1].data[0].y) == pytest.approx(score.latent, abs=1e-2)
    assert costs[1].data[1].y[-1] == pytest.approx(score.reconstruction, abs=1e-2)
    assert not imagined[1].frames[2].data[1].x, "nothing is read"
    assert beside[0].startswith("Samples")
    assert {one.place.path for one in seen.account.behaviours} == {"encoder", "decoder"}
    assert seen.account.behaviours[0].signals, "a gradient goes back through the drawing"
    with pytest.raises(ConfigError, match=r"labels of one.s own are for text"):
        look(path, labels={"x": "y"})


def test_what_units_are_asked_for_belongs_to_the_step_of_an_image(folder, trained):
    """One image behind the other, as the units are: its three steps, and what each of them costs."""
    seen = look(trained[0], [str(folder / "bars.npz")] * 2)
    step, latent = (one.values.reshape(240, 3) for one in seen.account.labels)
    assert (step == [1, 2, 3]).all()
    costs = list(seen.figures.values())[1]
    np.testing.assert_allclose(latent.mean(axis=0), costs.data[0].y, atol=1e-3)


def test_looking_at_colours_without_windows(tmp_path):
    numbers = np.random.default_rng(0)
    np.savez(tmp_path / "colours.npz", x=numbers.integers(0, 256, (30, 3, 4, 5), dtype=np.uint8))
    config = _config(tmp_path, steps=3, samples=0, threshold=0).model_copy(
        update={"data": (str(tmp_path / "colours.npz"),)}
    )
    seen = look(train(config, tmp_path / "run"))
    title, figure = next(iter(seen.figures.items()))
    assert title.startswith("Images, and the canvas of each")
    assert figure.data[0].type == "image"
    assert pixels_of(figure.data[0]).shape == (2 * (4 + 2) + 2, 3 * (5 + 2) + 2, 3)
    assert not figure.data[1].x


def test_images_out_of_nothing(trained, tmp_path, monkeypatch):
    path, _ = trained
    images = draw(path, 3, seed=2)
    assert (images.shape, images.dtype) == ((3, 1, 7, 6), np.uint8)
    assert (draw(path, 1, seed=2)[0] == images[0]).all(), "an image does not depend on how many there are"
    assert (draw(path, 3, seed=1) != images).any()
    assert len(np.unique(images)) > 2
    model = load(path).model
    generator = torch.Generator().manual_seed(seed_of(2, "sampling", 1))
    noise = torch.randn((model.config.steps, 1, model.config.latent_size), generator=generator)
    with torch.no_grad():
        wanted = model.eval().imagined(noise).canvases[-1, 0].sigmoid() * 255
    np.testing.assert_allclose(images[1], wanted.round().numpy(), atol=1)
    monkeypatch.setattr("unrolled.runs.drawing._AT_ONCE", 2)
    assert np.abs(draw(path, 3, seed=2).astype(int) - images).max() <= 1, "the third is not the first again"
    assert (images[2] != images[0]).any()
    save_images(images, tmp_path / "new" / "some.npz")
    assert (np.load(tmp_path / "new" / "some.npz")["x"] == images).all()
    assert evaluate(path, str(tmp_path / "new" / "some.npz")).count == 3
    for given, told in (({"count": 0}, "count 0: give the number of images"), ({"seed": -1}, "seed -1: give a whole")):
        with pytest.raises(ConfigError, match=told):
            draw(path, **given)


def test_the_canvas_as_it_grows(trained, monkeypatch):
    path, _ = trained
    canvases = draw(path, 3, seed=2, all_steps=True)
    model = load(path).model
    assert (canvases.shape, canvases.dtype) == ((3, 1 + model.config.steps, 1, 7, 6), np.uint8)
    assert (canvases[:, -1] == draw(path, 3, seed=2)).all()
    assert (canvases[:, 0] == (model.blank.detach().sigmoid() * 255).round().byte().numpy()).all()
    assert (canvases[:, 1] != canvases[:, 2]).any()
    monkeypatch.setattr("unrolled.runs.drawing._AT_ONCE", 2)
    assert np.abs(draw(path, 3, seed=2, all_steps=True).astype(int) - canvases).max() <= 1


def test_bounds_that_are_not_finite_are_told_of(folder, trained):
    run = load(trained[0])
    with torch.no_grad():
        run.model.latent.bias[0] = torch.nan
    examples = KINDS["draw"].others(run.config, run.about, [str(folder / "few.npz")])[1]
    with pytest.raises(RunError, match="bounds that are no finite numbers at 5 of 5 places"):
        KINDS["draw"].score(run.config, run.about, run.model, examples)
    with pytest.raises(RunError, match="bounds that are no finite numbers"):
        list(KINDS["draw"].predict(run.config, run.about, run.model, [str(folder / "few.npz")]))


def test_only_a_drawer_draws_and_none_whose_numbers_are_not_finite(trained, tmp_path, monkeypatch):
    run = load(trained[0])
    monkeypatch.setattr("unrolled.runs.drawing.loaded", lambda *_, **__: run)
    for bad in (torch.nan, torch.inf, -torch.inf):  # (behind the sigmoid, the infinite are 1 and 0)
        with torch.no_grad():
            run.model.blank[0, 0, 0] = bad
        for all_steps in (False, True):
            with pytest.raises(RunError, match="images that are no finite numbers at 8 of 8 places"):
                draw("it", all_steps=all_steps)
    with pytest.raises(RunError, match="no finite numbers at 3 of 3 places"):
        draw_to(tmp_path / "new" / "some.png", "it", 3)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("unrolled.runs.drawing.loaded", lambda *_, **__: replace(run, model=torch.nn.Linear(1, 1)))
    with pytest.raises(ConfigError, match="it does not draw: it was trained with --task draw"):
        draw("it")


@pytest.mark.parametrize("weights", [{"best": True}, {"average": 2}, {}])
def test_the_weights_that_draw(trained, tmp_path, monkeypatch, weights):
    asked = []
    monkeypatch.setattr("unrolled.runs.drawing.loaded", lambda *_, **given: asked.append(given) or load(trained[0]))
    draw(trained[0], 1, **weights)
    draw_to(tmp_path / "some.npz", trained[0], 1, **weights)
    for given in asked:
        assert {name: given[name] for name in ("best", "average")} == {"best": False, "average": 0} | weights
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("name", "all_steps", "drawn"), [("a.npz", False, False), ("a.npz", True, True), ("a.GIF", False, True)]
)
def test_what_is_drawn_into_a_file(trained, tmp_path, monkeypatch, name, all_steps, drawn):
    kept = {}
    monkeypatch.setattr("unrolled.runs.drawing.save_images", lambda images, place: kept.update({place: images}))
    draw_to(tmp_path / name, trained[0], 3, 2, all_steps=all_steps)
    assert (kept[tmp_path / name] == draw(trained[0], 3, 2, all_steps=drawn)).all()


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("new/some.png", {"path": "nothing"}, "nothing"),
        ("new/some.png", {"count": 0}, "count 0: give the number of images"),
        ("new/some.png", {"seed": -1}, "seed -1: give a whole"),
        ("new/some.png", {"count": 500_000}, r"images of \[500000, 1, 7, 6\] take .* pixels, and at most 32,000,000"),
        ("new/some.gif", {"count": 150_000}, r"images of \[150000, 4, 1, 7, 6\] take"),
        ("new/some.png", {"count": 150_000, "all_steps": True}, r"images of \[150000, 4, 1, 7, 6\] take"),
        ("new/some.jpg", {}, "give a name that ends so"),
        ("there.png", {}, "is there already"),
        ("there.png/some.png", {}, "cannot be written: Not a directory"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_drawn(trained, tmp_path, monkeypatch, name, given, told):
    def drawing(*_):
        raise AssertionError("it draws")

    monkeypatch.setattr(Drawer, "imagined", drawing)
    (tmp_path / "there.png").write_bytes(b"mine")
    with pytest.raises(UnrolledError, match=told):
        draw_to(tmp_path / name, **{"path": trained[0]} | given)
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]


def test_a_folder_that_nobody_may_write_into_is_told_before_anything_is_drawn(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(Drawer, "imagined", None)
    with using(Failing(1, errno.EROFS)), pytest.raises(ConfigError, match="cannot be written: Read-only file system"):
        check_images_place(tmp_path / "some.png", (1, 1, 7, 6))
    with pytest.raises(ConfigError, match="/proc/some.png cannot be written: "):
        draw_to(Path("/proc/some.png"), trained[0])


def test_images_are_held_once(trained, monkeypatch):
    """What is drawn goes to its place at once: there is no second copy of all at the end."""
    run = load(trained[0])
    monkeypatch.setattr("unrolled.runs.drawing.loaded", lambda *_, **__: run)
    draw("it")  # (what is made once is made)
    tracemalloc.start()
    try:
        images = draw("it", 4_000, all_steps=True)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert images.nbytes < most < 1.5 * images.nbytes


def test_drawn_images_in_letters():
    steps = np.full((2, 3, 1, 2, 3), 255, dtype=np.uint8)
    steps[0, 0] = 0
    row = "███  ███  ███\n0    1    2"
    assert in_letters(steps) == f"image 1\n     ███  ███\n0    1    2\n\nimage 2\n{row}"
    assert in_letters(steps[1:], 8) == "image 1\n███  ███\n0    1\n\n███\n2"
    assert in_letters(steps[:, -1]) == "███  ███"
    assert in_letters(steps[:, -1], 3) == "███\n\n███"


def test_every_image_has_its_own_noise(trained):
    model = load(trained[0]).model
    images = torch.arange(3).float().view(3, 1, 1, 1).expand(3, 1, 7, 6)
    made = noise_of(model, images)
    assert made.shape == (model.config.steps, 3, model.config.latent_size)
    assert not torch.equal(made[:, 0], made[:, 1])
    assert torch.equal(noise_of(model, images[[2, 0]].to(torch.uint8)), made[:, [2, 0]])
    assert not torch.equal(noise_of(model, images, 1), made)


def test_the_nearest_image_is_looked_for_among_all(folder, trained, monkeypatch):
    run = load(trained[0])
    learned = KINDS["draw"].others(run.config, run.about, [str(folder / "few.npz")])[1]
    whole = imagined_pictures(run.model, learned, 1)[0][0].figures
    monkeypatch.setattr("unrolled.runs.tasks.draw_look._AT_ONCE", 2)
    assert imagined_pictures(run.model, learned, 1)[0][0].figures == whole
    assert imagined_pictures(run.model, learned.pick(range(2)), 1)[0][0].figures != whole


def test_the_nearest_image():
    among = np.zeros((3, 1, 2, 2), dtype=np.uint8)
    among[1, 0, 0, 0], among[2] = 200, 255
    asked = [among[2] - 9, among[1], among[0] + 3]
    for parts in ([among], [among[:1], among[1:]], [among[1:], among[:1]]):
        assert all((one == among[row]).all() for one, row in zip(nearest(asked, parts), [2, 1, 0], strict=True))


def test_costs():
    found = Costs(np.array([2.0, 1.0, 3.0]), np.array([9.0, 7.0, 6.0, 5.0]))
    assert (found.whole, found.half) == (11.0, 2)


def test_images_as_text():
    images = np.zeros((2, 1, 3, 2))
    images[0, 0, 0, 0] = images[0, 0, 1, 1] = images[0, 0, 2, 0] = images[1, 0, :2] = 0.9
    assert in_blocks(images) == "▀▄  ██\n▀"
    assert in_blocks(images, 6) == "▀▄  ██\n▀"
    assert in_blocks(images, 5) == in_blocks(images, 1) == "▀▄\n▀\n\n██\n"
    assert max(map(len, in_blocks(np.ones((1, 3, 100, 100))).split("\n"))) <= 32


def test_images_as_text_with_a_text_below_each():
    images = np.ones((3, 1, 2, 6))
    assert in_blocks(images, 14, ["one", "a caption", ""]) == "██████  ██████\none     a c...\n\n██████\n"
    assert in_blocks(images[:1, ..., :2], None, ["many"]) == "██\n.."
    assert in_blocks(images[:1, ..., :2], None, ["no"]) == "██\nno"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"image_folder": "x"}, "--image-folder is for a table .*bars.npz is none: leave it out"),
        ({"image_column": "2"}, "--image-column is for a table .*bars.npz is none: leave it out"),
        ({"image_size": 9}, "bars.npz stay as they are: leave --image-size out"),
        ({"image_channels": "rgb"}, "bars.npz stay as they are: leave --image-channels out"),
        ({"read_size": 8}, "read_size 8: a window has so many filters along a side, from 1 to 7"),
        ({"strokes": 0}, "strokes"),
        ({"threshold": 256}, "threshold"),
        ({"val_frac": 0.001}, "too few to learn some"),
        ({"embedding_size": 3}, "embedding_size"),
        ({"loss_reduction": "sum"}, "the loss of examples is a mean"),
    ],
)
def test_bad_options(folder, tmp_path, options, told):
    with pytest.raises((ConfigError, DataError, ValueError), match=told):
        train(_config(folder, **options), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_using_it_wrongly(folder, tmp_path, trained):
    path, _ = trained
    np.savez(tmp_path / "wide.npz", x=np.zeros((3, 7, 7), dtype=np.uint8))
    for use in (evaluate, lambda *given: list(predict(*given)), lambda run, file: look(run, [file])):
        with pytest.raises(DataError, match=r"wide\.npz, example 0 is \(1, 7, 7\) .*\(1, 7, 6\) were learned"):
            use(path, str(tmp_path / "wide.npz"))
    with pytest.raises(ConfigError, match="draws = 0"):
        evaluate(path, draws=0)
    with pytest.raises(ConfigError, match="cell is no option of a use of --task draw, which has draws"):
        evaluate(path, cell="lstm")
    with pytest.raises(DataError, match="images of what"):
        train(DrawConfig(), tmp_path / "none")
    with pytest.raises(DataError, match="wanted images, uint8"):
        np.savez(tmp_path / "floats.npz", x=np.zeros((3, 7, 6)))
        evaluate(path, str(tmp_path / "floats.npz"))


def test_nothing_held_out(folder, tmp_path):
    path = train(_config(folder, samples=0, steps=3, val_frac=0.0), tmp_path / "run")
    for use in (look, evaluate):
        with pytest.raises(ConfigError, match="nothing was held out of what this run has learned: name other examples"):
            use(path)
    assert look(path, [str(folder / "few.npz")]).steps == 15


@pytest.mark.parametrize("threshold", [128, 0])
def test_the_blank_canvas_is_the_mean_of_what_is_learned(folder, threshold):
    kind, config = KINDS["draw"], _config(folder, threshold=threshold)
    gathered = kind.gather(config)
    learned, _ = kind.parted(config, gathered.about, gathered.data)
    images = learned.inputs.values
    mean = ((images >= 128) if threshold else images / 255).mean(axis=0)
    graph = load_cell("lstm").graph
    model = kind.model(config, gathered.about, graph)
    np.testing.assert_allclose(model.blank.detach().sigmoid(), mean.clip(0.01, 0.99), rtol=0, atol=1e-3)
    told = json.loads(b"".join(gathered.contents()["data.json"]))
    for wrong in (told["mean"][:-1], [2.0, *told["mean"][1:]]):
        with pytest.raises(ValueError, match="a number from 0 to 1 for each pixel"):
            kind.about({"data.json": json.dumps(told | {"mean": wrong}).encode()}, {})


def test_images_that_were_changed(folder, tmp_path, trained):
    kind, about = KINDS["draw"], load(trained[0]).about
    stored = read_examples(trained[0] / "images.safetensors")
    assert len(kind.data(trained[0], about)) == 120
    values = stored.inputs.values
    for changed in (values[:-1], values[:, :, :-1], values.astype(np.float32)):
        ends = np.arange(1, len(changed) + 1)
        broken = Examples(Ragged(changed, ends), Ragged(np.zeros(len(changed), dtype=np.int32), ends))
        (tmp_path / "images.safetensors").write_bytes(stored_examples(broken))
        with pytest.raises(DataError, match=r"are not those that its data\.json tells of"):
            kind.data(tmp_path, about)
    assert json.loads((trained[0] / "data.json").read_text())["shape"] == [1, 7, 6]


def test_files_of_images(tmp_path):
    from PIL import Image

    numbers = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for number in range(12):
        pixels = numbers.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
    config = _config(tmp_path, steps=2, samples=0, val_frac=0.2, image_size=5, image_channels="rgb")
    config = config.model_copy(update={"data": (str(tmp_path / "pictures"),)})
    path = train(config, tmp_path / "run")
    assert load(path).about.shape == (3, 5, 5)
    said = list(predict(path, str(tmp_path / "pictures" / "3.png")))
    assert [one.where.endswith("3.png (its sides were cut)") for one in said] == [True]


def test_it_cannot_be_exported(trained):
    from unrolled import ExportError, export

    with pytest.raises(ExportError, match="a Drawer cannot be written as ONNX"):
        export(trained[0])
    assert not any("export" in use for use in KINDS["draw"].uses)


def test_a_drawer_of_one_step_is_a_variational_autoencoder():
    """Nothing of its states or of the canvas has a part in it but what is the same for all images."""
    model = Drawer(DrawerConfig(shape=(1, 3, 4), steps=1, hidden_size=5, latent_size=2), "lstm").eval()
    images, noise = (torch.rand(4, 1, 3, 4) > 0.5).float(), model.noise(4)
    drawn = model(images, noise)
    with torch.no_grad():
        for layers in (model.encoder, model.decoder):
            layers.layer0.weight_i_h.normal_()
    torch.testing.assert_close(model(images, noise).canvases, drawn.canvases)
