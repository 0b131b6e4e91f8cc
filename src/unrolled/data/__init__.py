"""Text as ids: sources, vocabularies, streams. Knows no models and no training."""

from unrolled.data import corpora, decoding
from unrolled.data.encoding import Encoded, Mix, TextFile, encode, encode_with, read_vocabulary, texts_of
from unrolled.data.sources import Place, default_corpus, found
from unrolled.data.stored import Ids, StoredIds, Text, first
from unrolled.data.streams import PADDING, Chunk, Streams, reading, side_by_side, split
from unrolled.data.vocabulary import Decoder, Symbols, Tokens, Vocabulary

__all__ = [
    "PADDING", "Chunk", "Decoder", "Encoded", "Ids", "Mix", "Place", "StoredIds", "Streams", "Symbols", "Text",
    "TextFile", "Tokens", "Vocabulary", "corpora", "decoding", "default_corpus", "encode", "encode_with", "first",
    "found", "read_vocabulary", "reading", "side_by_side", "split", "texts_of",
]  # fmt: skip
