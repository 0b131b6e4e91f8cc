"""`--task translate`: from files to a run, and everything that a run can do."""

import json
import sys
from dataclasses import astuple

import numpy as np
import pytest
import torch

from tests.runs.cut import resumed_as_never_cut
from unrolled import (
    ConfigError,
    DataError,
    GenerationError,
    TrainingError,
    TranslateConfig,
    evaluate,
    load,
    look,
    predict,
    train,
    use_engine,
)
from unrolled.data import Lexicon, Ragged
from unrolled.generation import Beam
from unrolled.runs import KINDS, Prepared, Sampled, resume
from unrolled.runs.tasks.translate_score import score_of_texts
from unrolled.runs.tasks.translating import render
from unrolled.training import Evaluated

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


def _config(place, **options):
    settings = {
        "steps": 250, "hidden_size": 24, "embedding_size": 16, "batch_size": 16, "evaluations": 3, "samples": 2,
        "learning_rate": 0.01, "dropout": 0.0,
    }  # fmt: skip
    data = place if place.is_file() else place / "pairs.tsv"
    return TranslateConfig(data=[str(data)], **settings | options)


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


def test_what_was_held_out_is_what_a_run_is_measured_by(trained):
    path, events = trained
    last = [one for one in events if isinstance(one, Evaluated)][-1]
    score = evaluate(path, beam=1)
    assert (score.count, score.nats) == (30, pytest.approx(last.loss))
    assert score.by_name == last.scores


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
    config = _config(folder, dropout=0.3, samples=0, steps=24, evaluations=2, **way)
    with use_engine(engine):
        resumed_as_never_cut(config, tmp_path, at=13)


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
    assert not any(title.startswith("Where it looked") for title in seen.figures)
    assert not any(one.about == "attention" for one in seen.sentences)


def test_scores_counted_by_hand():
    """BLEU: 4, 2, 1 and 0 of 6, 5, 4, 3 n-grams match, the last counts half of one (Chen & Cherry 2014, "exp")."""
    said, wanted = ["a b c x y d"], ["a b c d e f"]
    words = Lexicon.of(wanted, "glued", 20)
    score = score_of_texts(said, wanted, words, 0.5)
    matches = [4 / 6, 2 / 5, 1 / 4, (1 / 2) / 3]
    assert score.bleu == pytest.approx(100 * np.prod(matches) ** 0.25)
    assert score.edits == pytest.approx(3 / 6), "x, y and d are others"
    assert score.exact == 0.0
    assert score.perplexity == pytest.approx(np.exp(0.5))
    assert "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp" in score.signatures[0]
    short = score_of_texts(["a b c d"], ["a b c d e"], words, 0.0)
    assert short.bleu == pytest.approx(100 * np.exp(1 - 5 / 4)), "the brevity penalty"
    chrf = score_of_texts(["ab"], ["ac"], words, 0.0).chrf
    assert chrf == pytest.approx(100 * (0.5 + 0.0) / 2), "of the two orders that there are"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"context": "state", "bidirectional": True}, "read in one direction"),
        ({"tokens": "pairs", "lower": True}, "byte pairs have capital letters"),
        ({"tokens": "syllables"}, "tokens"),
        ({"attention": "dot"}, "attention by 'dot' needs queries as wide"),
        ({"tokens": "pairs", "vocab_size": 100}, "give 256 or more"),
        ({"max_length": 2}, r"pairs\.tsv, line \d+: a text has \d words, at most 2 are allowed"),
        ({"source_column": "de"}, "there is no column 'de'"),
        ({"val_frac": 0.001}, "too few to learn some"),
    ],
)
def test_bad_options(folder, tmp_path, options, told):
    with pytest.raises((ConfigError, DataError, ValueError), match=told):
        train(_config(folder, **options), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_using_it_wrongly(folder, tmp_path, trained):
    path, _ = trained
    with pytest.raises(ConfigError, match="beam = 0"):
        evaluate(path, str(folder / "pairs.tsv"), beam=0)
    with pytest.raises(ConfigError, match="cell is no option of a use of --task translate, which has beam"):
        evaluate(path, str(folder / "pairs.tsv"), cell="lstm")
    (tmp_path / "long.txt").write_text("sea\n" + "sea " * 201 + "\n")
    with pytest.raises(DataError, match=r"long\.txt, line 2: a text has 201 words, at most 200 are allowed"):
        list(predict(path, str(tmp_path / "long.txt")))
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(DataError, match=r"empty\.txt is empty"):
        list(predict(path, str(tmp_path / "empty.txt")))
    with pytest.raises(DataError, match="there is one column, so no target"):
        evaluate(path, str(tmp_path / "long.txt"))
    with pytest.raises(DataError, match="pairs of what"):
        train(TranslateConfig(), tmp_path / "none")


def test_nothing_held_out(folder, tmp_path):
    path = train(_config(folder, samples=0, steps=3, val_frac=0.0), tmp_path / "run")
    assert json.loads((path / "data.json").read_text())["longest"] == 4
    for use in (look, evaluate):
        with pytest.raises(ConfigError, match="nothing was held out of what this run has learned: name other examples"):
            use(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: lines[:-1], "has 299 pairs, 300 were stored"),
        (lambda lines: ["no tab\n", *lines[1:]], "line 1: wanted a source, a tab and a target"),
    ],
)
def test_pairs_that_were_changed(folder, tmp_path, trained, change, told):
    lines = (trained[0] / "pairs.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "pairs.tsv").write_text("".join(change(lines)))
    with pytest.raises(DataError, match=told):
        KINDS["translate"].data(tmp_path, load(trained[0]).about)


def test_what_is_read_is_what_was_stored(tmp_path):
    rows = [f"\ufeff\u00a0a{one}\t{one}\u2028b\n" for one in range(20)]
    (tmp_path / "pairs.tsv").write_text("".join(rows), encoding="utf-8")
    kind, config = KINDS["translate"], _config(tmp_path)
    gathered = kind.gather(config)
    for name, blocks in gathered.contents().items():
        (tmp_path / name).write_bytes(b"".join(blocks))
    again = kind.data(tmp_path, gathered.about)
    assert [astuple(one)[:2] for one in again.texts] == [astuple(one)[:2] for one in gathered.data.texts]
    assert again.inputs.values.tolist() == gathered.data.inputs.values.tolist()


def test_capital_letters_that_do_not_count(tmp_path):
    (tmp_path / "pairs.tsv").write_text("The Sea\tLa Mer\nA Day\tUn Jour\n" * 40)
    events = []
    path = train(_config(tmp_path, lower=True, steps=60), tmp_path / "run", listen=events.append)
    score = evaluate(path, str(tmp_path / "pairs.tsv"))
    assert score.exact == 1.0
    assert all("case:lc" in one for one in score.signatures)
    shown = [one for one in events if isinstance(one, Sampled)][-1].text
    assert "la mer" in shown
    assert not any(line.startswith("x ") for line in shown.split("\n"))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "chrF"), ({"tokens": "characters"}, "exact match"), ({"chosen_by": "BLEU"}, "BLEU"),
        ({"chosen_by": "nats"}, None), ({"chosen_by": "exact"}, "exact match"),
        ({"tokens": "characters", "target_tokens": "words"}, "chrF"),
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
    units = {"words": "word", "characters": "character"}
    assert [run.about.source.unit, run.about.target.unit] == [units[one] for one in config.cuts]


@pytest.mark.parametrize(("head", "column"), [("ziel\tquelle\n", "ziel"), ("", "1")])
def test_predict_reads_the_column_that_was_learned(tmp_path, head, column):
    pairs = "".join(f"{other}\t{one}\n" for one, other in WORDS.items())
    (tmp_path / "turned.tsv").write_text(head + pairs)
    config = _config(tmp_path / "turned.tsv", steps=2, samples=0, evaluations=1, val_frac=0.2, target_column=column)
    path = train(config, tmp_path / "run")
    assert [one.source for one in predict(path, tmp_path / "turned.tsv")] == list(WORDS)


@pytest.mark.parametrize("power", [0.0, 1.0, 3.0])
def test_what_translations_are_ranked_by(folder, trained, power):
    for one in predict(trained[0], str(folder / "pairs.tsv"), length_penalty=power, beam=4):
        ranked = [(one.text, one.log_probability), *one.others]
        scores = [nats / (len(text.split()) + 1) ** power for text, nats in ranked]
        assert scores == sorted(scores, reverse=True)


def test_a_text_that_can_be_spelled_in_several_ways_is_told_once(folder, tmp_path):
    options = {"tokens": "pairs", "vocab_size": 300, "steps": 60, "samples": 0, "evaluations": 1}
    path = train(_config(folder, **options), tmp_path / "run")
    said = [[one.text, *(text for text, _ in one.others)] for one in predict(path, str(folder / "pairs.tsv"), beam=9)]
    assert all(len(set(texts)) == len(texts) for texts in said)
    assert min(map(len, said)) < 9, "or there was nothing to be told once"


def test_scheduled_sampling_that_diverges_says_so(folder, tmp_path):
    options = {"cell": "rnn(activation='relu')", "learning_rate": 1000.0, "truth_decay": 5, "max_loss_ratio": 0.0}
    with pytest.raises(TrainingError, match="training stopped"):
        train(_config(folder, **options), tmp_path / "run")


def test_attention_that_never_moves_has_no_order(folder, tmp_path):
    (tmp_path / "words.tsv").write_text("".join(f"{one}\t{other}\n" for one, other in WORDS.items()) * 9)
    path = train(_config(tmp_path / "words.tsv", steps=5, samples=0), tmp_path / "run")
    (told,) = [one for one in look(path).sentences if one.about == "attention"]
    assert "order" not in told.figures
    assert json.loads(json.dumps(told.figures, allow_nan=False)) == told.figures


def test_numbers_that_are_not_finite(folder, tmp_path):
    run = load(train(_config(folder, samples=0, steps=3), tmp_path / "run"))
    with torch.no_grad():
        next(run.model.writer.rnn.parameters()).fill_(torch.nan)
    with pytest.raises(GenerationError, match="not finite"):
        render(run.model, run.about, ["sea day"], Ragged.of([np.array([1, 2])]), Beam(2))


@pytest.mark.parametrize("cell", ["slstm", "sru", "lru"])
@pytest.mark.parametrize("context", ["attention", "fixed"])
def test_a_summary_starts_the_state_that_is_the_output(folder, tmp_path, cell, context):
    """The others, a normaliser or a counter among them, start from zero."""
    run = load(train(_config(folder, samples=0, steps=3, cell=cell, context=context), tmp_path / "run"))
    memory = run.model.read(torch.ones(2, 3, dtype=torch.long), torch.tensor([2, 1, 2]))
    for name, value in run.model.writer.begin(memory).items():
        assert bool(value.any()) == (name == run.model.writer.begins)


def test_a_cell_whose_state_is_called_like_a_method(folder, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from unrolled import cell\nfrom unrolled.ops import affine, tanh\n\n\n@cell\n"
        "def mine(x, values):\n    values = tanh(affine(x, values))\n    return values\n"
    )
    train(_config(folder, samples=0, steps=3, cell=f"{tmp_path / 'mine.py'}:mine"), tmp_path / "run")


def test_libraries_that_are_missing(folder, tmp_path, monkeypatch):
    path = train(_config(folder, samples=0, steps=3), tmp_path / "run")
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    for use in (lambda: resume(path, 6), lambda: evaluate(path, str(folder / "pairs.tsv"))):
        with pytest.raises(ConfigError, match=r"pip install 'unrolled\[translate\]'"):
            use()
    assert load(path).step == 3


def test_an_answer_is_one_line(folder, tmp_path):
    """Byte pairs can write the end of a line, that no text has which was learned."""
    run = load(train(_config(folder, samples=0, steps=3, tokens="pairs", vocab_size=262), tmp_path / "run"))
    with torch.no_grad():
        run.model.writer.bias[run.about.target.entries.index("\u010a")] = 50.0  # (what stands for it)
    ((best, *_),) = render(run.model, run.about, ["sea"], Ragged.of([np.array([1])]), Beam(2))
    assert "\u010a" in best.pieces
    assert "\n" not in best.text
