"""Vocabularies: symbols to ids and back. Knows no files and no models.

Symbols are characters (code points) or bytes; words and byte pairs stand in `unrolled.data.subwords`.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.data import decoding
from unrolled.data.stored import Ids
from unrolled.errors import DataError

Tokens = Literal["characters", "bytes", "words", "pairs"]
Unseen = Counter[str]

_CODE_POINTS = 0x110000


class Vocabulary(ABC):
    """The symbols that a model knows. Their ids count from 0."""

    tokens: Tokens

    @property
    @abstractmethod
    def unit(self) -> str:
        """What one symbol is called."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def encode(self, text: str) -> tuple[Ids, Unseen]:
        """The ids of a text, and how often each symbol occurs in it that the vocabulary lacks (left out)."""

    @abstractmethod
    def encode_blocks(self, blocks: Iterable[bytes], name: str) -> Iterator[tuple[Ids, Unseen]]:
        """The same for a text that comes in blocks of bytes.

        Raises:
            DataError: a text that is not UTF-8, unless the symbols are bytes.
        """

    @abstractmethod
    def decoder(self) -> Decoder:
        """A function that turns one id after the other into text, as soon as it is known (None: the end)."""

    @abstractmethod
    def characters(self, ids: Ids) -> int:
        """How many characters begin in the text of these ids."""

    @abstractmethod
    def summary(self) -> str:
        """The symbols in a line, cut to 200 letters."""

    @abstractmethod
    def to_json(self) -> str:
        """To be read back by `unrolled.data.read_vocabulary`."""

    @property
    def width(self) -> int:
        """How many bytes an id needs: 1, 2 or 4."""
        return next(width for width in (1, 2, 4) if len(self) <= 256**width)

    def encode_known(self, text: str, name: str) -> Ids:
        """The ids of a text that must hold only known symbols, such as a prompt.

        Raises:
            DataError: it holds others; names them.
        """
        ids, unseen = self.encode(text)
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


class Decoder(ABC):
    """Turns ids into text one by one; holds back what may still change."""

    @abstractmethod
    def __call__(self, one: int | None) -> str:
        """The text that this id completes, maybe none; None says that no more follow."""


class Symbols(BaseModel, Vocabulary):
    """Code points, or values of bytes, in the order of their ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Literal["characters", "bytes"]
    codes: tuple[Annotated[int, Field(ge=0, lt=_CODE_POINTS)], ...] = Field(min_length=1, max_length=_CODE_POINTS)

    @model_validator(mode="after")
    def _increasing(self) -> Symbols:
        if any(a >= b for a, b in zip(self.codes, self.codes[1:], strict=False)):
            raise ValueError("the codes of a vocabulary increase")
        if self.tokens == "bytes" and self.codes[-1] > 255:
            raise ValueError("the code of a byte is below 256")
        return self

    @classmethod
    def of(cls, text: str) -> Symbols:
        """The characters that occur in a text, sorted."""
        return cls(tokens="characters", codes=tuple(sorted(set(map(ord, text)))))

    @classmethod
    def all_bytes(cls) -> Symbols:
        """All 256 bytes, so that any file can be read."""
        return cls(tokens="bytes", codes=tuple(range(256)))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def unit(self) -> str:
        """What one symbol is called."""
        return "character" if self.tokens == "characters" else "byte"

    def encode(self, text: str) -> tuple[Ids, Unseen]:
        """The ids of a text, and how often each symbol occurs in it that the vocabulary lacks (left out)."""
        if self.tokens == "bytes":
            return self._encode_bytes(text.encode("utf-8", "surrogateescape"))
        if text.isascii():
            return self._encode_bytes(text.encode("ascii"))
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        ids = self._places[codes]
        known = ids < len(self)
        unseen = Counter(self._written(code) for code in codes[~known].tolist())
        return ids[known].astype(f"<u{self.width}"), unseen

    def encode_blocks(self, blocks: Iterable[bytes], name: str) -> Iterator[tuple[Ids, Unseen]]:
        """The same for a text that comes in blocks of bytes."""
        if self.tokens == "bytes":
            return map(self._encode_bytes, blocks)
        return map(self.encode, decoding.characters(blocks, name))

    def decoder(self) -> Decoder:
        """A function that turns one id after the other into text, as soon as it is known (None: the end)."""
        return _SymbolDecoder(self)

    def characters(self, ids: Ids) -> int:
        """How many characters begin in these ids: of UTF-8's bytes, those that do not go on with a character."""
        if self.tokens == "characters":
            return len(ids)
        codes = np.asarray(self.codes)[ids]
        return int(((codes & 0xC0) != 0x80).sum())

    def summary(self) -> str:
        """The symbols in a line, cut to 200 letters."""
        text = "".join(map(self._written, self.codes[:200]))
        return repr(text[:200]) + ("..." if len(self) > 200 or len(text) > 200 else "")

    def to_json(self) -> str:
        """To be read back by `unrolled.data.read_vocabulary`."""
        return self.model_dump_json()

    def _encode_bytes(self, content: bytes) -> tuple[Ids, Unseen]:
        """Bytes, or characters of ASCII, by a table."""
        table, unknown = self._byte_table
        raw = content.translate(table, unknown)
        unseen: Unseen = Counter()
        if len(raw) < len(content):
            present = set(content) & set(unknown)
            unseen = Counter({self._written(code): content.count(code) for code in sorted(present, key=content.index)})
        return np.frombuffer(raw, dtype=np.uint8).astype(f"<u{self.width}", copy=False), unseen

    def _written(self, code: int) -> str:
        """A symbol as text: the character, or the byte in hexadecimal."""
        return chr(code) if self.tokens == "characters" else f"\\x{code:02x}"

    @cached_property
    def _byte_table(self) -> tuple[bytes, bytes]:
        """The id of each code below 256, and the codes there that are unknown."""
        places = {code: place for place, code in enumerate(self.codes) if code < 256 and place < 256}
        return bytes(places.get(code, 0) for code in range(256)), bytes(set(range(256)) - places.keys())

    @cached_property
    def _places(self) -> NDArray[np.uint32]:
        """The id of every code point; of an unknown one, a number beyond all ids."""
        places = np.full(_CODE_POINTS, len(self), dtype=np.uint32)
        places[list(self.codes)] = np.arange(len(self), dtype=np.uint32)
        return places


class _SymbolDecoder(Decoder):
    """Holds back bytes until their character is whole."""

    def __init__(self, vocabulary: Symbols) -> None:
        self._codes = vocabulary.codes
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace") if vocabulary.tokens == "bytes" else None

    def __call__(self, one: int | None) -> str:
        if self._bytes is None:
            return "" if one is None else chr(self._codes[one])
        return self._bytes.decode(b"", final=True) if one is None else self._bytes.decode(bytes([self._codes[one]]))


class SeenSymbols:
    """Collects the characters of a text that comes in pieces."""

    def __init__(self) -> None:
        self._seen = np.zeros(_CODE_POINTS, dtype=bool)

    def add(self, text: str) -> None:
        """More of the text."""
        raw: Any = text.encode("ascii") if text.isascii() else text.encode("utf-32-le", "surrogatepass")
        self._seen[np.frombuffer(raw, dtype=np.uint8 if text.isascii() else "<u4")] = True

    def add_codes(self, codes: Ids) -> None:
        """The code points of another text."""
        self._seen[codes] = True

    def codes(self) -> Ids:
        """The code points that were seen, sorted."""
        return np.flatnonzero(self._seen)

    def vocabulary(self) -> Symbols:
        """All that was seen, sorted."""
        return Symbols(tokens="characters", codes=tuple(self.codes().tolist()))
