"""Labels: what each rule says of each character, written under it by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled import ConfigError, DataError
from unrolled.inspection.labels import kind_of, labels_of


def _label(name, text, kind="python", **options):
    return {one.name: one for one in labels_of(text, kind=kind, **options)}[name]


@pytest.mark.parametrize(
    ("name", "kind", "text", "marks"),
    [
        ("quote", "python", "a = 'b' + c;", "000011000000"),
        ("quote", "python", "x('a\"b');;;", "00111100000"),
        ("docstring", "python", "r'\\'' # '", "011100000"),
        ("docstring", "python", '"""a;"b"""c', "11111111100"),
        ("words", "python", '"""a;"b"""c', "11111111100"),
        ("words", "python", "'a' # b", "1100111"),
        ("docstring", "python", "a(\n'b')\n  r'c'\nd = 'e'", "0000000000011000000000"),
        ("quote", "python", "a(\n'b')\n  r'c'\nd = 'e'", "0001100000000000000110"),
        ("docstring", "python", "'open\nb;", "11111000"),
        ("quote", "c", 'f(\'"\', "a");', "001100011000"),
        ("quote", "prose", 'He said "no" and', "0000000011100000"),
        ("quote", "prose", "don't \u201cgo\u201d", "0000001110"),
        ("comment", "python", "a # b\nc", "0011100"),
        ("comment", "python", "'#' # '\nc", "000011100"),
        ("comment", "c", "a // b\nc /* d\n*/ e", "001111000111111000"),
        ("if", "python", "if a:\n  b", "001100000"),
        ("if", "python", "  elif a[b:c]: d", "0000001111111000"),
        ("if", "python", "iffy = 1 if a\nif x:", "0000000000000000110"),
        ("if", "c", "if (a) b;", "001110000"),
        ("brackets", "python", "a(b[c]{'('})", "011221222210"),
        ("brackets", "python", ")a(b", "0011"),
        ("indent", "python", "a:\n  b\n\n    c\nd", "0000022222224" + "40"),
        ("depth", "python", "a:\n  b(\n  c)\nd", "00000122222110"),
        ("depth", "python", "a:\n  b:\n      c\n  d", "00000" + "1" * 9 + "22221"),
        ("depth", "python", "a:\n  '''b\nc'''\n  # d\n# e\nf", "00000" + "1" * 16 + "00000"),
        ("depth", "python", "a:\n  b\\\n    c", "00000" + "1" * 8),
        ("depth", "c", "if (a) {\n  b;\n}", "000110011111110"),
        ("docstring", "python", "'a\\'\nb", "111100"),
        ("comment", "python", "# a*/\nb", "11111100"[:5] + "00"),
        ("if", "c", "if (f(a) && b) c;", "00" + "1" * 11 + "0000"),
        ("column", "python", "ab\nc", "1201"),
        ("to newline", "python", "ab\ncde", "214321"),
        ("word", "prose", "a_1 b!", "111010"),
        ("number", "prose", "a1 23", "01011"),
        ("upper", "prose", "aBC d", "01100"),
    ],
)
def test_a_rule(name, kind, text, marks):
    """After a character is read: within, 1; not, 0; or how many."""
    got = "".join(str(int(one)) for one in _label(name, text, kind).values)
    assert got == marks, f"\n{text!r}\n{got}\n{marks}"


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(st.sampled_from("ab1A \n\t'\"#/*()[]{}:\\if\u201c\u201d"), max_size=60),
    kind=st.sampled_from(["python", "c", "prose"]),
)
def test_any_text(text, kind):
    for label in labels_of(text, kind=kind):
        assert label.values.shape == (len(text),)
        assert np.isfinite(label.values).all()
        assert (label.values >= 0).all()


def test_labels_of_the_user():
    text = "see http://a.b and www.c"
    given = {
        "url": r"http://\S+|www\.\S+",
        "vowel": lambda text: [one in "aeiou" for one in text],
        "n": range(len(text)),
    }
    found = {one.name: one for one in labels_of(text, given)}
    assert found["url"].values.sum() == len("http://a.") + len("www.")
    assert found["url"].is_binary
    assert found["vowel"].values[1] == 1
    assert not found["n"].is_binary


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ("(", ConfigError, "no regular expression"),
        ("a{1,999999999999}", ConfigError, "no regular expression"),
        ("(" * 5000 + ")" * 5000, ConfigError, "no regular expression"),
        (lambda text: text.nothing, ConfigError, "AttributeError"),
        ([1, 2], DataError, "one number for each of 5 characters"),
        ([1, 2, 3, 4, float("nan")], DataError, "finite"),
        (["a"] * 5, DataError, "not made of numbers"),
    ],
)
def test_what_is_no_label(given, error, told):
    with pytest.raises(error, match=told):
        labels_of("abcde", {"mine": given})


def test_what_a_text_looks_like():
    assert kind_of("import os\n\ndef f(x):\n    return os\n") == "python"
    assert kind_of("int f(int x) {\n  x += 1;\n  return x;\n}\n") == "c"
    assert kind_of("It was the best of times,\nit was the worst of times.\n") == "prose"
    assert kind_of("") == "prose"


def test_a_label_that_is_the_same_everywhere_is_left_out():
    assert "comment" not in {one.name for one in labels_of("a = 1\n", kind="python")}
    assert labels_of("") == []


def test_a_label_of_the_user_takes_the_place_of_a_rule():
    found = [one for one in labels_of("a 'b' c", {"quote": "b"}) if one.name == "quote"]
    assert [one.what for one in found] == ["within a match of b"]


def test_what_a_label_is_in_words():
    found = {one.name: one.what for one in labels_of("abc", {"yes": [0, 1, 1], "many": [0, 1, 2]})}
    assert found["yes"] == "where 'yes' is true"
    assert found["many"] == "'many'"


def test_a_label_of_the_user_that_never_changes_is_not_forgotten():
    assert [one.name for one in labels_of("abc", {"digit": "[0-9]"}) if not one.varies] == ["digit"]
