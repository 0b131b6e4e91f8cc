"""`--task classify`: from files to a run, and everything that a run can do."""

import hashlib
import json
import os
import random
import threading

import numpy as np
import pytest
import safetensors.numpy
import torch

from tests.runs.cut import resumed_as_never_cut
from unrolled import (
    ClassifyConfig,
    ConfigError,
    DataError,
    RunError,
    evaluate,
    load,
    look,
    predict,
    sample,
    train,
    use_engine,
)
from unrolled.data import Examples, Ragged, found, labelled
from unrolled.models import Classifier, ClassifierConfig, FrontConfig
from unrolled.runs import Prepared, Sampled, Tried, find_learning_rate, resume, tried
from unrolled.runs.tasks import ClassifyKind
from unrolled.runs.tasks.classes import AboutClasses
from unrolled.runs.tasks.examples import scale_of
from unrolled.training import Evaluated, Evaluation, ExamplesTask

GOOD, BAD = ["lovely", "fine", "bright", "warm"], ["awful", "dull", "grey", "cold"]


def _sentences(count, seed=0):
    numbers = random.Random(seed)
    for _ in range(count):
        label = numbers.choice(["good", "bad"])
        words = [numbers.choice(["the", "a", "day", "film", "sea", "was"]) for _ in range(numbers.randint(1, 9))]
        words.insert(numbers.randint(0, len(words)), numbers.choice(GOOD if label == "good" else BAD))
        yield label, " ".join(words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("classify")
    rows = list(_sentences(300))
    (place / "days.tsv").write_text("label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows))
    (place / "days.csv").write_text("rating,words\n" + "".join(f'{label},"{text}, yes"\n' for label, text in rows))
    numbers = np.random.default_rng(0)
    with (place / "waves.ts").open("w") as file:
        file.write("# made here\n@problemName waves\n@univariate false\n@classLabel true up down\n@data\n")
        for one in range(120):
            ramp = np.linspace(0, 1, numbers.integers(5, 12)) * (1 if one % 2 else -1)
            channels = [ramp + 0.1 * numbers.standard_normal(len(ramp)), 100 + numbers.standard_normal(len(ramp))]
            told = [",".join(f"{x:.4f}" for x in channel) for channel in channels]
            file.write(":".join([*told, "up" if one % 2 else "down"]) + "\n")
    for label in ("good", "bad"):
        (place / "tree" / label).mkdir(parents=True)
    for number, (label, text) in enumerate(rows[:80]):
        (place / "tree" / label / f"{number}.txt").write_text(text)
    x, y = numbers.standard_normal((60, 8)), np.arange(60) % 3
    np.savez(place / "arrays.npz", x=x + 2 * y[:, None], y=y, lengths=numbers.integers(3, 9, 60))
    return place


def _config(data, **options):
    settings = {
        "steps": 120, "hidden_size": 12, "embedding_size": 8, "batch_size": 16, "evaluations": 3, "samples": 2,
        "learning_rate": 0.02, "dropout": 0.1,
    }  # fmt: skip
    return ClassifyConfig(data=[str(data)], **settings | options)


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_a_run_from_a_table(folder, tmp_path, engine):
    events = []
    with use_engine(engine):
        path = train(_config(folder / "days.tsv"), tmp_path / "run", listen=events.append)
    prepared = next(one for one in events if isinstance(one, Prepared))
    assert (prepared.train, prepared.held_out, prepared.unit) == (270, 30, "example")
    assert "2 classes (bad, good)" in prepared.words
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    assert last.scores["accuracy"] > 0.9
    held_out = evaluate(path)
    assert (held_out.count, held_out.accuracy) == (30, last.scores["accuracy"])
    assert held_out.nats == pytest.approx(last.loss)
    assert "is good: " in [one for one in events if isinstance(one, Sampled)][-1].text
    score = evaluate(path, str(folder / "days.tsv"))
    assert score.accuracy > 0.95
    assert (score.count, score.unit) == (300, "example")
    assert sum(map(sum, score.confusion)) == 300
    assert json.loads(json.dumps(score.rows()))["accuracy"] == f"{score.accuracy:.4f}"
    (tmp_path / "new.txt").write_text("the film was lovely\na dull day\n")
    said = list(predict(path, str(tmp_path / "new.txt")))
    assert [one.label for one in said] == ["good", "bad"]
    assert said[0].where == "the film was lovely"
    assert sum(said[0].probabilities.values()) == pytest.approx(1)
    (one,) = tried(tmp_path)
    assert (one.unit, one.remark, one.parameters) == ("example", "", prepared.parameters)
    measured = [every.scores["accuracy"] for every in events if isinstance(every, Evaluated) and every.step]
    assert (one.score, one.best_score) == ("accuracy", max(measured))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("days.csv", {"text_column": "words", "label_column": "1"}),
        ("days.tsv", {"tokens": "characters", "lower": False, "class_weights": "balanced", "steps": 10}),
        ("tree", {}),
        ("waves.ts", {"pooling": "last"}),
        ("arrays.npz", {"pooling": "attention", "bidirectional": False}),
    ],
)
def test_every_form(folder, tmp_path, name, options):
    events = []
    path = train(_config(folder / name, **options), tmp_path / "run", listen=events.append)
    prepared = next(one for one in events if isinstance(one, Prepared))
    assert tried(tmp_path)[0].parameters == prepared.parameters, "a scale is not learned"
    score = evaluate(path, str(folder / name))
    assert score.accuracy > (0.9 if options.get("steps") != 10 else 0.4)
    assert load(path).config.data == (str(folder / name),)


def test_what_is_held_out_is_not_learned(folder, tmp_path):
    """Neither by the weights, nor by the vocabulary or the scale; and another seed of training holds out the same."""
    with found([str(folder / "days.tsv")]) as places:
        every = labelled(places)
    learned, held_out = _config("x", seed=2).rows(300)
    assert held_out.tolist() == _config("x", seed=1).rows(300)[1].tolist()
    assert _config("x", split_seed=3).rows(300)[1].tolist() != held_out.tolist()
    assert sorted([*learned, *held_out]) == list(range(300))
    other = ["a word that nobody has said" if row in held_out else one.value for row, one in enumerate(every)]
    lines = [f"{one.labels[0]}\t{text}\n" for one, text in zip(every, other, strict=True)]
    (tmp_path / "other.tsv").write_text("label\ttext\n" + "".join(lines))
    runs = [
        load(train(_config(data, steps=4, samples=0), tmp_path / name))
        for name, data in (("a", folder / "days.tsv"), ("b", tmp_path / "other.tsv"))
    ]
    assert runs[0].about.lexicon == runs[1].about.lexicon
    weights = [run.model.state_dict() for run in runs]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


@pytest.mark.parametrize("name", ["days.tsv", "waves.ts"])
def test_resume_is_exact(folder, tmp_path, name):
    more = {"dropout": 0.3, "token_dropout": 0.1, "noise": 0.2, "class_weights": "balanced", "patience": 9}
    config = _config(folder / name, num_layers=2, samples=0, **more)
    resumed_as_never_cut(config, tmp_path, at=23)


def test_the_best_is_chosen_by_accuracy(folder, tmp_path, monkeypatch):
    said = iter([(0.5, 0.7), (0.9, 0.8), (0.7, 0.8), (0.1, 0.6)])

    def evaluated(task, should_stop):
        nats, accuracy = next(said)
        return Evaluation(nats, {"accuracy": accuracy}, "accuracy")

    monkeypatch.setattr(ExamplesTask, "evaluate", evaluated)
    path = train(_config(folder / "days.tsv", evaluations=4, steps=40), tmp_path / "run")
    assert load(path, best=True).step == 30, "of equal scores the lower loss"


def test_looking_into_one(folder, tmp_path):
    path = train(_config(folder / "days.tsv", val_frac=0.5, samples=0, steps=150), tmp_path / "run")
    seen = look(path)
    assert seen.account.symbols[-1].endswith("\n")
    assert seen.steps == len(seen.account.symbols) == len(seen.account.units[0].values)
    assert {one.name for one in seen.account.labels} == {"class bad", "class good", "end"}
    assert {one.about for one in seen.sentences} >= {"examples", "cells", "gradients"}
    assert next(iter(seen.figures)).startswith("What each word contributes to the class that it says")
    page = seen.report()
    assert "a classifier of 2 classes" in page
    assert "nats per example" in page
    assert "surest, and right: it said " in page
    assert look(path, [str(folder / "days.tsv")]).steps > seen.steps
    with pytest.raises(ConfigError, match=r"labels of one.s own are for text"):
        look(path, labels={"x": "y"})


def test_looking_at_series(folder, tmp_path):
    path = train(_config(folder / "waves.ts", samples=0), tmp_path / "run")
    seen = look(path)
    assert seen.account.symbols == []
    assert "How likely each class is after each step" in seen.figures


def _table(text):
    return {"bad.tsv": text}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"bad\.tsv is empty"),
        ("label\ttext\n", "there is no example"),
        ("good\ta film\n" * 20, "all 20 have the class"),
        ("label\ttext\ngood\ta film\nbad\n", r"bad\.tsv, line 3 has 1 columns, the first line of that file 2"),
        ("label\ttext\ngood\ta film\nbad\t  \n", r"bad\.tsv, line 3: the text is empty"),
        ("label\ttext\ngood\ta film\n \ta day\n", r"bad\.tsv, line 3: the label is empty"),
        ("a film\na day\n", r"there are 1 columns, and no one for the label"),
        ("label\ttext\ngood\ta film\nbad\ta day\n", "too few to learn some and hold 0.1 of them out"),
        (b"good\ta film\nbad\t\xff\xfe\n", "UTF-8"),
    ],
)
def test_bad_tables(tmp_path, content, told):
    (tmp_path / "bad.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=told):
        train(_config(tmp_path / "bad.tsv"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"text_column": "wrds"}, r"there is no column 'wrds'.*Did you mean 'words'"),
        ({"label_column": "7"}, "column 7 was asked for"),
        ({"text_column": "rating", "label_column": "rating"}, "one column was asked for twice"),
    ],
)
def test_columns_that_are_not_there(folder, tmp_path, options, told):
    with pytest.raises(DataError, match=told):
        train(_config(folder / "days.csv", **options), tmp_path / "run")


HEAD = "@classLabel true a b\n@data\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("1,2:a\n", r"bad\.ts, line 1: wanted @data"),
        ("@problemName x\n", "it has no @data"),
        ("@timeStamps true\n@data\n", "time stamps"),
        ("@data\n1,2\n", "it says no classes"),
        (HEAD + "a\n", r"bad\.ts, line 3: wanted numbers, a colon and the class"),
        (HEAD + "1,2:\n", r"bad\.ts, line 3: wanted numbers, a colon and the class"),
        (HEAD + "1,x:a\n", r"bad\.ts, line 3: 'x' is no number"),
        (HEAD + "1,nan,3:a\n", r"bad\.ts, line 3: step 1, channel 0 is nan"),
        (HEAD + "1,?,3:a\n", r"bad\.ts, line 3: '\?' is no number"),
        (HEAD + "1,2:1,2,3:a\n", r"line 3: its channels have different lengths, \[2, 3\]"),
        (HEAD + "1,2:1,2:a\n1,2:b\n", r"line 4: a step is \(1,\), in .*line 3 it is \(2,\)"),
    ],
)
def test_bad_series(tmp_path, content, told):
    (tmp_path / "bad.ts").write_text(content)
    with pytest.raises(DataError, match=told):
        train(_config(tmp_path / "bad.ts"), tmp_path / "run")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": np.zeros((4, 3))}, "wanted x"),
        ({"x": np.zeros(4), "y": np.arange(4)}, "wanted real numbers"),
        ({"x": np.zeros((4, 3)), "y": np.arange(5)}, "do not fit"),
        ({"x": np.zeros((4, 3)), "y": np.arange(4), "lengths": np.array([1, 2, 3, 9])}, "example 3: its length is 9"),
        ({"x": np.full((4, 3), np.inf), "y": np.arange(4)}, "example 0: step 0, channel 0 is inf"),
        ({"x": np.array([[object()]]), "y": np.arange(1)}, "x.npy holds Python objects: write numbers or texts"),
        ({"x": np.zeros((2, 3)), "y": np.array(["a", "b"], object)}, "y.npy holds Python objects"),
        ({"x": np.zeros((0, 3)), "y": np.arange(0)}, r"x is \(0, 3\): there is nothing in it"),
        ({"x": np.zeros((4, 3)), "y": np.array([0, 1, np.nan, 1])}, "example 2: its label is 'nan'"),
        ({"x": np.zeros((4, 3)), "y": np.array(["a", "", "b", "a"])}, "example 1: its label is ''"),
        ({"x": np.zeros((4, 3)), "y": np.array(["a", "b", "\ud800", "a"])}, "example 2: its label is"),
        ({"x": np.full((4, 3), 1e300), "y": np.arange(4)}, "numbers up to 1.0e[+]300: scale them"),
        ({"x": np.zeros((4, 3), complex), "y": np.arange(4)}, "wanted real numbers"),
    ],
)
def test_bad_arrays(tmp_path, arrays, told):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=told):
        train(_config(tmp_path / "bad.npz"), tmp_path / "run")


def test_other_bad_input(folder, tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(DataError, match="no .npz of arrays"):
        train(_config(tmp_path / "bad.npz"), tmp_path / "run")
    with pytest.raises(DataError, match="one is text, the other numbers"):
        train(ClassifyConfig(data=[str(folder / "days.tsv"), str(folder / "waves.ts")]), tmp_path / "run")
    with pytest.raises(DataError, match="each class is a folder"):
        (tmp_path / "flat").mkdir()
        (tmp_path / "flat" / "a.txt").write_text("a film")
        train(_config(tmp_path / "flat"), tmp_path / "run")
    with pytest.raises(DataError, match="is empty"):
        (tmp_path / "deep" / "good").mkdir(parents=True)
        (tmp_path / "deep" / "good" / "a.txt").write_text("\n")
        train(_config(tmp_path / "deep"), tmp_path / "run")
    with pytest.raises(DataError, match="classes of what"):
        train(ClassifyConfig(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_numbers_that_are_not_finite(folder, tmp_path):
    run = load(train(_config(folder / "waves.ts", steps=3, samples=0), tmp_path / "run"))
    with torch.no_grad():
        run.model.read_out.weight.fill_(torch.nan)
    kind, given = run.identity.kind, [str(folder / "waves.ts")]
    with pytest.raises(RunError, match=r"answers that are no finite numbers at (\d+) of \1 places"):
        kind.evaluate(run.config, run.about, list, run.model, given)
    with pytest.raises(RunError, match="no finite numbers"):
        next(kind.predict(run.config, run.about, run.model, given))


def test_names_of_data(folder, tmp_path):
    path = train(_config(folder / "days.tsv", steps=3, samples=0), tmp_path / "run")
    file = folder / "days.tsv"
    assert evaluate(path, file) == evaluate(path, str(file)) == evaluate(path, [file])
    assert len(list(predict(path, file))) == len(list(predict(path, [str(file)]))) == 300
    assert look(path, file, characters=500).text == look(path, [str(file)], characters=500).text
    configs = [ClassifyConfig(data=one) for one in (file, str(file), [file], (str(file),))]
    assert all(one == configs[0] for one in configs)
    with pytest.raises(ValueError, match="valid"):
        ClassifyConfig(data=[7])
    with pytest.raises(ConfigError, match="there is nothing to say anything of"):
        next(predict(path, []))


def test_using_it_wrongly(folder, tmp_path):
    path = train(_config(folder / "days.tsv", steps=3, samples=0), tmp_path / "run")
    (tmp_path / "new.tsv").write_text("label\ttext\nmiddling\ta day\n")
    with pytest.raises(
        DataError, match=r"new\.tsv, line 2: the class 'middling' was not among those learned: bad, good"
    ):
        evaluate(path, str(tmp_path / "new.tsv"))
    with pytest.raises(DataError, match="is numbers, and texts were learned"):
        evaluate(path, str(folder / "waves.ts"))
    with pytest.raises(ConfigError, match="does not write text: it was trained with --task classify"):
        list(sample(path))
    series = train(_config(folder / "waves.ts", steps=3, samples=0), tmp_path / "series")
    with pytest.raises(DataError, match=r"a step is \(1,\), \(2,\) were learned"):
        evaluate(series, str(folder / "arrays.npz"))
    with pytest.raises(RunError, match="it has no vocabulary"):
        load(series).vocabulary


def test_a_text_run_predicts_nothing(tmp_path):
    from unrolled import TextConfig

    (tmp_path / "text.txt").write_text("the cat sat on the mat.\n" * 40)
    small = {"steps": 2, "hidden_size": 4, "batch_size": 2, "seq_length": 8, "samples": 0}
    path = train(TextConfig(data=[str(tmp_path / "text.txt")], **small), tmp_path / "run")
    with pytest.raises(ConfigError, match="learns nothing that could be predicted"):
        list(predict(path, str(tmp_path / "text.txt")))


def test_class_weights(folder, tmp_path):
    """Of each class N / (K n_k): the loss of a batch is the weighted mean of its examples' losses."""
    learned = Examples(
        Ragged.of(np.full((6, 2), 1, np.int32)), Ragged.of(np.array([[0], [0], [0], [0], [0], [1]], np.int32))
    )
    about = AboutClasses(name="x", examples=6, classes=("a", "b"), answers=6, mean=(0.0,), deviation=(1.0,))
    weights = ClassifyKind().weights(_config("x", class_weights="balanced"), about, learned)
    assert weights.tolist() == pytest.approx([6 / (2 * 5), 6 / (2 * 1)])
    model = Classifier(ClassifierConfig(front=FrontConfig(vocab_size=3), classes=2, hidden_size=4), "gru").eval()
    task = ExamplesTask(model, learned, None, 6, seed=1, loss_of_guessing=0.7, measure=lambda _: None, weights=weights)
    losses = model.losses(*(getattr(learned.batch(range(6)), name) for name in ("inputs", "lengths", "targets")))
    wanted = (losses.detach().double() * weights[learned.targets.values]).sum() / weights[learned.targets.values].sum()
    assert float(task.loss(0).nats.detach()) == pytest.approx(float(wanted), rel=1e-5)


def test_patience_ends_a_run_and_it_is_listed_as_done(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ExamplesTask, "evaluate", lambda task, stop: Evaluation(1.0, {"accuracy": 0.5}, "accuracy"))
    path = train(_config(folder / "days.tsv", evaluations=6, patience=2, steps=60), tmp_path / "run")
    assert load(path).step == 30
    (one,) = tried(tmp_path)
    assert (one.step, one.total, one.remark) == (30, 60, "")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("data.json", {"lexicon": None}),
        ("data.json", {"mean": [1.0], "deviation": [1.0]}),
        ("data.json", {"classes": ["good", "good"]}),
        ("data.json", {"examples": 299}),
        ("examples.safetensors", {"inputs.values": lambda x: x + 10_000}),
        ("examples.safetensors", {"inputs.values": lambda x: x.astype(np.float32)}),
        ("examples.safetensors", {"inputs.ends": lambda x: x.astype(np.float64)}),
        ("examples.safetensors", {"inputs.ends": lambda x: x[::-1].copy()}),
        ("examples.safetensors", {"targets.values": lambda x: x + 9}),
        ("examples.safetensors", {"targets.values": lambda x: x - 9}),
    ],
)
def test_damage_that_a_manifest_vouches_for(folder, tmp_path, name, change):
    path = train(_config(folder / "days.tsv", steps=3, samples=0), tmp_path / "run")
    if name == "data.json":
        content = json.dumps(json.loads((path / name).read_text()) | change).encode()
    else:
        arrays = safetensors.numpy.load_file(path / name)
        content = safetensors.numpy.save({one: change.get(one, lambda x: x)(value) for one, value in arrays.items()})
    (path / name).write_bytes(content)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (path / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    with pytest.raises(RunError):
        resume(path, 6)
    assert len(tried(tmp_path)) == 1


def test_folders(folder, tmp_path):
    """A file of a class is an example, whatever it is called; what is no text is passed over."""
    for label in ("good", "bad"):
        (tmp_path / "tree" / label).mkdir(parents=True)
        for number in range(10):
            (tmp_path / "tree" / label / f"{number}.csv").write_text(f"the sea,\nis {label}\n")
    (tmp_path / "tree" / "good" / "Thumbs.db").write_bytes(b"\xff\xfe\x00")
    path = train(_config(tmp_path / "tree"), tmp_path / "run")
    assert load(path).about.classes == ("bad", "good")
    said = list(predict(path, str(tmp_path / "tree")))
    assert [one.label for one in said] == ["bad"] * 10 + ["good"] * 10
    assert said[0].line().count("\n") == 0


def test_a_table_in_a_pipe_is_what_its_name_says(folder, tmp_path):
    path = train(_config(folder / "days.csv", text_column="words", label_column="rating", steps=3), tmp_path / "run")
    os.mkfifo(tmp_path / "pipe.csv")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe.csv").write_text((folder / "days.csv").read_text()))
    writer.start()
    assert evaluate(path, str(tmp_path / "pipe.csv")).count == 300
    writer.join()


def test_a_learning_rate_is_found_in_nats_per_example(folder):
    found = find_learning_rate(_config(folder / "days.tsv", steps=40))
    assert found.unit == "example"
    assert found.losses[0] == pytest.approx(np.log(2), abs=0.2)


def test_too_few_steps_to_look_at(folder, tmp_path):
    path = train(_config(folder / "days.tsv", steps=3, samples=0), tmp_path / "run")
    with pytest.raises(ConfigError, match="give at least 10"):
        look(path, characters=5)


def test_scales():
    """Tiny numbers have one, a channel that never moves has 1."""
    mean, deviation = scale_of([np.array([[1e-20, 100.1], [3e-20, 100.1]], np.float32)])
    assert deviation == pytest.approx((1e-20, 1.0), rel=1e-3)
    assert mean == pytest.approx((2e-20, 100.1), rel=1e-6)


def test_runs_are_listed_by_the_score_that_chose_their_weights():
    facts = {
        "task": "classify",
        "cell": "rnn",
        "parameters": 1,
        "text": "days",
        "seed": 1,
        "step": 9,
        "total": 9,
        "best_step": 9,
    }
    facts |= {"elapsed": 1.0, "remark": "", "unit": "example", "score": "accuracy"}
    surer = Tried(path="a", best_loss=0.3, best_score=0.7, **facts)
    righter = Tried(path="b", best_loss=0.4, best_score=0.8, **facts)
    never = Tried(path="c", best_loss=None, best_score=None, **facts)
    assert sorted([never, surer, righter], key=lambda one: one.order) == [righter, surer, never]
