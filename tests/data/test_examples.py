"""Ragged arrays, batches, lexicons, tables: what examples are made of."""

from collections import Counter

import numpy as np
import pytest

from unrolled import DataError
from unrolled.data import PADDING, Batches, Examples, Lexicon, Ragged, found, read_examples, stored_examples
from unrolled.data.labelled import labelled
from unrolled.data.tables import columns_of, lines_of

SEQUENCES = [np.array(one) for one in ([1, 2, 3], [4], [5, 6], [7, 8, 9, 10])]


def _examples():
    return Examples(Ragged.of(SEQUENCES), Ragged.of([np.array([one]) for one in range(4)]))


def test_ragged():
    ragged = Ragged.of(SEQUENCES)
    assert [one.tolist() for one in map(ragged.__getitem__, range(4))] == [one.tolist() for one in SEQUENCES]
    assert ragged.lengths.tolist() == [3, 1, 2, 4]
    assert ragged.pick([2, 0])[1].tolist() == [1, 2, 3]
    assert ragged.padded([2, 0], -1).tolist() == [[5, 1], [6, 2], [-1, 3]]
    frames = Ragged.of(np.arange(24.0).reshape(2, 3, 2, 2))
    assert frames.padded([1, 0], 0).shape == (3, 2, 2, 2)


def test_a_batch_is_padded_with_what_nobody_counts():
    batch = _examples().batch([1, 0])
    assert batch.inputs.tolist() == [[4, 1], [0, 2], [0, 3]]
    assert batch.lengths.tolist() == [1, 3]
    assert batch.targets.tolist() == [[1, 0]]
    steps = Examples(Ragged.of(SEQUENCES), Ragged.of(SEQUENCES)).batch([1, 0])
    assert steps.targets.tolist() == [[4, 1], [PADDING, 2], [PADDING, 3]]


def test_examples_on_the_disk(tmp_path):
    (tmp_path / "x").write_bytes(stored_examples(_examples()))
    again = read_examples(tmp_path / "x")
    assert again.inputs.values.tolist() == _examples().inputs.values.tolist()
    (tmp_path / "x").write_bytes(b"no tensors")
    with pytest.raises(DataError, match="holds no examples"):
        read_examples(tmp_path / "x")


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_every_example_once_an_epoch(batch_size):
    lengths = np.random.default_rng(0).integers(1, 50, 333)
    batches = Batches(lengths, batch_size, seed=5)
    orders = []
    for epoch in range(3):
        rows = [batches.at(epoch * len(batches) + step) for step in range(len(batches))]
        orders.append(np.concatenate(rows).tolist())
        assert Counter(orders[-1]) == Counter(range(333))
        assert all(len(one) <= batch_size for one in rows)
    assert orders[0] != orders[1] != orders[2]
    last = 3 * len(batches) - 1
    assert Batches(lengths, batch_size, seed=5).at(last).tolist() == batches.at(last).tolist(), (
        "without what came before"
    )


def test_batches_are_of_like_length():
    lengths = np.random.default_rng(0).integers(1, 200, 5_000)
    batches = Batches(lengths, 32, seed=5)
    spread = [np.ptp(lengths[batches.at(step)]) for step in range(len(batches))]
    assert np.median(spread) < 10
    means = [lengths[batches.at(step)].mean() for step in range(len(batches))]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3, "in no order of length"


def test_a_lexicon():
    lexicon = Lexicon.of(["The sea, the SEA!", "it's a sea-side day"], "words", 6, lower=True)
    assert lexicon.entries == ("<unknown>", "sea", "the", "!", ",", "a")
    assert lexicon.encode("the sea? <unknown>").tolist() == [2, 1, 0, 0, 0, 0]
    assert Lexicon.of(["aab"], "characters", 9).encode("bax").tolist() == [2, 1, 0]
    assert Lexicon.of(["a b\nc"], "lines", 9).cut("a b\nc") == ["a b", "c"]
    assert Lexicon.model_validate_json(lexicon.model_dump_json()) == lexicon
    with pytest.raises(ValueError, match="differ"):
        Lexicon(pieces="words", entries=("<unknown>", "a", "a"))


def _columns(tmp_path, text, wanted=(None, None), name="x.tsv", *, has_answers=True):
    (tmp_path / name).write_text(text)
    with found([str(tmp_path / name)]) as (place,):
        lines = list(lines_of(place.sources[0]))
    columns = columns_of(lines, wanted, (("text", "review"), ("label", "class")), has_answers=has_answers)
    return [tuple(one.cells[0] for one in pair) for pair in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("text", "wanted", "found_"),
    [
        ("a day\tgood\n", (None, None), [("a day", "good")]),
        ("text\tlabel\na day\tgood\n", (None, None), [("a day", "good")]),
        ("Label\tText\ngood\ta day\n", (None, None), [("a day", "good")]),
        ("label\ttweet\ngood\ta day\n", (None, None), [("a day", "good")]),
        ("tweet\tid\tlabel\na day\t7\tgood\n", ("tweet", None), [("a day", "good")]),
        ("a day\tlabel\nthe sea\tlabel\n", (None, None), [("a day", "label"), ("the sea", "label")]),
        ("1234567890\tmood\na day\tgood\n", ("1234567890", None), [("a day", "good")]),
        ("\u0663\tmood\na day\tgood\n", ("\u0663", None), [("a day", "good")]),
        ("1\tdull\n5\tgreat\n", ("2", "1"), [("dull", "1"), ("great", "5")]),
        ("2\tdull\n", ("2", "1"), [("dull", "2")]),
        ("good\ta day\n", ("2", None), [("a day", "good")]),
        ("good\ta day\nbad\tno day\n", (None, "1"), [("a day", "good"), ("no day", "bad")]),
        ("label\tcomment\ngood\ta day\n", ("2", None), [("a day", "good")]),
        ("id\tclass\ttweet\n1\tgood\ta day\n", ("3", None), [("a day", "good")]),
        ("a\x0cday\tgood\r\nthe\u2028sea\tbad\r\n", (None, None), [("a\x0cday", "good"), ("the\u2028sea", "bad")]),
    ],
)
def test_columns(tmp_path, text, wanted, found_):
    assert _columns(tmp_path, text, wanted) == found_
    asked = _columns(tmp_path, text, wanted, has_answers=False)
    assert asked == [one[:1] for one in found_], "what was learned is asked of again"


@pytest.mark.parametrize(
    ("text", "wanted", "asked"),
    [
        ("id\tdate\ttext\n1\ttoday\ta day\n", (None, None), ["a day"]),
        ("id\tdate\ttext\n1\ttoday\ta day\n", (None, "label"), ["a day"]),
        ("tweet\na day\n", (None, "mood"), ["tweet", "a day"]),
        ("1\ttoday\ta day\n", ("3", "9"), ["a day"]),
        ("text\na day\n", (None, "2"), ["a day"]),
        ("label\na day\n", (None, "label"), ["label", "a day"]),
    ],
)
def test_no_column_has_to_hold_answers_that_nobody_wants(tmp_path, text, wanted, asked):
    assert [one for (one,) in _columns(tmp_path, text, wanted, has_answers=False)] == asked


@pytest.mark.parametrize(
    ("text", "wanted", "told"),
    [
        ("id\tcomment\tlabel\n1\ta day\tgood\n", (None, None), "which column is the text.*--text-column"),
        ("a day\n", (None, None), "there are 1 columns, and no one for the label.* by commas$"),
        ("a day;good\n", (None, None), "there are 1 columns, and no one for the label.*, not by semicolons"),
        ("id\ttweet\tmood\n1\ta day\tgood\n", (None, None), "which column is the text.*--text-column"),
        ("1\tgood\ta day\n", (None, "2"), "which column is the text.*or count from 1"),
        ("q\tq\tz\na\tb\tc\n", ("q", "z"), "two columns are called 'q'"),
        ("a\tb\n", ("3", None), "column 3 was asked for"),
        ("a\tb\n", ("0", None), "column 0 was asked for"),
        ("a\tb\n", ("1", "1"), "asked for twice"),
        ("text\tlabel\nx\n", (None, None), r"line 2 has 1 columns, the first line of that file 2"),
    ],
)
def test_columns_that_are_not_there(tmp_path, text, wanted, told):
    with pytest.raises(DataError, match=told):
        _columns(tmp_path, text, wanted)


def test_a_text_that_was_known_by_the_column_beside_it(tmp_path):
    """Who learned from `body,mood` with --label-column mood cannot know which column of `id,body` is the body."""
    with pytest.raises(DataError, match="no column 'mood', besides which the text was learned: give one column only"):
        _columns(tmp_path, "id\tbody\n7\ta day\n", (None, "mood"), has_answers=False)


def test_quotes_between_semicolons(tmp_path):
    with pytest.raises(DataError, match=r"x\.csv, line 2: .*parted by commas, not by semicolons"):
        _columns(tmp_path, 'text;label\n"a day";good\n', name="x.csv")


def test_a_quote_that_never_ends(tmp_path):
    with pytest.raises(DataError, match=r"x\.csv, line 2"):
        _columns(tmp_path, 'text,label\n"a day,good\n', name="x.csv")


def test_the_same_texts_are_asked_of_that_were_learned(tmp_path):
    (tmp_path / "x.tsv").write_text("label\twords\ngood\ta day\nbad\tno day\n")
    with found([str(tmp_path / "x.tsv")]) as places:
        learned, asked = (labelled(places, has_labels=one) for one in (True, False))
    assert [one.value for one in learned] == [one.value for one in asked] == ["a day", "no day"]


def test_texts_alone(tmp_path):
    (tmp_path / "x.txt").write_text("review\na day by the sea\n")
    with found([str(tmp_path / "x.txt")]) as places:
        assert [one.value for one in labelled(places, text="words", has_labels=False)] == ["review", "a day by the sea"]
    (tmp_path / "x.txt").write_text("review\n\na day by the sea\n")
    with (
        found([str(tmp_path / "x.txt")]) as places,
        pytest.raises(DataError, match="line 2 is empty: answers would not"),
    ):
        labelled(places, has_labels=False)


def test_an_array_that_claims_to_be_huge(tmp_path):
    """A header of 10 TB over nothing: refused before any memory is taken."""
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 3)), y=np.zeros(4))
    content = (tmp_path / "x.npz").read_bytes()
    huge = content.replace(b"'shape': (4, 3), }" + b" " * 12, b"'shape': (4, 3000000000000), }")
    assert huge != content
    (tmp_path / "x.npz").write_bytes(huge)
    with found([str(tmp_path / "x.npz")]) as places, pytest.raises(DataError, match="damaged|no .npz"):
        labelled(places)
