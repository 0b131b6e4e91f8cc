"""Whatever bytes are given to what reads them: an error of ours, or something that was read; never anything else.

UNROLLED_FUZZ_SECONDS is how long each reader is tried in the proofs (60 seconds, if it is not set). What is tried
there is new each time; a failure says the UNROLLED_FUZZ_SEED with which the same is tried again.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import struct
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import unrolled
from unrolled import Recurrent, UnrolledError, cells
from unrolled.cells.finding import _read_call
from unrolled.data import encoding, read_vocabulary
from unrolled.data.decoding import characters
from unrolled.data.subwords import Pairs, Words
from unrolled.data.vocabulary import SeenSymbols
from unrolled.equations import Graph
from unrolled.equations.width import Width
from unrolled.inspection import Trace, trace
from unrolled.runs import tensors
from unrolled.runs.checkpoints import Standing
from unrolled.runs.config import read_config, validated
from unrolled.runs.machine import Machine
from unrolled.runs.manifest import FileFacts, Manifest, parsed_json
from unrolled.runs.tasks import TextConfig
from unrolled.training import Progress

WANTED = {"a": torch.arange(6.0).reshape(2, 3), "b.c": torch.ones(4, dtype=torch.float64), "n": torch.tensor(3)}
PATH = Path("somewhere")


def _graph(content):
    graph = Graph.from_json(content)
    with torch.device("meta"):
        Recurrent(graph, 2, 3)


def _standing(content):
    return validated(Standing, parsed_json(content, PATH), "it", UnrolledError)


def _config(content):
    values = parsed_json(content, PATH)
    values.pop("format", None)
    return validated(TextConfig, values, "it", UnrolledError)


def _toml(content):
    path = _cached("options.toml")
    path.write_bytes(content)
    return read_config(path)


def _text_file(content):
    try:
        return encoding.TextFile.model_validate_json(content)
    except ValueError:
        raise UnrolledError("damaged") from None


def _characters(content):
    blocks = [content[start : start + 3] for start in range(0, len(content), 3)]
    text = "".join(characters(blocks, "it"))
    assert text == content.decode().removeprefix("\ufeff")


def _header(content):
    """The header of a safetensors file; the sizes around it fit."""
    whole = tensors.to_bytes(WANTED)
    (length,) = struct.unpack("<Q", whole[:8])
    read = tensors.from_bytes(struct.pack("<Q", len(content)) + content + whole[8 + length :], WANTED, PATH)
    assert set(read) == set(WANTED)
    assert all(torch.equal(read[name], WANTED[name]) for name in WANTED)


def _tensors(content):
    read = tensors.from_bytes(content, WANTED, PATH)
    assert all(read[name].shape == one.shape and read[name].dtype == one.dtype for name, one in WANTED.items())


def _opened(suffix, content):
    """A stranger's weights; the model that is made of them runs."""
    path = _cached(f"weights.{suffix}")
    path.write_bytes(content)
    model = unrolled.open(path)
    layer = next(one for one in model.modules() if hasattr(one, "input_size"))
    layer(torch.zeros(2, 1, layer.input_size, dtype=layer.weight_ih_l0.dtype))


def _weights():
    """A safetensors file and an npz of an LSTM in a model."""
    layer = {f"a.{name}": one.detach() for name, one in torch.nn.LSTM(2, 3).state_dict().items()}
    np.savez(_cached("seed.npz"), **layer)
    return tensors.to_bytes({**layer, "n": torch.tensor(3)}), _cached("seed.npz").read_bytes()


def _index(content):
    """The index of a trace; the files beside it stay."""
    (_cached("trace") / "index.json").write_bytes(content)
    assert all(value.isfinite().all() for value in Trace.load(_cached("trace")).values())


def _trace():
    if not _cached("trace").exists():
        trace(Recurrent("lstm", 2, 3), torch.ones(4, 1, 2), names=["*.h", "*.f[1]"]).save(_cached("trace"))
        _cached("trace").joinpath("index.json").rename(_cached("seed.json"))
    return _cached("seed.json").read_bytes()


def _cached(name):
    return Path(os.environ["UNROLLED_CACHE"]) / name


def _seeds():
    graph = cells.lstm(projection=2).graph.to_json().encode()
    config = TextConfig(data=["x"], steps=5)
    standing = Standing(progress=Progress(evaluations=3), machine=Machine.here(), best=1, metrics=3)
    whole = tensors.to_bytes(WANTED)
    (length,) = struct.unpack("<Q", whole[:8])
    facts = FileFacts(size=3, sha256="0" * 64)
    about = encoding.TextFile(name="x", files=1, skipped=0, width=1, parts=(3,), kinds=2, sha256="0" * 64)
    text = "the cat sat on the mat\n"
    return {
        "safetensors of a stranger": (partial(_opened, "safetensors"), lambda: _weights()[0]),
        "npz of a stranger": (partial(_opened, "npz"), lambda: _weights()[1]),
        "index of a trace": (_index, _trace),
        "graph": (_graph, graph),
        "manifest": (lambda content: validated(Manifest, parsed_json(content, PATH), "it", UnrolledError),
                     Manifest(files={"a": facts}).to_bytes()),
        "config": (_config, json.dumps(config.model_dump(mode="json", exclude_none=True)).encode()),
        "TOML": (_toml, b'cell = "lstm"\nhidden_size = 5\n[x]\na = [1, 2.5, 2020-01-01]\n'),
        "standing": (_standing, standing.model_dump_json().encode()),
        "text.json": (_text_file, about.to_json()),
        "symbols": (read_vocabulary, _symbols()),
        "words": (read_vocabulary, Words.of([text], 20).to_json().encode()),
        "pairs": (read_vocabulary, Pairs.of([text], 260).to_json().encode()[:60_000]),
        "tensors": (_tensors, whole),
        "header of tensors": (_header, whole[8 : 8 + length]),
        "UTF-8": (_characters, "a\u00e9\u4e16\U0001f600\ufeff\n".encode() * 3),
        "cell on the command line": (lambda content: _read_call(content.decode("utf-8", "replace")),
                                     b'lstm(forget_bias=1.0, bias="each", projection=[1, {"a": (None, True)}])'),
        "width": (lambda content: Width.parse(content.decode("utf-8", "replace")), b"4H+2D+17"),
    }  # fmt: skip


def _symbols():
    seen = SeenSymbols()
    seen.add("abc\n")
    return seen.vocabulary().to_json().encode()


WORDS = [
    b"null", b"NaN", b"-1", b"1e999", b"9" * 400, b"[", b"]", b"{", b"}", b'"',
    b"\\u0000", b"\\ud800", b",", b":", b"\0",
    b"\xff", b"\xef\xbb\xbf", b"true", b"[[[[[[", b'{"a":{"a":', b"0.5", b"-0", b"'", b"\n", b"H",
    b"__class__", b"(", b")",
]  # fmt: skip


def mutated(seed, rng):
    """The seed with some bytes flipped, lost, doubled, exchanged, or replaced by words that parsers stumble over."""
    content = bytearray(seed)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([0, 1, 1, 2, 5, 20, 200]))
        match rng.randrange(6):
            case 0 if start < len(content):
                content[start] ^= 1 << rng.randrange(8)
            case 1:
                del content[start:end]
            case 2:
                content[start:start] = content[start:end] * rng.choice([1, 2, 30])
            case 3:
                content[start:end] = rng.choice(WORDS) * rng.choice([1, 1, 1, 3, 3000])
            case 4:
                content[start:end] = rng.randbytes(end - start)
            case _:
                other = rng.randrange(len(content) + 1)
                content[start:end] = content[other : other + 10]
    return bytes(content)


def _fuzzed(reader, read, seed, limit, number):
    """Give a reader mutations of the seed for so many seconds; the number says which."""
    print(f"{reader}: UNROLLED_FUZZ_SEED={number}")
    started, tried, accepted, rng = time.monotonic(), 0, 0, random.Random(number)
    while time.monotonic() - started < limit:
        content = mutated(seed, rng)
        began = time.monotonic()
        tried += 1
        try:
            read(content)
            accepted += 1
        except UnrolledError:
            pass
        except BaseException as error:
            raise AssertionError(f"{type(error).__name__} {_where(reader, number, tried, content)}") from error
        assert time.monotonic() - began < 20, f"too slow {_where(reader, number, tried, content)}"
    print(f"{reader}: {tried:,} tried, {accepted:,} accepted in {limit:g} s")
    return tried


def _where(reader, number, tried, content):
    return f"with UNROLLED_FUZZ_SEED={number}, at try {tried:,} of {reader}: {content[:3000]!r}"


def _number(default):
    return int(os.environ.get("UNROLLED_FUZZ_SEED", default))


@pytest.mark.parametrize("seconds", [0.3, pytest.param(None, marks=[pytest.mark.proof, pytest.mark.timeout(7200)])])
@pytest.mark.parametrize("reader", list(_seeds()))
def test_a_reader_reads_or_refuses(reader, seconds):
    read, seed = _seeds()[reader]
    seed = seed() if callable(seed) else seed  # (what is made in the cache, which no test has yet when they are listed)
    read(seed)
    limit = seconds or float(os.environ.get("UNROLLED_FUZZ_SECONDS", "60"))
    assert _fuzzed(reader, read, seed, limit, _number(7 if seconds else secrets.randbits(32))) > 20


def test_a_finding_can_be_repeated(monkeypatch, capsys):
    """A failure names the seed; with it, the same fails again at the same try."""

    def careless(content):
        if b"]" in content:
            raise ValueError("an error of others")
        raise UnrolledError("refused")

    told = []
    for number in (secrets.randbits(32), None):
        if number is None:
            monkeypatch.setenv("UNROLLED_FUZZ_SEED", re.search(r"UNROLLED_FUZZ_SEED=(\d+)", told[0])[1])
        with pytest.raises(AssertionError, match=r"^ValueError with UNROLLED_FUZZ_SEED=\d+, at try ") as failed:
            _fuzzed("careless", careless, b"a text", 20, _number(number))
        assert f"UNROLLED_FUZZ_SEED={_number(number)}\n" in capsys.readouterr().out
        told.append(str(failed.value))
    assert told[0] == told[1]
