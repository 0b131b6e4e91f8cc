"""Vocabularies of words and of byte pairs, through the library `tokenizers`. Knows no files and no models.

Stored are the words, or the pieces and their merges; the library's own objects are made from these, so that a stored
vocabulary can bring no rules of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.data import decoding
from unrolled.data.stored import Ids
from unrolled.data.vocabulary import Decoder, Unseen, Vocabulary
from unrolled.errors import ConfigError

UNKNOWN = "<unknown>"
_WORD = r"\w+|\s|[^\w\s]"  # a word, one space or line end, one sign: together every character, once
_LARGEST = 1 << 20


class Words(BaseModel, Vocabulary):
    """The most frequent words, spaces and signs. Id 0 stands for every word that is not among them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Literal["words"] = "words"
    words: tuple[str, ...] = Field(min_length=1, max_length=_LARGEST)

    @model_validator(mode="after")
    def _different(self) -> Words:
        if self.words[0] != UNKNOWN or len(set(self.words)) != len(self.words):
            raise ValueError(f"the words differ from each other, and the first is {UNKNOWN}")
        return self

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> Words:
        """The `size` - 1 most frequent words of a text, and the unknown one."""
        library = _library()
        tokenizer = _word_tokenizer({UNKNOWN: 0})
        trainer = library.trainers.WordLevelTrainer(vocab_size=size, special_tokens=[UNKNOWN], show_progress=False)
        tokenizer.train_from_iterator(texts, trainer)
        ranked = sorted(tokenizer.get_vocab().items(), key=lambda one: one[1])
        return cls(words=tuple(word for word, _ in ranked))

    def __len__(self) -> int:
        return len(self.words)

    @property
    def unit(self) -> str:
        """What one symbol is called."""
        return "word"

    def encode(self, text: str) -> tuple[Ids, Unseen]:
        """The ids of a text; unknown words are counted, and have the id 0."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        ids = np.array(encoded.ids, dtype=f"<u{self.width}")
        unseen = Counter(text[slice(*encoded.offsets[place])] for place in np.flatnonzero(ids == 0).tolist())
        return ids, unseen

    def encode_blocks(self, blocks: Iterable[bytes], name: str) -> Iterator[tuple[Ids, Unseen]]:
        """The same for a text that comes in blocks of bytes."""
        return map(self.encode, decoding.whole_lines(decoding.characters(blocks, name)))

    def decoder(self) -> Decoder:
        """A function that turns one id after the other into text."""
        return _WordDecoder(self.words)

    def characters(self, ids: Ids) -> int:
        """How many characters the words have; an unknown word counts as one."""
        return int(self._lengths[ids].sum())

    def summary(self) -> str:
        """The words in a line, cut to 200 letters."""
        text = " ".join(word for word in self.words if not word.isspace())
        return text[:200] + ("..." if len(text) > 200 else "")

    def to_json(self) -> str:
        """To be read back by `unrolled.data.read_vocabulary`."""
        return self.model_dump_json()

    @cached_property
    def _tokenizer(self) -> Any:
        return _word_tokenizer({word: place for place, word in enumerate(self.words)})

    @cached_property
    def _lengths(self) -> Ids:
        return np.array([1, *map(len, self.words[1:])])


class Pairs(BaseModel, Vocabulary):
    """Pieces made by joining the most frequent pair again and again, from single bytes (Sennrich et al. 2016).

    Every text can be written with them. A piece is spelled in the 256 letters that stand for the bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Literal["pairs"] = "pairs"
    pieces: tuple[str, ...] = Field(min_length=256, max_length=_LARGEST)
    merges: tuple[tuple[str, str], ...] = Field(max_length=_LARGEST)

    @model_validator(mode="after")
    def _complete(self) -> Pairs:
        known = set(self.pieces)
        if len(known) != len(self.pieces) or not known >= set(_letters()):
            raise ValueError("the pieces differ from each other, and all bytes are among them")
        if not all({left, right, left + right} <= known for left, right in self.merges):
            raise ValueError("a merge joins two pieces to a third")
        if not all(set(piece) <= set(_letters()) and piece for piece in known):
            raise ValueError("a piece is spelled in the letters of bytes")
        return self

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> Pairs:
        """`size` pieces, 256 of them the bytes.

        Raises:
            ConfigError: a size below 256.
        """
        if size < 256:
            raise ConfigError(f"vocab_size {size}: byte pairs start from the 256 bytes, give 256 or more")
        library = _library()
        tokenizer = _pair_tokenizer({letter: place for place, letter in enumerate(_letters())}, [])
        trainer = library.trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=_letters(), special_tokens=[], show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        model = json.loads(tokenizer.to_str())["model"]
        ranked = sorted(model["vocab"].items(), key=lambda one: one[1])
        merges = [tuple(one) if isinstance(one, list) else tuple(one.split(" ")) for one in model["merges"]]
        return cls(pieces=tuple(piece for piece, _ in ranked), merges=tuple(merges))

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def unit(self) -> str:
        """What one symbol is called."""
        return "piece"

    @property
    def unknown(self) -> int | None:
        """The id of what is not known: there is none."""
        return None

    @property
    def entries(self) -> tuple[str, ...]:
        """The pieces, by their ids."""
        return self.pieces

    def cut(self, text: str) -> list[str]:
        """The pieces of a text."""
        return [self.pieces[one] for one in self.encode(text)[0].tolist()]

    def ids(self, pieces: Sequence[str]) -> NDArray[np.int64]:
        """The ids of pieces."""
        return np.array([self._places[piece] for piece in pieces], dtype=np.int64)

    def join(self, pieces: Sequence[str]) -> str:
        """A text of these pieces; bytes that make no character are replaced."""
        return b"".join(self._spelled[self._places[piece]] for piece in pieces).decode("utf-8", "replace")

    def encode(self, text: str) -> tuple[Ids, Unseen]:
        """The ids of a text; nothing is unknown."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return np.array(ids, dtype=f"<u{self.width}"), Counter()

    def encode_blocks(self, blocks: Iterable[bytes], name: str) -> Iterator[tuple[Ids, Unseen]]:
        """The same for a text that comes in blocks of bytes."""
        return map(self.encode, decoding.whole_lines(decoding.characters(blocks, name)))

    def decoder(self) -> Decoder:
        """A function that turns one id after the other into text, as soon as its characters are whole."""
        return _PairDecoder(self._spelled)

    def characters(self, ids: Ids) -> int:
        """How many characters begin in the text of these ids."""
        return int(self._begun[ids].sum())

    def summary(self) -> str:
        """How they came about."""
        return f"256 bytes and {len(self.merges)} joined pairs"

    def to_json(self) -> str:
        """To be read back by `unrolled.data.read_vocabulary`."""
        return self.model_dump_json()

    @cached_property
    def _tokenizer(self) -> Any:
        return _pair_tokenizer({piece: place for place, piece in enumerate(self.pieces)}, list(self.merges))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {piece: place for place, piece in enumerate(self.pieces)}

    @cached_property
    def _spelled(self) -> tuple[bytes, ...]:
        value = {letter: place for place, letter in enumerate(_letters())}
        return tuple(bytes(value[letter] for letter in piece) for piece in self.pieces)

    @cached_property
    def _begun(self) -> Ids:
        return np.array([sum((one & 0xC0) != 0x80 for one in piece) for piece in self._spelled])


class _WordDecoder(Decoder):
    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words

    def __call__(self, one: int | None) -> str:
        return "" if one is None else self._words[one]


class _PairDecoder(Decoder):
    def __init__(self, spelled: tuple[bytes, ...]) -> None:
        self._spelled = spelled
        self._held = b""

    def __call__(self, one: int | None) -> str:
        self._held += b"" if one is None else self._spelled[one]
        whole = len(self._held) if one is None else _whole(self._held)
        text, self._held = self._held[:whole].decode("utf-8", "replace"), self._held[whole:]
        return text


def _whole(content: bytes) -> int:
    """How many bytes can be decoded already: all, unless the last ones begin a character that may still be ended."""
    for back in range(1, min(3, len(content)) + 1):
        byte = content[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(content) - back if back < needed else len(content)
        if byte < 0x80:
            break
    return len(content)


def _letters() -> list[str]:
    """The letters that stand for the 256 bytes: a byte that prints is itself, the others follow from 256 on."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = chain(range(0x21), range(0x7F, 0xA1), [0xAD])
    letters = {byte: chr(byte) for byte in printed} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    return [letters[byte] for byte in range(256)]


def _word_tokenizer(vocabulary: dict[str, int]) -> Any:
    library = _library()
    tokenizer = library.Tokenizer(library.models.WordLevel(vocab=vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = library.pre_tokenizers.Split(library.Regex(_WORD), "isolated")
    return tokenizer


def _pair_tokenizer(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise ConfigError(
            "words and byte pairs need the library 'tokenizers': pip install tokenizers. Characters and"
            " bytes (--tokens) need nothing more"
        ) from error
    return tokenizers
