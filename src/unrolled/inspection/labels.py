"""What a text is, character by character: inside quotes, in a comment, how deep. Knows characters, no networks.

Each label says what holds after a character was read: after an opening quote one is inside, after a closing one not.
In Python a string that is a statement of its own is a docstring, prose over many lines, and is told apart from quotes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError

Floats = NDArray[np.float64]
Kind = Literal["python", "c", "prose"]


@dataclass(frozen=True)
class Label:
    """A property of every character of a text, `[N]`: true or false (1 or 0), or a number.

    what: in words. cell: what a unit that tells it is called (Karpathy, Johnson & Fei-Fei 2015), if it has a name.
    """

    name: str
    what: str
    values: Floats
    cell: str = ""

    @property
    def is_binary(self) -> bool:
        """Whether it is true or false."""
        return bool(np.isin(self.values, (0.0, 1.0)).all())

    @property
    def varies(self) -> bool:
        """Whether there is anything to find."""
        return len(self.values) > 0 and self.values.min() < self.values.max()


def labels_of(text: str, more: Mapping[str, Any] | None = None, kind: Kind | None = None) -> list[Label]:
    """What the rules say of a text, and the labels of the user.

    Args:
        text: what is read.
        more: name -> a regular expression (true within a match), a function of the text, or a column `[N]`; in the
            place of a rule of that name.
        kind: of text: source in "python" or "c" (and its like), or "prose"; None: what it looks like.

    Returns:
        The labels that differ from character to character, and all of the user's.

    Raises:
        ConfigError: a regular expression that is none, or a function that fails.
        DataError: a column of another length, or not of numbers.
    """
    reading = Reading(text, kind or kind_of(text))
    found = [
        Label(name, what, np.asarray(rule(reading), dtype=np.float64), _CELLS.get(name, ""))
        for name, (what, rule) in RULES.items()
        if name not in (more or {})
    ]
    of_the_user = [_of_the_user(text, name, given) for name, given in (more or {}).items()]
    return [one for one in found if one.varies] + of_the_user


def kind_of(text: str) -> Kind:
    """What a text looks like."""
    lines = max(1, text.count("\n"))
    if len(re.findall(r"[;{}]\s*$", text, re.MULTILINE)) > 0.2 * lines:
        return "c"
    if len(re.findall(r"^\s*(?:(?:def|class|import|from|if|for|with)\b.*|try:)$", text, re.MULTILINE)) > 0.05 * lines:
        return "python"
    return "prose"


def _of_the_user(text: str, name: str, given: Any) -> Label:
    what = ""
    if isinstance(given, str):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # (Python's, of what a later one may read in another way)
                pattern = re.compile(given, re.MULTILINE)
            values: Any = _within(text, pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"the label {name!r} is no regular expression: {error}") from error
        what = f"within a match of {given}"
    elif callable(given):
        try:
            values = given(text)
        except Exception as error:
            raise ConfigError(f"the label {name!r} failed on the text: {type(error).__name__}: {error}") from error
    else:
        values = given
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the label {name!r} is not made of numbers: {error}") from error
    if column.shape != (len(text),):
        raise DataError(
            f"the label {name!r} has shape {list(column.shape)}: give one number for each of {len(text):,} characters"
        )
    if not np.isfinite(column).all():
        raise DataError(f"the label {name!r} is not finite at character {int(np.isfinite(column).argmin()) + 1:,}")
    return Label(name, what or in_words(name, column), column)


def in_words(name: str, column: Floats) -> str:
    """What a label is of which nothing but its name is known."""
    return f"where {name!r} is true" if np.isin(column, (0.0, 1.0)).all() else repr(name)


def _within(text: str, pattern: re.Pattern[str]) -> Floats:
    """One from the first character of each match to its last but one, after which it is over."""
    found = np.zeros(len(text))
    for match in pattern.finditer(text):
        found[match.start() : max(match.start() + 1, match.end() - 1)] = 1
    return found


def _spans(text: str, spans: Iterable[tuple[int, int]]) -> Floats:
    found = np.zeros(len(text))
    for start, end in spans:
        found[start:end] = 1
    return found


_PYTHON = re.compile(
    r"""(?P<string>\'{3}(?:\\.|[^\\])*?(?:\'{3}|\Z)|"{3}(?:\\.|[^\\])*?(?:"{3}|\Z)"""
    r"""|'(?:\\.|[^'\\\n])*(?:'|$)|"(?:\\.|[^"\\\n])*(?:"|$))|(?P<comment>\#[^\n]*)""",
    re.DOTALL | re.MULTILINE,
)
_C = re.compile(
    r"""(?P<string>'(?:\\.|[^'\\\n])*(?:'|$)|"(?:\\.|[^"\\\n])*(?:"|$))|(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))""",
    re.DOTALL | re.MULTILINE,
)
_PROSE = re.compile(r"""(?P<string>"[^"]{1,1000}"|\u201c[^\u201d]{1,1000}\u201d)""")
_PIECES = {"python": _PYTHON, "c": _C, "prose": _PROSE}
_PYTHON_CONDITION = re.compile(r"^[ \t]*(?:el)?if\b(?P<condition>[^:]*)", re.MULTILINE)
_C_CONDITION = re.compile(r"\bif(?P<behind>[ \t]*)\(")
_PREFIX = re.compile(r"[ \t]*[rRuUbBfF]{0,2}")
_LINE = re.compile(r"^([ \t]*)([^\s])", re.MULTILINE)


class Reading:
    """A text, taken apart into strings, comments and the rest."""

    def __init__(self, text: str, kind: Kind) -> None:
        self.text = text
        self.kind = kind
        pieces = list(_PIECES[kind].finditer(text))
        strings = [one for one in pieces if one.lastgroup == "string"]
        self.strings = [(one.start(), one.end() - 1 if _is_closed(one[0]) else one.end()) for one in strings]
        comments = [one for one in pieces if one.lastgroup == "comment"]
        is_closed = [kind == "c" and one[0].startswith("/*") and one[0].endswith("*/") for one in comments]
        self.comments = [(one.start(), one.end() - yes) for one, yes in zip(comments, is_closed, strict=True)]
        self.code = _without(text, [one.span() for one in pieces])

    @cached_property
    def brackets(self) -> Floats:
        """How many brackets are open, outside of strings and comments."""
        change = np.array([(one in "([{") - (one in ")]}") for one in self.code], dtype=np.float64)
        depth = np.cumsum(change)
        return depth - np.minimum(np.minimum.accumulate(depth), 0.0) if len(depth) else depth

    @cached_property
    def docstrings(self) -> list[tuple[int, int]]:
        """The strings that are statements of their own in Python: at the begin of a line, outside of brackets."""
        if self.kind != "python":
            return []
        before, opened = np.r_[0.0, self.brackets], []
        for start, end in self.strings:
            line = self.code.rfind("\n", 0, start) + 1
            if before[line] == 0 and _PREFIX.fullmatch(self.code, line, start):
                opened.append((start, end))
        return opened

    @cached_property
    def quotes(self) -> list[tuple[int, int]]:
        """All other strings."""
        apart = set(self.docstrings)
        return [one for one in self.strings if one not in apart]

    @cached_property
    def indent(self) -> Floats:
        """How far the last line that holds something is indented, in columns; a tab has 8."""
        lines = [(line.end() - 1, len(line[1].expandtabs(8))) for line in _LINE.finditer(self.text)]
        return _held(len(self.text), lines)

    @cached_property
    def blocks(self) -> Floats:
        """In how many blocks the last statement stands, by indentation; a line that goes on with one changes nothing.

        In C and its like blocks are brackets.
        """
        if self.kind == "c":
            return np.zeros(len(self.text))
        within = np.r_[0.0, _spans(self.text, [(start + 1, end + 1) for start, end in self.strings])] > 0
        opened, lines, columns = np.r_[0.0, self.brackets], [], [0]
        for line in _LINE.finditer(self.text):
            start, column = line.start(), len(line[1].expandtabs(8))
            if within[start] or opened[start] or self.code[max(0, start - 2) : start] == "\\\n":
                continue
            if self.code[line.end() - 1] == "x" and self.text[line.end() - 1] == "#":  # a comment opens and closes none
                deep = sum(one <= column for one in columns) - 1
            else:
                columns = [one for one in columns if one <= column] or [0]
                columns += [column] if column > columns[-1] else []
                deep = len(columns) - 1
            lines.append((line.end() - 1, deep))
        return _held(len(self.text), lines)

    @cached_property
    def depth(self) -> Floats:
        """How many blocks and brackets are open."""
        return self.blocks + self.brackets

    @cached_property
    def conditions(self) -> list[tuple[int, int]]:
        """From behind each `if` to before what ends its condition."""
        if self.kind == "prose":
            return []
        if self.kind == "c":
            return [(one.start("behind"), self._closing(one.end() - 1)) for one in _C_CONDITION.finditer(self.code)]
        deep = zip(self.code, self.brackets, strict=True)
        shallow = "".join(one if opened == 0 else "x" for one, opened in deep)
        return [one.span("condition") for one in _PYTHON_CONDITION.finditer(shallow)]

    def _closing(self, bracket: int) -> int:
        """Where a bracket is closed, or the end of the text."""
        after = np.flatnonzero(self.brackets[bracket:] < self.brackets[bracket])
        return bracket + int(after[0]) if len(after) else len(self.text)

    @cached_property
    def column(self) -> Floats:
        """How many characters ago the line began: 0 after its newline."""
        places = np.arange(len(self.text))
        newlines = np.where(_is(self.text, "\n"), places, -1)
        return (
            (places - np.maximum.accumulate(newlines)).astype(np.float64) if len(places) else places.astype(np.float64)
        )

    @cached_property
    def to_newline(self) -> Floats:
        """How many characters are still to come until the next newline is read, or the text ends: 1 before it."""
        places = np.arange(len(self.text))
        newlines = np.where(_is(self.text, "\n"), places, len(self.text))
        at_or_after = np.minimum.accumulate(newlines[::-1])[::-1] if len(places) else newlines
        following = np.append(at_or_after[1:], len(self.text))[: len(places)]
        found: Floats = (following - places).astype(np.float64)
        return found


def _is_closed(string: str) -> bool:
    """Whether a string has its closing quote, which is then its last character."""
    size = 3 if string[:3] in ("'''", '"""') else 1
    quote = string[:size] if string[0] != "\u201c" else "\u201d"
    inside = string[size:-size]
    escapes = len(inside) - len(inside.rstrip("\\"))
    return len(string) >= 2 * size and string.endswith(quote) and (string[0] == "\u201c" or escapes % 2 == 0)


def _held(count: int, changes: Sequence[tuple[int, float]]) -> Floats:
    """Values that hold from their places on until the next one: `[count]`."""
    found = np.zeros(count)
    for (place, value), (end, _) in pairwise([*changes, (count, 0.0)]):
        found[place:end] = value
    return found


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with an x for every character of the spans that is no newline."""
    parts, last = [], 0
    for start, end in spans:
        parts += [text[last:start], re.sub(r"[^\n]", "x", text[start:end])]
        last = end
    return "".join([*parts, text[last:]])


def _is(text: str, one: str) -> NDArray[np.bool_]:
    return np.array([letter == one for letter in text], dtype=bool)


def _each(test: Callable[[str], bool]) -> Callable[[Reading], Any]:
    return lambda reading: [test(one) for one in reading.text]


# name -> what it is in words, and the rule: a number for each character
RULES: dict[str, tuple[str, Callable[[Reading], Any]]] = {
    "quote": ("inside quotes", lambda reading: _spans(reading.text, reading.quotes)),
    "docstring": ("inside a docstring", lambda reading: _spans(reading.text, reading.docstrings)),
    "words": (
        "inside quotes, a docstring or a comment",
        lambda reading: _spans(reading.text, reading.strings + reading.comments),
    ),
    "comment": ("inside a comment", lambda reading: _spans(reading.text, reading.comments)),
    "if": ("inside the condition of an if", lambda reading: _spans(reading.text, reading.conditions)),
    "depth": ("the depth of blocks and brackets", lambda reading: reading.depth),
    "indent": ("the indentation of the line", lambda reading: reading.indent),
    "brackets": ("how many brackets are open", lambda reading: reading.brackets),
    "column": ("the position in the line", lambda reading: reading.column),
    "to newline": ("how far the next newline is", lambda reading: reading.to_newline),
    "word": ("in a word", _each(lambda one: one.isalnum() or one == "_")),
    "number": ("in a number", _each(str.isdigit)),
    "upper": ("at upper case", _each(str.isupper)),
}

# the five cells that the paper shows
_CELLS = {
    "quote": "quote detection cell",
    "words": "quote/comment cell",
    "if": "if statement cell",
    "depth": "code depth cell",
    "column": "line length cell",
}
