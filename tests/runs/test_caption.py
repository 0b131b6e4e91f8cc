"""`--task caption`: from files to a run, and everything that a run can do."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.runs.cut import resumed_as_never_cut
from unrolled import CaptionConfig, ConfigError, DataError, evaluate, load, look, predict, train, use_engine
from unrolled.data import Lexicon, Picture, found, pictures
from unrolled.generation import Beam, Strategy
from unrolled.runs import KINDS, Prepared, Sampled
from unrolled.runs.config import validated
from unrolled.runs.tasks.caption_data import LONGEST, captioned
from unrolled.runs.tasks.caption_score import score_of_texts
from unrolled.runs.tasks.captioning import tell
from unrolled.training import Evaluated

WAYS = ["first", "every", "state", "word", "soft", "hard"]
COLOURS = {"dark": 40, "light": 200}
SHAPES = ("bar", "post", "block")


def drawn(colour: str, shape: str, numbers: np.random.Generator) -> np.ndarray:
    """A shape somewhere in 12 x 12 pixels, on a ground of noise."""
    image = numbers.integers(100, 130, (12, 12), dtype=np.uint8)
    height, width = {"bar": (2, 7), "post": (7, 2), "block": (5, 5)}[shape]
    row, column = numbers.integers(0, 12 - height), numbers.integers(0, 12 - width)
    image[row : row + height, column : column + width] = COLOURS[colour]
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shapes and what they are, as arrays, as a table of files, and as COCO's JSON."""
    place = tmp_path_factory.mktemp("caption")
    numbers = np.random.default_rng(0)
    images, captions = [], []
    for _ in range(240):
        colour, shape = numbers.choice(list(COLOURS)), numbers.choice(SHAPES)
        images.append(drawn(colour, shape, numbers))
        captions.append(f"a {colour} {shape}")
    np.savez(place / "shapes.npz", x=np.stack(images), y=np.array(captions))
    (place / "files").mkdir()
    rows = ["image\tcaption"]
    for row in range(30):
        Image.fromarray(images[row]).save(place / "files" / f"{row}.png")
        rows += [f"{row}.png\t{captions[row]}", f"{row}.png\tone {captions[row]}"]
    (place / "files" / "shapes.tsv").write_text("\n".join(rows) + "\n")
    coco = {
        "images": [{"id": row, "file_name": f"{row}.png"} for row in range(30)],
        "annotations": [{"image_id": row, "caption": captions[row]} for row in range(30)],
    }
    (place / "files" / "captions.json").write_text(json.dumps(coco))
    return place


def _config(data, **options):
    settings = {
        "steps": 150, "hidden_size": 24, "embedding_size": 16, "encoder_size": 16, "batch_size": 16, "evaluations": 3,
        "samples": 2, "learning_rate": 0.01, "dropout": 0.0,
    }  # fmt: skip
    return CaptionConfig(data=[str(data)], **settings | options)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    events = []
    path = train(_config(folder / "shapes.npz"), tmp_path_factory.mktemp("trained") / "run", listen=events.append)
    return path, events


def test_a_run(folder, trained):
    path, events = trained
    prepared = next(one for one in events if isinstance(one, Prepared))
    assert prepared.unit == "word"
    assert "240 examples, 7 words of grey images of 12 x 12; 24 are held out" in prepared.words
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    assert last.scores["exact match"] > 0.9
    assert set(last.scores) == {"exact match", "word F1", "CIDEr-D", "BLEU-4"}
    assert "a dark" in [one for one in events if isinstance(one, Sampled)][-1].text
    score = evaluate(path)
    assert score.exact > 0.9
    assert set(score.rows()) >= {"exact match", "word F1", "CIDEr-D", "ROUGE-L", "BLEU-1", "BLEU-4", "nats per word"}
    said = list(predict(path, str(folder / "files" / "7.png")))
    assert said[0].line() == f"{said[0].text}\t{folder / 'files' / '7.png'}"
    assert len(said[0].others) == 2
    assert said[0].log_probability > max(nats for _, nats in said[0].others)


def test_what_was_held_out_is_what_a_run_is_measured_by(trained):
    path, events = trained
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    score = evaluate(path, beam=1)
    assert (score.count, score.nats) == (24, pytest.approx(last.loss))
    assert score.by_name == last.scores


@pytest.mark.parametrize("name", ["shapes.tsv", "captions.json"])
def test_files_of_images_are_learned(folder, tmp_path, name):
    options = {"steps": 3, "samples": 0, "evaluations": 1, "image_size": 16, "image_channels": "rgb"}
    events = []
    path = train(_config(folder / "files" / name, **options), tmp_path / "run", listen=events.append)
    assert "of colour images of 16 x 16" in next(one for one in events if isinstance(one, Prepared)).words
    assert evaluate(path, str(folder / "files" / name)).count == 30
    assert len(list(predict(path, str(folder / "files")))) == 30


def test_the_reference_reads_what_the_engine_trained(trained):
    scores = []
    for engine in ("auto", "reference"):
        with use_engine(engine):
            scores.append(evaluate(trained[0]))
    assert scores[0].exact == scores[1].exact
    assert scores[0].nats == pytest.approx(scores[1].nats, abs=1e-5)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("image", WAYS)
def test_resume_is_exact(folder, tmp_path, image, engine):
    options = {"dropout": 0.3, "shift": 2, "samples": 0, "steps": 16, "evaluations": 2, "image": image}
    config = _config(folder / "shapes.npz", **options)
    with use_engine(engine):
        whole = resumed_as_never_cut(config, tmp_path, at=9)
    assert image != "hard" or float(whole["teller.baseline"]) > 0


@pytest.mark.parametrize("image", ["first", "every", "state", "word", "hard"])
def test_every_way_learns(folder, tmp_path, image):
    events = []
    options = {"samples": 0, "steps": 60, "evaluations": 2, "image": image, "cell": "gru_v3"}
    train(_config(folder / "shapes.npz", **options), tmp_path / "run", listen=events.append)
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    assert last.scores["exact match"] > 0.35  # (1/6 without the image)


@pytest.mark.parametrize("width", [1, 4])
def test_batched_is_single_and_a_beam_is_never_worse(folder, trained, width):
    run = load(trained[0])
    with found([str(folder / "shapes.npz")]) as places:
        few = captioned(run.about.spelling, pictures(places, run.about.frame)[:5], LONGEST)
    together = tell(run.model, run.about, few, Beam(width, 0))
    greedy = tell(run.model, run.about, few, Beam(1, 0))
    for place in range(5):
        (alone,) = tell(run.model, run.about, few.pick([place]), Beam(width, 0))
        assert [each.text for each in alone] == [each.text for each in together[place]]
        assert together[place][0].log_probability >= greedy[place][0].log_probability - 1e-6
        for each, other in zip(alone, together[place], strict=True):
            assert each.log_probability == pytest.approx(other.log_probability, abs=1e-5)
            np.testing.assert_allclose(each.places, other.places, rtol=0, atol=1e-5)


def test_captions_can_be_drawn(folder, trained):
    path, data = trained[0], str(folder / "shapes.npz")
    drawn, again, likeliest = (
        [one.text for one in predict(path, data, temperature=temperature)] for temperature in (3.0, 3.0, 0.0)
    )
    assert drawn == again != likeliest
    assert likeliest == [one.text for one in predict(path, data, beam=1)]
    run = load(path)
    with found([data]) as places:
        few = captioned(run.about.spelling, pictures(places, run.about.frame)[:3], LONGEST)
    batch = few.batch(np.arange(3))
    three, two = (tell(run.model, run.about, few.pick(range(count)), Strategy(2.0)) for count in (3, 2))
    assert [one.text for (one,) in three[:2]] == [one.text for (one,) in two]
    for row, (one,) in enumerate(tell(run.model, run.about, few, Strategy(2.0))):
        ids = run.about.spelling.ids(one.pieces)
        given = torch.tensor([[len(run.about.spelling)], *([symbol] for symbol in ids.tolist())])
        with torch.no_grad():
            logits, looked = run.model(batch.inputs[:, row : row + 1], batch.lengths[:1], given)
        wanted = torch.tensor([*ids.tolist(), len(run.about.spelling)])
        nats = logits[:, 0].double().log_softmax(dim=1)[torch.arange(len(wanted)), wanted].sum()
        assert one.log_probability == pytest.approx(float(nats), abs=1e-5)
        np.testing.assert_allclose(one.places, looked[:, 0], atol=1e-6)
        assert len(one.pieces) <= run.about.longest


def test_what_is_drawn_is_as_frequent_as_it_is_likely(trained):
    run = load(trained[0])
    with torch.no_grad():  # (what is never said would take its share of the chances that are told)
        run.model.teller.read_out.bias[run.about.spelling.unknown] = -100.0
    image = np.full((1, 12, 12), 115, dtype=np.uint8)  # (nothing is to be seen: it wavers)
    many = captioned(run.about.spelling, [Picture(image, ("a dark bar",), "x")] * 2_000, LONGEST)
    texts = [one.text for (one,) in tell(run.model, run.about, many, Strategy(1.0))]
    for one in tell(run.model, run.about, many.pick([0]), Beam(4, 0))[0]:
        chance = np.exp(one.log_probability)
        assert abs(texts.count(one.text) / 2_000 - chance) < 4 * (chance * (1 - chance) / 2_000) ** 0.5 + 1e-3


def test_looking_into_one(folder, trained):
    path, _ = trained
    seen = look(path, [str(folder / "shapes.npz")])
    assert "captioner that says words" in seen.report()
    names = list(seen.figures)[:3]
    best, worst = "What it told best, by F1 of the words, then by likelihood", "What it told worst, by the same"
    assert names == [WHERE, best, worst]
    assert [one.name for one in seen.figures[names[0]].frames] == [str(number) for number in range(1, 17)]
    told = {one.about: one for one in seen.sentences}
    assert told["scores"].figures["exact"] > 0.9
    assert told["attention"].figures["sharpest"] > 1 / 36
    assert {one.place.path for one in seen.account.behaviours} == {"teller.rnn"}
    assert {one.name for one in seen.account.labels} == {"start", "end"}


def test_looking_at_images_that_nobody_has_told_of(folder, tmp_path, trained):
    path, _ = trained
    files = tmp_path / "mine"
    files.mkdir()
    images = np.load(folder / "shapes.npz")["x"][:3]
    for number, image in enumerate(images):
        Image.fromarray(image).save(files / f"{number}.png")
    said = [one.text for one in predict(path, str(files))]
    for places, count in (([str(files / "1.png")], 1), ([str(files)], 3)):
        seen = look(path, places)
        assert seen.text.endswith(f"{count} images")
        assert {one.about for one in seen.sentences} & {"scores", "attention"} == {"attention"}
        names = list(seen.figures)
        assert names[:2] == [WHERE, "What it told, the likeliest first"]
        gallery = seen.figures[names[1]].data[1]
        assert sorted(gallery.text) == sorted(said if count == 3 else said[1:2])
        assert "it is" not in seen.figures[names[0]].layout.annotations[0].text
    whole = seen.account.symbols
    assert "".join(whole).replace("(start)", "").split() == " ".join(said).split(), "it reads what it says itself"
    with pytest.raises(DataError, match="nothing says what belongs to it"):
        evaluate(path, str(files))


@pytest.mark.parametrize("image", ["every", "word"])
def test_looking_into_one_without_attention(folder, tmp_path, image):
    path = train(_config(folder / "shapes.npz", samples=0, steps=5, image=image), tmp_path / "run")
    seen = look(path)
    assert [one[:17] for one in list(seen.figures)[:2]] == ["What it told best", "What it told wors"]
    assert seen.account.symbols[:2] == ["(image) ", "(start) "] or image == "every"


def test_scores_counted_by_hand():
    words = Lexicon.of(["a dark bar", "one light post"], "glued", 20)
    score = score_of_texts(["a dark bar", "a light bar"], [["a dark bar", "bar"], ["one light post"]], words, 0.5)
    assert score.exact == 0.5
    assert score.f1 == pytest.approx((1 + 1 / 3) / 2)
    assert score.bleu[0] == pytest.approx(100 * 4 / 6)
    assert score.bleu[1] == pytest.approx(100 * (4 / 6 * 2 / 4) ** 0.5)
    assert score.bleu[3] == 0
    assert "nrefs:var" in score.signature or "nrefs:2" in score.signature


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tokens": "pairs", "lower": True}, "byte pairs have capital letters"),
        ({"text_column": "2"}, "--text-column is for a table of images"),
        ({"image": "both"}, "image"),
        ({"encoder": "efficientnet-lite0", "encoder_size": 128, "shift": 5}, "stays as it is: leave --shift out"),
        ({"image": "first", "spread": 2.0}, "nothing is attended to: leave --spread out"),
        ({"image": "soft", "mixing": 0.2}, "no place is drawn .*: leave --mixing out"),
        ({"temperature": 1.0, "beam": 7}, "are drawn, not searched for: leave --beam out"),
        ({"cell": "sru"}, "is no state"),
        ({"max_length": 2}, r"shapes\.npz, example \d+: a text has 3 words, at most 2 are allowed"),
        ({"val_frac": 0.001}, "too few to learn some"),
        ({"encoder_size": 12}, "encoder_size"),
        ({"mixing": 1.5}, "mixing"),
        ({"chosen_by": "beauty"}, "chosen_by"),
        ({"tokens": "pairs", "vocab_size": 100}, "give 256 or more"),
    ],
)
def test_bad_options(folder, tmp_path, options, told):
    with pytest.raises((ConfigError, DataError, ValueError), match=told):
        train(_config(folder / "shapes.npz", **options), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_outlives_a_change_of_defaults(trained, monkeypatch):
    """It was trained softly, and `mixing`, of hard attention, was what was the default then."""
    path, _ = trained
    monkeypatch.setattr(CaptionConfig.model_fields["mixing"], "default", 0.3)
    assert load(path).config.mixing == 0.8
    assert evaluate(path, beam=1).count
    with pytest.raises(ConfigError, match="leave --mixing out"):
        validated(CaptionConfig, {"data": ["x"], "mixing": 0.8}, "the options", ConfigError)
    assert validated(CaptionConfig, {"data": ["x"], "mixing": 0.8}, "the options", ConfigError, kept=["mixing"])


def test_using_it_wrongly(folder, tmp_path, trained):
    path, _ = trained
    with pytest.raises(DataError, match="captions of what"):
        train(CaptionConfig(), tmp_path / "none")
    with pytest.raises(ConfigError, match="beam = 0"):
        evaluate(path, str(folder / "shapes.npz"), beam=0)
    with pytest.raises(ConfigError, match="--image-folder is for a table of images"):
        evaluate(path, str(folder / "shapes.npz"), image_folder=str(tmp_path))
    assert evaluate(path, str(folder / "shapes.npz"), text_column="2").count, "a run may have learned from a table"
    np.savez(tmp_path / "large.npz", x=np.zeros((2, 13, 12), dtype=np.uint8), y=np.array(["a", "b"]))
    with pytest.raises(DataError, match=r"large\.npz, example 0 is \(1, 13, 12\).*\(1, 12, 12\) were learned"):
        evaluate(path, str(tmp_path / "large.npz"))
    (tmp_path / "no.tsv").write_text("image\tcaption\nx.png\ta\n")
    with pytest.raises(DataError, match=r"no\.tsv, line 2: there is no image"):
        evaluate(path, str(tmp_path / "no.tsv"))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"broken\.png is no image, or it is damaged"):
        list(predict(path, str(tmp_path / "broken.png")))
    (tmp_path / "words.txt").write_text("no image")
    with pytest.raises(DataError, match=r"words\.txt is no image"):
        list(predict(path, str(tmp_path / "words.txt")))
    with pytest.raises(DataError, match=r"words\.txt: nothing says what belongs to it"):
        evaluate(path, str(tmp_path / "words.txt"))


def test_a_caption_without_words_is_told_of(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 8, 8), dtype=np.uint8), y=np.array(["a"] * 29 + ["\u200b"]))
    with pytest.raises(DataError, match=r"a\.npz, example 29"):
        train(_config(tmp_path / "a.npz"), tmp_path / "run")


def test_words_that_were_not_learned_are_read_and_never_said(folder, tmp_path, trained):
    x = np.load(folder / "shapes.npz")["x"][:4]
    np.savez(tmp_path / "new.npz", x=x, y=np.array(["a purple polygon"] * 4))
    score = evaluate(trained[0], str(tmp_path / "new.npz"))
    assert score.exact == 0
    assert 0 < score.f1 < 0.5
    assert all("<unknown>" not in one.text for one in predict(trained[0], str(tmp_path / "new.npz")))


def test_nothing_held_out(folder, tmp_path):
    path = train(_config(folder / "shapes.npz", samples=0, steps=3, val_frac=0.0), tmp_path / "run")
    for use in (look, evaluate):
        with pytest.raises(ConfigError, match="nothing was held out"):
            use(path)


def test_what_is_read_is_what_was_stored(folder, tmp_path):
    kind, config = KINDS["caption"], _config(folder / "files" / "shapes.tsv", image_size=16)
    gathered = kind.gather(config)
    for name, blocks in gathered.contents().items():
        (tmp_path / name).write_bytes(b"".join(blocks))
    again = kind.data(tmp_path, gathered.about)
    assert again.texts == gathered.data.texts
    assert again.wheres == gathered.data.wheres
    assert np.array_equal(again.pixels, gathered.data.pixels)
    assert again.targets.values.tolist() == gathered.data.targets.values.tolist()


@pytest.mark.parametrize(
    "change", [lambda content: content[:-5], lambda _: b"", lambda content: content.replace(b"a dark", b"a\\dark")]
)
def test_images_that_were_changed(tmp_path, trained, change):
    content = (trained[0] / "pictures.safetensors").read_bytes()
    (tmp_path / "pictures.safetensors").write_bytes(change(content))
    with pytest.raises(DataError, match="holds no captioned images"):
        KINDS["caption"].data(tmp_path, load(trained[0]).about)


@pytest.mark.parametrize("by", ["F1", "exact", "CIDEr", "BLEU", "nats"])
def test_the_score_that_chooses(folder, tmp_path, by):
    config = _config(folder / "shapes.npz", steps=20, evaluations=4, samples=0, chosen_by=by)
    events = []
    run = load(train(config, tmp_path / "run", listen=events.append), best=True)
    evaluated = [one for one in events if isinstance(one, Evaluated) and one.step]
    name = config.score_name
    merit = (lambda one: -one.loss) if name is None else (lambda one: (one.scores[name], -one.loss))
    assert run.step == max(evaluated, key=merit).step


WHERE = "Where it looked before each word: orange where more than evenly, full at eight times that"

ENCODER = """
import torch
from torch import nn

class Blocks(nn.Module):
    def forward(self, images):
        return nn.functional.pixel_unshuffle(images[:, :1] / 255, 4)

def grid():
    return Blocks()

def vector():
    return nn.Sequential(Blocks(), nn.Flatten())

def nothing():
    return 3

def broken():
    return nn.Linear(5, 5)

class Ends(nn.Module):
    def forward(self, images):
        raise SystemExit(3)

def ends():
    return Ends()


def another():
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 8))
"""


@pytest.mark.parametrize(("name", "image", "places"), [("grid", "soft", (3, 3)), ("vector", "state", (1, 1))])
def test_features_of_another_network_are_learned(folder, tmp_path, monkeypatch, name, image, places):
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(ENCODER)
    encoder = f"{tmp_path / 'mine.py'}:{name}"
    events = []
    config = _config(folder / "shapes.npz", encoder=encoder, image=image, steps=120, samples=0, encoder_size=128)
    path = train(config, tmp_path / "run", listen=events.append)
    assert f"through {encoder}" in next(one for one in events if isinstance(one, Prepared)).words
    assert load(path).model.viewer.shape == places
    assert [one for one in events if isinstance(one, Evaluated)][-1].loss < 1.0
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 1
    score = evaluate(path)
    assert score.nats == pytest.approx([one for one in events if isinstance(one, Evaluated)][-1].loss)
    (tmp_path / "mine.py").write_text(ENCODER)
    assert len(list(predict(path, str(folder / "files")))) == 30
    seen = look(path, [str(folder / "shapes.npz")])
    assert (WHERE in seen.figures) == (image == "soft")
    other = ENCODER.replace("images[:, :1] / 255", "images[:, :1] / 256")
    (tmp_path / "mine.py").write_text(other)
    with pytest.raises(ConfigError, match="is another one now than that whose features were learned"):
        list(predict(path, str(folder / "files")))
    (tmp_path / "mine.py").unlink()
    assert evaluate(path).nats == score.nats, "a run keeps the features of what it has learned"
    with pytest.raises(ConfigError, match=r"mine\.py"):
        list(predict(path, str(folder / "files")))


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        ("resnet", "there is no image encoder 'resnet'"),
        ("mine.py:nothing", "returned int: wanted a torch.nn.Module"),
        ("mine.py:broken", "cannot read these images"),
        ("mine.py:missing", "has no function 'missing'"),
        ("mine.py:another", "has other weights each time that it is made"),
        ("mine.py:ends", "cannot read these images: SystemExit"),
        ("other.py:grid", "other.py"),
    ],
)
def test_encoders_that_are_none(folder, tmp_path, monkeypatch, encoder, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(ENCODER)
    with pytest.raises(ConfigError, match=told):
        train(_config(folder / "shapes.npz", encoder=encoder, encoder_size=128), tmp_path / "run")
    assert not (tmp_path / "run").exists()
