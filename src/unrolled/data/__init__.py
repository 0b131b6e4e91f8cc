"""Text as ids: sources, vocabularies, streams. Knows no models and no training."""

from unrolled.data.sources import Source, default_corpus, read_sources
from unrolled.data.streams import PADDING, Chunk, Streams, split
from unrolled.data.vocabulary import Decoder, Ids, Tokens, Vocabulary

__all__ = [
    "PADDING", "Chunk", "Decoder", "Ids", "Source", "Streams", "Tokens", "Vocabulary", "default_corpus",
    "read_sources", "split",
]  # fmt: skip
