"""Single examples of a classifier or a tagger: which are shown, and that all numbers are those of the model itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unrolled import RunError, cell, use_engine
from unrolled.data import Examples, Lexicon, Ragged
from unrolled.inspection.plane import Plane
from unrolled.models import Classifier, ClassifierConfig, FrontConfig, SequenceConfig, Tagger
from unrolled.ops import affine, tanh
from unrolled.runs.tasks import classes_examples
from unrolled.runs.tasks.classes_examples import INTEGRATED, LEFT_OUT, examples_shown
from unrolled.runs.tasks.classes_pictures import pictures_of, sentences_of

CLASSES = ("no", "yes", "<b>")
WORDS = Lexicon(pieces="words", entries=("<unknown>", "a", "fine", "<i>day</i>", "sea"))
LETTERS = Lexicon(pieces="characters", entries=("<unknown>", "a", " ", "\n", "b"))
SYMBOLS = FrontConfig(vocab_size=5, embedding_size=4, token_dropout=0.1)
FRONTS = {
    "word": (SYMBOLS, WORDS),
    "character": (SYMBOLS.model_copy(update={"token_dropout": 0.0}), LETTERS),
    "step": (FrontConfig(mean=(1.0, 2.0), deviation=(3.0, 4.0)), None),
    "frame": (FrontConfig(frame=(1, 8, 8), mean=(1.0,), deviation=(3.0,), embedding_size=4), None),
}
NOTHING = {"word": (0,), "step": (1.0, 2.0)}  # the unknown word; the mean of each channel


def _examples(step, *, of_steps, count=12, longest=9):
    numbers = np.random.default_rng(0)
    lengths = numbers.integers(longest // 2, longest + 1, count)
    shape = {"step": (2,), "frame": (1, 8, 8)}.get(step)
    one = lambda length: numbers.integers(0, 5, length).astype(np.int32)
    if shape is not None:
        one = lambda length: 3 * numbers.standard_normal((length, *shape)).astype(np.float32)
    inputs = Ragged.of(one(length) for length in lengths)
    answers = lengths if of_steps else np.ones(count, dtype=np.int64)
    return Examples(inputs, Ragged.of(numbers.integers(0, 3, length).astype(np.int32) for length in answers))


def _model(step, kind, **options):
    torch.manual_seed(0)
    sizes = {"front": FRONTS[step][0], "classes": 3, "hidden_size": 6, "num_layers": 2, "dropout": 0.3}
    made = {"classify": (ClassifierConfig, Classifier), "tag": (SequenceConfig, Tagger)}[kind]
    model = made[1](made[0](**sizes, **options), "lstm")
    with torch.no_grad():
        for parameter in model.rnn.parameters():
            parameter.mul_(2)
    return model


def _said(model, values):
    """Probabilities `[K]`, or `[T, K]`, of an example alone."""
    inputs = torch.from_numpy(values)[:, None]
    inputs = inputs.long() if inputs.dtype == torch.int32 else inputs
    with torch.no_grad():
        return model.eval()(inputs, torch.tensor([len(values)])).double().softmax(dim=-1).squeeze(-2).squeeze(0).numpy()


def _log_odds(chances, place):
    return np.log(chances[place] / (1 - chances[place]))


def _row_of(one, examples, lexicon):
    """The number of an example that is shown, and its steps in letters."""
    for row in range(len(examples)):
        values = examples.inputs[row]
        letters = (
            [str(step) for step in range(len(values))] if lexicon is None else [lexicon.entries[id] for id in values]
        )
        if letters == one.steps and examples.targets[row][one.at or 0] == one.truth:
            yield row


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize(
    ("step", "kind", "options"),
    [
        ("word", "classify", {"pooling": "mean", "bidirectional": True}),
        ("character", "classify", {"pooling": "attention"}),
        ("step", "classify", {"pooling": "max", "bidirectional": True}),
        ("step", "classify", {"pooling": "last"}),
        ("word", "tag", {}),
        ("step", "tag", {"bidirectional": True}),
        ("frame", "tag", {}),
    ],
)
def test_what_is_shown_is_what_the_model_says(step, kind, options, engine):
    model, examples, lexicon = _model(step, kind, **options), _examples(step, of_steps=kind == "tag"), FRONTS[step][1]
    with use_engine(engine):
        shown = examples_shown(model.train(), examples, lexicon, step)
        assert model.training, "its mode is what it was"
        names = [one.name for one in shown.examples]
        assert names[:3] == ["surest, and right", "surest, and wrong", "least sure"]
        assert len(set(names)) == 5
        for one in shown.examples:
            rows = list(_row_of(one, examples, lexicon))
            every = [_said(model, examples.inputs[row]) for row in rows]
            fits = [np.allclose(said if said.ndim == 1 else said[one.at], one.chances[-1 if one.at is None else one.at],
                                atol=1e-5) for said in every]  # fmt: skip
            row = rows[fits.index(True)]
            values, said = examples.inputs[row], every[fits.index(True)]
            at_end = said if one.at is None else said[one.at]
            assert one.said == at_end.argmax()
            assert one.chance == pytest.approx(at_end.max(), abs=1e-5)
            _check_over_time(model, one, values, said)
            assert one.contributions[INTEGRATED].sum() == pytest.approx(one.gained, rel=0.01, abs=0.01)
            if step in NOTHING:
                _check_left_out(model, one, values, at_end, NOTHING[step])


def _check_over_time(model, one, values, said):
    for place, chances in zip(one.after, one.chances, strict=True):
        wanted = said[place] if said.ndim == 2 else _said(model, values[: place + 1])
        np.testing.assert_allclose(chances, wanted, atol=1e-5)


def _check_left_out(model, one, values, said, nothing):
    for (place, channel), lost in np.ndenumerate(one.contributions[LEFT_OUT]):
        without = values.copy().reshape(len(values), -1)
        without[place, channel] = nothing[channel]
        after = _said(model, without.reshape(values.shape))
        after = after if one.at is None else after[one.at]
        assert lost == pytest.approx(_log_odds(said, one.said) - _log_odds(after, one.said), abs=1e-4)


def test_the_surest_are_the_surest():
    model, examples = _model("word", "tag"), _examples("word", of_steps=True)
    shown = examples_shown(model, examples, WORDS, "word")
    said = np.concatenate([_said(model, examples.inputs[row]) for row in range(len(examples))])
    is_right = said.argmax(axis=1) == examples.targets.values
    right, wrong, unsure, *_ = shown.examples
    assert right.chance == pytest.approx(said.max(axis=1)[is_right].max(), abs=1e-5)
    assert right.said == right.truth
    assert wrong.chance <= said.max(axis=1)[~is_right].max() + 1e-5, "it is of another example"
    assert wrong.said != wrong.truth
    assert unsure.chance >= said.max(axis=1).min() - 1e-5


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_path_is_that_of_a_loop(bidirectional):
    model, examples = _model("step", "classify", bidirectional=bidirectional), _examples("step", of_steps=False)
    shown = examples_shown(model, examples, None, "step")
    states = []
    with torch.no_grad():
        for row in range(len(examples)):
            hidden, _ = model.eval().rnn(model.front(torch.from_numpy(examples.inputs[row])[:, None]))
            states.append(hidden[:, 0, :6].double().numpy())
    plane = Plane.of(np.concatenate(states))
    paths = [plane.points(one) for one in states]
    for one in shown.examples:
        assert any(len(path) == len(one.path) and np.allclose(path, one.path, atol=1e-4) for path in paths)
    np.testing.assert_allclose(shown.cloud.points, [path[-1] for path in paths], atol=1e-4)
    assert shown.cloud.classes.tolist() == examples.targets.values.tolist()


def test_long_examples_are_read_less_often():
    model, examples = _model("word", "classify"), _examples("word", of_steps=False, count=3, longest=600)
    shown = examples_shown(model, examples, WORDS, "word")
    shortest = examples.inputs.lengths.min()
    assert [len(one.steps) for one in shown.examples] == [shortest]
    (one,) = shown.examples
    assert len(one.after) == 40_000 // shortest
    assert (one.after[0], one.after[-1]) == (0, shortest - 1)
    assert one.contributions[LEFT_OUT].shape == (shortest, 1)


def test_contributions_that_do_not_sum_are_told(monkeypatch):
    model, examples = _model("word", "classify", pooling="max"), _examples("word", of_steps=False)
    whole = examples_shown(model, examples, WORDS, "word")
    assert [one.summed for one in whole.examples] == [None] * 5
    monkeypatch.setattr(classes_examples, "_POINTS", 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    shown = examples_shown(model, examples, WORDS, "word")
    told = 0
    for one, said in zip(shown.examples, sentences_of(shown, CLASSES, "class"), strict=True):
        total = one.contributions[INTEGRATED].sum()
        is_told = f"contributions are not exact: gradients sum to {total:+.2f}, not {one.gained:+.2f} nats" in said.text
        assert is_told == (abs(total - one.gained) > 0.005 * max(abs(one.gained), 1))
        assert (said.figures["gained"], said.figures["summed"]) == pytest.approx((one.gained, total), abs=0.01)
        told += is_told
    assert told


@pytest.mark.parametrize("part", ["rnn", "read_out"])
def test_answers_that_are_not_finite_are_not_shown(part):
    model = _model("word", "tag")
    with torch.no_grad():
        for parameter in getattr(model, part).parameters():
            parameter.fill_(np.nan)
    with pytest.raises(RunError, match=r"has answers that are no finite numbers at (\d+) of \1 places"):
        examples_shown(model, _examples("word", of_steps=True), WORDS, "word")


@cell
def forgets(x, h):
    """What comes of a step, and of no other."""
    h = tanh(affine(x)) + 0.1 * h
    return tanh(affine(x)), h


def test_states_that_are_not_finite_are_not_shown():
    model = Classifier(ClassifierConfig(front=SYMBOLS, classes=3, hidden_size=6, pooling="last"), forgets)
    with torch.no_grad():
        model.front.embedding.weight[4] = np.nan
    examples = Examples(Ragged.of(np.array([4, 1], dtype=np.int32) for _ in range(3)),
                        Ragged.of(np.zeros(1, dtype=np.int32) for _ in range(3)))  # fmt: skip
    with pytest.raises(RunError, match="has states that are no finite numbers at 3 of 6 places"):
        examples_shown(model, examples, WORDS, "word")


def test_the_video_with_most_errors_is_shown():
    model, examples = _model("frame", "tag"), _examples("frame", of_steps=True)
    shown = examples_shown(model, examples, None, "frame")
    errors = [
        int((_said(model, examples.inputs[row]).argmax(axis=1) != examples.targets[row]).sum()) for row in range(12)
    ]
    assert [int((~one.is_right).sum()) for one in shown.videos][:2] == errors[:2]
    assert max(int((~one.is_right).sum()) for one in shown.videos) == max(errors)
    assert sum("with most errors" in one.name for one in shown.videos) == 1


@pytest.mark.parametrize(
    ("step", "kind", "first"),
    [
        ("word", "classify", "What each word contributes to the class that it says: "),
        ("character", "classify", "What each character contributes to the class that it says: "),
        ("step", "tag", "What each step contributes to the label that it says of the step in the box: "),
        ("frame", "tag", "What it says of each frame: example 0"),
    ],
)
def test_what_is_said_and_drawn(step, kind, first):
    model, examples = _model(step, kind), _examples(step, of_steps=kind == "tag")
    answer = "class" if kind == "classify" else "label"
    shown = examples_shown(model, examples, FRONTS[step][1], step)
    drawn = pictures_of(shown, CLASSES, answer)
    assert next(iter(drawn)).startswith(first)
    assert len(drawn) == 3 + len(shown.videos)
    told = sentences_of(shown, CLASSES, answer)
    assert {one.about for one in told} == {"examples"}
    assert len(told) == 5 + len(shown.videos)
    one, said = shown.examples[0], told[0]
    assert said.text.startswith(f"surest, and right: it said {CLASSES[one.said]} ({one.chance:.2f})")
    values = one.contributions[INTEGRATED]
    if values.max() > 0:
        assert f"speaks for it most ({values.max():+.2f} nats" in said.text
    assert said.figures["contributions"][LEFT_OUT] == one.contributions[LEFT_OUT].tolist()
