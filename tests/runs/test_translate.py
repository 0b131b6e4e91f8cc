"""`--task translate`: from files to a run, and everything that a run can do."""

import numpy as np
import pytest
import torch

from unrolled import (
    ConfigError,
    GenerationError,
    TranslateConfig,
    evaluate,
    load,
    look,
    predict,
    train,
    use_engine,
)
from unrolled.data import Ragged
from unrolled.generation import Beam
from unrolled.runs import Prepared, Sampled, resume
from unrolled.runs.tasks.translating import render
from unrolled.training import Evaluated, Stepped

WORDS = {"sea": "mer", "day": "jour", "sun": "soleil", "sand": "sable", "wind": "vent"}
WAYS = [
    {},
    {"context": "fixed", "tied": True},
    {"context": "state", "reverse_source": True, "cell": "lstm"},
    {"attention": "additive", "tokens": "pairs", "vocab_size": 262, "truth_decay": 20},
    {"attention": "dot", "bidirectional": False, "tokens": "characters", "cell": "rnn"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sentences whose words are translated one by one, and stand in the other order."""
    place = tmp_path_factory.mktemp("translate")
    numbers = np.random.default_rng(0)
    with (place / "pairs.tsv").open("w") as file:
        for _ in range(300):
            chosen = numbers.choice(list(WORDS), numbers.integers(1, 5)).tolist()
            file.write(f"{' '.join(chosen)}\t{' '.join(WORDS[one] for one in reversed(chosen))}\n")
    return place


def _config(folder, **options):
    settings = {
        "steps": 250, "hidden_size": 24, "embedding_size": 16, "batch_size": 16, "evaluations": 3, "samples": 2,
        "learning_rate": 0.01, "dropout": 0.0,
    }  # fmt: skip
    return TranslateConfig(data=[str(folder / "pairs.tsv")], **settings | options)


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    events = []
    path = train(_config(folder), tmp_path_factory.mktemp("trained") / "run", listen=events.append)
    return path, events


def test_a_run(folder, tmp_path, trained):
    path, events = trained
    prepared = next(one for one in events if isinstance(one, Prepared))
    assert prepared.unit == "word"
    assert "300 examples, 6 words to 6 words; 30 are held out" in prepared.words
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    assert last.scores["exact match"] > 0.9
    assert "mer" in [one for one in events if isinstance(one, Sampled)][-1].text
    (tmp_path / "new.txt").write_text("wind sea sun\nsand\n")
    said = list(predict(path, str(tmp_path / "new.txt")))
    assert [one.text for one in said] == ["soleil mer vent", "sable"]
    assert said[0].line() == "soleil mer vent"
    assert len(said[0].others) == 4
    assert said[0].log_probability > max(nats for _, nats in said[0].others)
    assert len(next(predict(path, str(tmp_path / "new.txt"), beam=1)).others) == 0
    score = evaluate(path, str(folder / "pairs.tsv"))
    assert score.exact > 0.9
    assert score.bleu > 90
    assert set(score.rows()) >= {"BLEU", "chrF", "exact match", "word error rate", "nats per word", "perplexity"}


def test_the_reference_reads_what_the_engine_trained(folder, trained):
    path, _ = trained
    scores = []
    for engine in ("auto", "reference"):
        with use_engine(engine):
            scores.append(evaluate(path, str(folder / "pairs.tsv"), beam=3))
    assert scores[0].bleu == pytest.approx(scores[1].bleu)
    assert scores[0].nats == pytest.approx(scores[1].nats, abs=1e-5)


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("way", WAYS)
def test_resume_is_exact(folder, tmp_path, way, engine):
    def config():
        return _config(folder, dropout=0.3, samples=0, steps=24, evaluations=2, **way)

    with use_engine(engine):
        whole = load(train(config(), tmp_path / "whole")).model.state_dict()
        events = []
        stop = lambda: any(isinstance(one, Stepped) and one.step == 13 for one in events)
        path = train(config(), tmp_path / "cut", listen=events.append, should_stop=stop)
        assert load(path).step == 13
        resumed = load(resume(path)).model.state_dict()
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


@pytest.mark.parametrize("way", WAYS[1:])
def test_every_way_learns(folder, tmp_path, way):
    events = []
    train(_config(folder, samples=0, steps=90, evaluations=3, **way), tmp_path / "run", listen=events.append)
    first, *_, last = [one.loss for one in events if isinstance(one, Evaluated)]
    assert last < 0.8 * first


@pytest.mark.parametrize("width", [1, 4])
def test_batched_is_single(trained, width):
    run = load(trained[0])
    sources = ["sea", "wind sun day sand", "sun sun", "day sea sand"]
    inputs = Ragged.of(run.about.source.ids(run.about.source.cut(one)) for one in sources)
    together = render(run.model, run.about, sources, inputs, Beam(width))
    for place, one in enumerate(sources):
        (alone,) = render(run.model, run.about, [one], inputs.pick([place]), Beam(width))
        assert [each.text for each in alone] == [each.text for each in together[place]]
        for each, other in zip(alone, together[place], strict=True):
            assert each.log_probability == pytest.approx(other.log_probability, abs=1e-6)
            np.testing.assert_allclose(each.places, other.places, rtol=0, atol=1e-6)
            assert each.places.shape == (len(each.pieces) + 1, len(one.split()))


def test_an_unknown_word_is_copied_from_where_it_looks(tmp_path):
    numbers = np.random.default_rng(1)
    names = [f"name{one}" for one in range(400)]
    with (tmp_path / "pairs.tsv").open("w") as file:
        for _ in range(400):
            name, word = numbers.choice(names), numbers.choice(list(WORDS))
            file.write(f"{word} of {name}\t{name} : {WORDS[word]}\n")
    path = train(_config(tmp_path, vocab_size=10, token_dropout=0.0, steps=200), tmp_path / "run")
    (tmp_path / "new.txt").write_text("sun of Zanzibar\n")
    assert next(predict(path, str(tmp_path / "new.txt"))).text == "Zanzibar : soleil"


def test_looking_into_one(folder, trained):
    path, _ = trained
    seen = look(path, [str(folder / "pairs.tsv")])
    assert "translator of words to words" in seen.report()
    title, figure = next(iter(seen.figures.items()))
    assert title.startswith("Where it looked in the source")
    assert len(figure.frames) == 30
    for frame in figure.frames:
        np.testing.assert_allclose(np.array(frame.data[0].z).sum(axis=1), 1.0, atol=0.01)
    (told,) = [one for one in seen.sentences if one.about == "attention"]
    assert told.figures["order"] < 0, "targets stand in the other order"
    assert told.figures["sharpest"] > 0.5
    assert {one.place.path for one in seen.account.behaviours} == {"encoder", "writer.rnn"}
    with pytest.raises(ConfigError, match=r"labels of one.s own are for text"):
        look(path, labels={"x": "y"})


def test_without_attention_there_is_nothing_to_draw(folder, tmp_path):
    path = train(_config(folder, samples=0, steps=5, context="fixed"), tmp_path / "run")
    seen = look(path, [str(folder / "pairs.tsv")])
    shown = [one for one in events if isinstance(one, Sampled)][-1].text
    assert not any(line.startswith("x ") for line in shown.split("\n"))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "BLEU"), ({"tokens": "characters"}, "exact match"), ({"chosen_by": "chrF"}, "chrF"),
        ({"chosen_by": "nats"}, None),
        ({"tokens": "characters", "target_tokens": "words"}, "BLEU"), ({"chosen_by": "exact"}, "exact match"),
    ],
)  # fmt: skip
def test_the_score_that_chooses(folder, tmp_path, options, name):
    config = _config(folder, steps=4, evaluations=2, samples=0, **options)
    assert config.score_name == name
    events = []
    run = load(train(config, tmp_path / "run", listen=events.append), best=True)
    found = [one for one in events if isinstance(one, Evaluated) and one.step]
    merit = (lambda one: -one.loss) if name is None else (lambda one: (one.scores[name], -one.loss))
    assert run.step == max(found, key=merit).step
    assert (run.about.source.unit, run.about.target.unit) == tuple(
        {"words": "word", "characters": "character"}[one] for one in config.cuts
    )


@pytest.mark.parametrize("power", [0.0, 1.0, 3.0])
def test_what_translations_are_ranked_by(folder, trained, power):
    for one in predict(trained[0], str(folder / "pairs.tsv"), length_penalty=power, beam=4):
        ranked = [(one.text, one.log_probability), *one.others]
        scores = [nats / (len(text.split()) + 1) ** power for text, nats in ranked]
        assert scores == sorted(scores, reverse=True)


def test_numbers_that_are_not_finite(folder, tmp_path):
    run = load(train(_config(folder, samples=0, steps=3), tmp_path / "run"))
    with torch.no_grad():
        next(run.model.writer.rnn.parameters()).fill_(torch.nan)
    inputs = Ragged.of([np.array([1, 2])])
    with pytest.raises(GenerationError, match="not finite"):
        render(run.model, run.about, ["sea day"], inputs, Beam(2))


@pytest.mark.parametrize("cell", ["slstm", "sru", "lru"])
def test_cells_whose_states_are_of_all_kinds(folder, tmp_path, cell):
    """A summary starts the state that a layer gives as its output; a normaliser or a counter starts from zero."""
    for context in ("attention", "fixed"):
        run = load(train(_config(folder, samples=0, steps=3, cell=cell, context=context), tmp_path / context))
        memory = run.model.read(torch.ones(2, 3, dtype=torch.long), torch.tensor([2, 1, 2]))
        for name, value in run.model.writer.begin(memory).items():
            assert bool(value.any()) == (name == run.model.writer.begins)


def test_a_cell_whose_state_is_called_like_a_method(folder, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from unrolled import cell\nfrom unrolled.ops import affine, tanh\n\n\n@cell\n"
        "def mine(x, values):\n    values = tanh(affine(x, values))\n    return values\n"
    )
    train(_config(folder, samples=0, steps=3, cell=f"{tmp_path / 'mine.py'}:mine"), tmp_path / "run")
