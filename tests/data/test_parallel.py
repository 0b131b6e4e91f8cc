"""Pairs of texts: what is read where they stand, and words that can be put together again."""

import codecs
import gettext
import io

import pytest
from babel.messages import Catalog, mofile, pofile
from hypothesis import given
from hypothesis import strategies as st

from unrolled import ConfigError, DataError
from unrolled.data import Lexicon, Pairs, found, parallel, spelling_of
from unrolled.data.gluing import JOINER, cut_glued, glued


def _read(*paths, **options):
    with found([str(path) for path in paths]) as places:
        return [(one.source, one.target, one.where.rpartition("/")[2]) for one in parallel(places, **options)]


@given(st.text())
def test_what_was_cut_is_put_together(text):
    assert glued(cut_glued(text)) == " ".join(text.replace(JOINER, "\N{BLACK SQUARE}").split())


def test_how_words_are_cut():
    j = JOINER
    assert cut_glued("L'art, c'est (a) b-c.") == [
        f"L'{j}", "art", f"{j},", f"c'{j}", "est", f"({j}", "a", f"{j})", "b", f"{j}-{j}", "c", f"{j}.",
    ]  # fmt: skip
    assert cut_glued("... '") == [".", f"{j}.", f"{j}.", "'"]


@pytest.mark.parametrize("cut", ["words", "characters", "pairs"])
def test_spellings(cut):
    texts = ["l'été, déjà", "the sea, the day"] * 3
    spelling = spelling_of(texts, cut, 300, lower=False)
    for text in [*texts, "ça, the été"]:
        pieces = spelling.cut(text)
        assert spelling.join(pieces) == text
        if cut == "pairs":
            assert [spelling.entries[one] for one in spelling.ids(pieces)] == pieces
        else:
            assert spelling.ids(["Ж"]).tolist() == [spelling.unknown] == [0]
    assert spelling.unit == {"words": "word", "characters": "character", "pairs": "piece"}[cut]
    kind = Pairs if cut == "pairs" else Lexicon
    assert kind.model_validate_json(spelling.model_dump_json()) == spelling


def test_tables(tmp_path):
    (tmp_path / "a.tsv").write_text("fr\tid\ten\nla  mer\t1\tthe sea\n")
    (tmp_path / "b.csv").write_text('source,target\n"one, two",un\n')
    (tmp_path / "c.txt").write_text("a\tb\n\nc\td\n")
    assert _read(tmp_path / "a.tsv", source="fr", target="3") == [("la mer", "the sea", "a.tsv, line 2")]
    assert _read(tmp_path / "b.csv") == [("one, two", "un", "b.csv, line 2")]
    assert _read(tmp_path / "c.txt") == [("a", "b", "c.txt, line 1"), ("c", "d", "c.txt, line 3")]
    assert _read(tmp_path / "c.txt", has_targets=False) == [("a", "", "c.txt, line 1"), ("c", "", "c.txt, line 3")]


def test_two_files_line_by_line(tmp_path):
    (tmp_path / "x.en").write_text("one\n\ntwo \n")
    (tmp_path / "x.fr").write_text("un\n\ndeux\n")
    assert _read(tmp_path / "x.en", tmp_path / "x.fr") == [
        ("one", "un", "x.en, line 1"),
        ("two", "deux", "x.en, line 3"),
    ]
    with pytest.raises(DataError, match=r"x\.fr, line 2 is empty: answers would not stand beside their lines"):
        _read(tmp_path / "x.fr", has_targets=False)


def _catalogue():
    made = Catalog(locale="fr")
    made.add("the sea", "la mer")
    made.add(("one day", "days"), ("un jour", "des jours"))
    made.add("unsure", "pas sûr", flags=["fuzzy"])
    made.add("not yet", "")
    return made


def test_catalogues(tmp_path):
    with (tmp_path / "m.po").open("wb") as file:
        pofile.write_po(file, _catalogue())
    with (tmp_path / "m.mo").open("wb") as file:
        mofile.write_mo(file, _catalogue())
    with (tmp_path / "m.mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("the sea") == "la mer", "a stranger reads it, too"
    for name in ("m.po", "m.mo"):
        pairs = _read(tmp_path / name)
        assert sorted(one[:2] for one in pairs) == [("one day", "un jour"), ("the sea", "la mer")]
        assert all(where.startswith(f"{name}, ") for *_, where in pairs)
    assert [one[0] for one in _read(tmp_path / "m.po", has_targets=False)] == [
        "the sea",
        "one day",
        "unsure",
        "not yet",
    ]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.tsv": ""}, r"a\.tsv is empty"),
        ({"a.tsv": "source\ttarget\n"}, "there is nothing to translate"),
        ({"a.tsv": "one\ttwo\nthree\n"}, r"a\.tsv, line 2 has 1 columns, the first line of that file 2"),
        ({"a.tsv": "one\t \n"}, r"a\.tsv, line 1: the target is empty"),
        ({"a.tsv": "source\ttarget\n\ttwo\n"}, r"a\.tsv, line 2: the source is empty"),
        ({"a.txt": "one\ntwo\n"}, r"a\.txt, line 1: there is one column, so no target"),
        ({"a.csv": "one;two\n"}, r"a\.csv, line 1: there is one column.* by commas, not by semicolons"),
        ({"a.tsv": b"one\t\xff\n"}, "UTF-8"),
        ({"a.en": "one\ntwo\n", "a.fr": "un\n"}, r"a\.en has 2 lines, .*a\.fr 1: each line"),
        ({"a.en": "one\ntwo\n", "a.fr": "un\n\n"}, r"a\.fr, line 2 is empty, and in .*a\.en it is not"),
        ({"a.en": "\n\n", "a.fr": "\n\n"}, "there is nothing to translate"),
        ({"a.en": "one\ntwo\n", "a.fr": "un\nde\tux\n"}, r"a\.fr, line 2 has a tab, and .*a\.en has none"),
        ({"a.tsv": "one\t\ufeff\n"}, r"a\.tsv, line 1: the target is empty"),
        ({"a.en": "one\n", "a.fr": "\ufeff \n"}, r"a\.fr, line 1 is empty, and in .*a\.en it is not"),
        ({"a.tsv": "source\ttarget\ttarget\none\ttwo\tthree\n"}, "two columns are called 'target'"),
        ({"a.po": 'msgid ""\nmsgstr "Plural-Forms: nplurals=99999999999; plural=0;\\n"\n'}, "no language has so many"),
        (
            {"a.po": 'msgid ""\nmsgstr "Language: xx_YY_zz_bad!!\\n"\n'},
            r"a\.po is no catalogue of messages, or its head",
        ),
        ({"a.po": 'msgid "one\nmsgstr ""\n'}, r"a\.po: there is nothing to translate"),
        ({"a.po": "nothing of the kind\n"}, r"a\.po is no catalogue of messages"),
        ({"a.mo": b"\x00\x01"}, r"a\.mo is no catalogue of messages"),
        ({"a.mo": b"\xde\x12\x04\x95" + b"\x00" * 4 + b"\xff" * 20}, r"a\.mo is no catalogue of messages"),
    ],
)
def test_what_is_no_pair(tmp_path, files, told):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=told):
        _read(*(tmp_path / name for name in files))


def test_a_message_with_more_plurals_than_the_head_says(tmp_path):
    (tmp_path / "m.po").write_text(
        'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
        'msgid "%d day"\nmsgid_plural "%d days"\nmsgstr[0] "%d jour"\nmsgstr[1] "%d jours"\nmsgstr[2] "%d jours"\n'
    )
    assert [one[:2] for one in _read(tmp_path / "m.po")] == [("%d day", "%d jour")]


def test_messages_of_nothing_but_a_mark_of_the_order_of_bytes(tmp_path):
    messages = (("\ufeff", "a"), ("b", "\ufeff"), ("c", "d"))
    (tmp_path / "m.po").write_text("".join(f'msgid "{one}"\nmsgstr "{other}"\n\n' for one, other in messages))
    assert [one[:2] for one in _read(tmp_path / "m.po")] == [("c", "d")]


def test_a_catalogue_that_was_cut_off(tmp_path):
    whole = io.BytesIO()
    mofile.write_mo(whole, _catalogue())
    for size in range(len(whole.getvalue())):
        (tmp_path / "cut.mo").write_bytes(whole.getvalue()[:size])
        try:
            _read(tmp_path / "cut.mo")
        except DataError as error:
            assert "cut.mo" in str(error)


def test_columns_that_are_not_there(tmp_path):
    (tmp_path / "a.tsv").write_text("fr\ten\nla mer\tthe sea\n")
    with pytest.raises(DataError, match="there is no column 'de'"):
        _read(tmp_path / "a.tsv", source="de")
    with pytest.raises(DataError, match="one column was asked for twice"):
        _read(tmp_path / "a.tsv", source="fr", target="1")


def test_too_few_pairs_of_bytes():
    with pytest.raises(ConfigError, match="give 256 or more"):
        spelling_of(["a"], "pairs", 100, lower=False)


def test_a_table_of_one_column_has_a_head(tmp_path):
    (tmp_path / "a.csv").write_text("source\nthe sea\n")
    assert _read(tmp_path / "a.csv", has_targets=False) == [("the sea", "", "a.csv, line 2")]
    with pytest.raises(DataError, match="there is no column 'de'"):
        _read(tmp_path / "a.csv", source="de", has_targets=False)


def test_of_three_columns_nobody_guesses_two(tmp_path):
    (tmp_path / "a.tsv").write_text("id\tSentence\tAnimal\n1\tit barks\tdog\n")
    with pytest.raises(
        DataError, match="which column is the source\\? There are 'id', 'Sentence', 'Animal': name it with"
    ):
        _read(tmp_path / "a.tsv")
    assert _read(tmp_path / "a.tsv", source="sentence", target="3") == [("it barks", "dog", "a.tsv, line 2")]
    (tmp_path / "b.tsv").write_text("id\tsource\tde\ttarget\n1\tsea\tMeer\tmer\n")
    assert _read(tmp_path / "b.tsv") == [("sea", "mer", "b.tsv, line 2")]


def test_predict_asks_of_the_column_that_was_learned(tmp_path):
    (tmp_path / "a.tsv").write_text("translation\tenglish\nla mer\tthe sea\n")
    assert _read(tmp_path / "a.tsv") == [("the sea", "la mer", "a.tsv, line 2")]
    assert _read(tmp_path / "a.tsv", has_targets=False) == [("the sea", "", "a.tsv, line 2")]
    assert _read(tmp_path / "a.tsv", target="translation", has_targets=False) == [("the sea", "", "a.tsv, line 2")]
    (tmp_path / "b.tsv").write_text("from\tde\nfrom\tde\n")
    learned, asked = (_read(tmp_path / "b.tsv", has_targets=one) for one in (True, False))
    assert [one[0] for one in learned] == [one[0] for one in asked] == ["from", "from"]
    with pytest.raises(DataError, match="there is no column '999"):
        _read(tmp_path / "b.tsv", source="9" * 5000)


def test_a_catalogue_with_a_mark_of_the_order_of_bytes(tmp_path):
    with (tmp_path / "m.po").open("wb") as file:
        file.write(codecs.BOM_UTF8)
        pofile.write_po(file, _catalogue())
    assert len(_read(tmp_path / "m.po")) == 2
