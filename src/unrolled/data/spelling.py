"""What a translator needs of a vocabulary: texts to pieces, pieces to ids, pieces to texts. Knows no models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from unrolled.data.lexicon import Lexicon
from unrolled.data.subwords import Pairs

Cut = Literal["words", "characters", "pairs"]


class Spelling(Protocol):
    """A `Lexicon`, or `Pairs`."""

    @property
    def unit(self) -> str:
        """What one piece is called."""
        ...

    @property
    def unknown(self) -> int | None:
        """The id of every piece that is not known; None: all are."""
        ...

    @property
    def entries(self) -> tuple[str, ...]:
        """The pieces, by their ids."""
        ...

    def __len__(self) -> int: ...

    def cut(self, text: str) -> list[str]:
        """The pieces of a text, known or not."""
        ...

    def ids(self, pieces: Sequence[str]) -> NDArray[np.int64]:
        """The ids of pieces."""
        ...

    def join(self, pieces: Sequence[str]) -> str:
        """A text of these pieces."""
        ...


def spelling_of(texts: Iterable[str], cut: Cut, size: int, *, lower: bool) -> Lexicon | Pairs:
    """The most frequent pieces of these texts, `size` at most. `lower` is for words and characters.

    Raises:
        ConfigError: byte pairs, and a size below 256, or the library `tokenizers` is not here.
    """
    if cut == "pairs":
        return Pairs.of(texts, size)
    return Lexicon.of(texts, "glued" if cut == "words" else "characters", size, lower=lower)
