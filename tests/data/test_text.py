"""Sources, vocabularies and streams: what is read is what is learned, symbol by symbol."""

from __future__ import annotations

import io
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from unrolled import DataError
from unrolled.data import PADDING, Streams, Symbols, decoding, default_corpus, encode, found, split

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(texts)
def test_characters_and_back(text):
    vocabulary = Symbols.of(text)
    ids, unseen = vocabulary.encode(text)
    assert not unseen
    assert vocabulary.decode(ids) == text
    assert len(vocabulary) == len(set(text))
    assert list(vocabulary.codes) == sorted(vocabulary.codes)


@given(texts)
def test_bytes_and_back(text):
    vocabulary = Symbols.all_bytes()
    ids, unseen = vocabulary.encode(text)
    assert not unseen
    assert len(ids) == len(text.encode())
    assert vocabulary.decode(ids) == text


@given(st.binary(min_size=1, max_size=40))
def test_any_bytes_can_be_written(content):
    vocabulary = Symbols.all_bytes()
    ((ids, _),) = vocabulary.encode_blocks([content], "data")
    assert vocabulary.decode(ids) == content.decode("utf-8", "replace")


def test_unseen_symbols_are_counted_and_left_out():
    vocabulary = Symbols.of("abc")
    ids, unseen = vocabulary.encode("xaybxcz")
    assert vocabulary.decode(ids) == "abc"
    assert unseen == {"x": 2, "y": 1, "z": 1}
    with pytest.raises(DataError, match="the prompt holds characters that the model has never seen: 'x' '\\\\n'"):
        vocabulary.encode_known("axb\n", "the prompt")


@given(texts, st.lists(st.integers(1, 7), max_size=8))
def test_utf_8_in_blocks(text, cuts):
    content = text.encode()
    ends = [0, *np.cumsum(cuts).tolist(), len(content)]
    blocks = [content[start:stop] for start, stop in pairwise(ends)]
    assert "".join(decoding.characters(blocks, "blocks")) == text.removeprefix("\ufeff")


def test_a_byte_order_mark_is_no_symbol():
    assert "".join(decoding.characters([b"\xef", b"\xbb\xbfab"], "marked")) == "ab"


@pytest.mark.parametrize("block", [1, 3, 100])
def test_what_is_no_utf_8_says_where(block):
    content = "a\ncaf\xe9 b".encode("latin-1")
    blocks = [content[start : start + block] for start in range(0, len(content), block)]
    with pytest.raises(DataError, match="latin.txt is not UTF-8 text: byte 0xe9 in line 2.*--tokens bytes"):
        list(decoding.characters(blocks, "latin.txt"))


@pytest.mark.parametrize("codes", [(), (2, 1), (1, 1), (-1,), (0x110000,)])
def test_a_vocabulary_is_checked(codes):
    with pytest.raises(ValidationError):
        Symbols(tokens="characters", codes=codes)


def test_a_vocabulary_of_bytes_ends_at_255():
    with pytest.raises(ValidationError):
        Symbols(tokens="bytes", codes=(1, 256))


def test_sources(tmp_path, monkeypatch):
    (tmp_path / "b.txt").write_bytes(b"second")
    (tmp_path / "a.txt").write_bytes(b"first\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.txt").write_bytes(b"third")
    (tmp_path / "deep" / "picture.png").write_bytes(b"\x89PNG\0")
    (tmp_path / ".hidden").write_bytes(b"never")
    (tmp_path / "empty.txt").write_bytes(b"")

    def read(*names):
        with found(names) as places:
            encoded = encode(places, "characters", 0, "concatenated")
        return encoded.vocabulary.decode(np.concatenate([np.asarray(text) for text in encoded.texts()])), encoded.about

    text, about = read(str(tmp_path))
    assert text == "first\nsecond\nthird"
    assert (about.files, about.skipped) == (3, 2)
    assert read(f"{tmp_path}/*.txt")[0] == "first\nsecond"
    assert read(f"{tmp_path}/deep/*.txt")[0] == "third"
    assert read(f"{tmp_path}/b.txt", f"{tmp_path}/a.txt")[0] == "second\nfirst\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"typed")))
    assert read("-")[0] == "typed"


def test_the_default_corpus_is_always_there():
    place = default_corpus()
    assert len(place.sources) > 100
    with found([]) as places:
        assert places == [place]


def test_a_split_holds_out_the_end():
    ids = np.arange(100)
    held_in, held_out = split(ids, 0.07)
    assert held_in.tolist() == list(range(93))
    assert held_out.tolist() == list(range(93, 100))


@given(st.integers(1, 7), st.integers(1, 9), st.integers(2, 200))
def test_streams_go_on_where_they_ended(batch_size, seq_length, size):
    ids = np.arange(size)
    if (size - 1) // batch_size < seq_length:
        with pytest.raises(DataError, match=f"one chunk of {batch_size} streams x {seq_length} steps needs"):
            Streams.of(ids, batch_size, seq_length)
        return
    streams = Streams.of(ids, batch_size, seq_length)
    chunks = [streams.chunk(number) for number in range(streams.chunks)]
    assert all(chunk.ids.shape == (seq_length, batch_size) for chunk in chunks)
    assert [chunk.starts.all() for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    whole = torch.cat([chunk.ids for chunk in chunks])
    assert torch.equal(whole.diff(dim=0), torch.ones_like(whole[1:]))
    assert torch.equal(torch.cat([chunk.targets for chunk in chunks]), whole + 1)
    again = streams.chunk(streams.chunks)
    assert torch.equal(again.ids, chunks[0].ids)
    assert again.starts.all()


@given(st.integers(1, 7), st.integers(1, 9), st.integers(2, 200))
def test_whole_streams_predict_every_symbol_once(batch_size, seq_length, size):
    streams = Streams.of(np.arange(size), batch_size, seq_length, whole=True)
    chunks = [streams.chunk(number) for number in range(streams.chunks)]
    targets = torch.cat([chunk.targets for chunk in chunks])
    ids = torch.cat([chunk.ids for chunk in chunks])
    real = targets != PADDING
    assert sorted(targets[real].tolist()) == list(range(1, size))
    assert torch.equal(targets[real], ids[real] + 1)
