"""Vocabularies: symbols to ids and back. Knows characters (code points) and bytes; no files, no models."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.errors import DataError

Ids = NDArray[np.int64]
Tokens = Literal["characters", "bytes"]


class Vocabulary(BaseModel):
    """The symbols that a model knows, in the order of their ids: code points, or values of bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Tokens
    codes: tuple[Annotated[int, Field(ge=0, lt=0x110000)], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _increasing(self) -> Vocabulary:
        if any(a >= b for a, b in zip(self.codes, self.codes[1:], strict=False)):
            raise ValueError("the codes of a vocabulary increase")
        if self.tokens == "bytes" and self.codes[-1] > 255:
            raise ValueError("the code of a byte is below 256")
        return self

    @classmethod
    def of(cls, content: bytes, tokens: Tokens, name: str = "the text") -> Vocabulary:
        """The symbols that occur in a text, sorted; for bytes, all 256, so that any file can be read.

        Raises:
            DataError: for characters, a text that is not UTF-8.
        """
        if tokens == "bytes":
            return cls(tokens=tokens, codes=tuple(range(256)))
        return cls(tokens=tokens, codes=tuple(int(code) for code in np.unique(_codes(content, tokens, name))))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def unit(self) -> str:
        """What one symbol is called."""
        return "character" if self.tokens == "characters" else "byte"

    def encode(self, content: bytes | str, name: str = "the text") -> tuple[Ids, dict[str, int]]:
        """The ids of a text, and how often each symbol occurs in it that the vocabulary lacks (left out).

        Raises:
            DataError: for characters, a text that is not UTF-8.
        """
        codes = _codes(content, self.tokens, name)
        places = np.minimum(np.searchsorted(self._sorted, codes), len(self) - 1)
        known = self._sorted[places] == codes
        return places[known].astype(np.int64), Counter(self.written(code) for code in codes[~known].tolist())

    def encode_known(self, text: str, name: str) -> Ids:
        """The ids of a text that must hold only known symbols, such as a prompt.

        Raises:
            DataError: it holds others; names them.
        """
        ids, unseen = self.encode(text, name)
        if unseen:
            raise DataError(
                f"{name} holds {self.unit}s that the model has never seen: {' '.join(map(repr, unseen))}."
                f" It knows {len(self)}: {self.summary()}"
            )
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; bytes that are no UTF-8 become the replacement character."""
        decoder = self.decoder()
        return "".join(decoder(one) for one in ids) + decoder(None)

    def decoder(self) -> Decoder:
        """A function that turns one id after the other into text, as soon as it is known (None: the end)."""
        return Decoder(self)

    def written(self, code: int) -> str:
        """A symbol as text: the character, or the byte in hexadecimal."""
        return chr(code) if self.tokens == "characters" else f"\\x{code:02x}"

    def summary(self) -> str:
        """The symbols in a line, cut to 200 letters."""
        text = "".join(map(self.written, self.codes))
        return repr(text[:200]) + ("..." if len(text) > 200 else "")

    @cached_property
    def _sorted(self) -> NDArray[np.uint32]:
        return np.array(self.codes, dtype=np.uint32)


class Decoder:
    """Turns ids into text one by one; holds back bytes until their character is whole."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._codes = vocabulary.codes
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace") if vocabulary.tokens == "bytes" else None

    def __call__(self, one: int | None) -> str:
        """The text that this id completes, maybe none; None says that no more follow."""
        if self._bytes is None:
            return "" if one is None else chr(self._codes[one])
        return self._bytes.decode(b"", final=True) if one is None else self._bytes.decode(bytes([self._codes[one]]))


def _codes(content: bytes | str, tokens: Tokens, name: str) -> NDArray[np.uint32]:
    """The code of every symbol of a text."""
    if tokens == "bytes":
        raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        return np.frombuffer(raw, dtype=np.uint8).astype(np.uint32)
    text = content if isinstance(content, str) else _decoded(content, name)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _decoded(content: bytes, name: str) -> str:
    """UTF-8, without the mark that some editors put first."""
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not UTF-8 text: byte {content[error.start]:#04x} in line {line}. Convert it to UTF-8,"
            " or read it as bytes: --tokens bytes"
        ) from error
