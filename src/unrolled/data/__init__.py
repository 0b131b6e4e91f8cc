"""Text, and other sequences, as numbers: sources, vocabularies, streams, examples. Knows no models and no training."""

from unrolled.data import corpora, decoding
from unrolled.data.encoding import Encoded, Mix, TextFile, encode, encode_with, read_vocabulary, texts_of
from unrolled.data.examples import Batch, Batches, Examples, read_examples, stored_examples
from unrolled.data.images import Fit, FrameShape, Pixels
from unrolled.data.labelled import Labelled, labelled
from unrolled.data.lexicon import Lexicon, Pieces
from unrolled.data.parallel import Parallel, parallel
from unrolled.data.pictures import Picture, are_arrays, name_images, passed_over, pictures
from unrolled.data.ragged import Ragged
from unrolled.data.sources import Named, Place, as_names, default_corpus, found
from unrolled.data.spelling import Cut, Spelling, spelling_of
from unrolled.data.stored import Ids, StoredIds, Text, first
from unrolled.data.streams import PADDING, Chunk, Streams, reading, side_by_side, split
from unrolled.data.subwords import Pairs
from unrolled.data.tagged import tagged
from unrolled.data.vocabulary import Decoder, Symbols, Tokens, Vocabulary

__all__ = [
    "PADDING", "Batch", "Batches", "Chunk", "Cut", "Decoder", "Encoded", "Examples", "Fit", "FrameShape", "Ids",
    "Labelled", "Lexicon", "Mix", "Named", "Pairs", "Parallel", "Picture", "Pieces", "Pixels", "Place", "Ragged",
    "Spelling", "StoredIds", "Streams", "Symbols", "Text", "TextFile", "Tokens", "Vocabulary", "are_arrays",
    "as_names", "corpora", "decoding", "default_corpus", "encode", "encode_with", "first", "found", "labelled",
    "name_images", "parallel", "passed_over", "pictures", "read_examples", "read_vocabulary", "reading", "side_by_side",
    "spelling_of", "split", "stored_examples", "tagged", "texts_of",
]  # fmt: skip
