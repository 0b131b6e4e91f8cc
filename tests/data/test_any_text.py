"""Whatever is given as a text: it is read as it stands, or a message says what is wrong with it and what to do."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from unrolled import DataError, TextConfig, UnrolledError
from unrolled.data import encode, found
from unrolled.runs import train


def _text(names, tokens="characters", mix="concatenated", vocab_size=50):
    """What is read back of the texts of these names, part by part."""
    with found([str(name) for name in names]) as places:
        encoded = encode(places, tokens, vocab_size, mix)
        return [encoded.vocabulary.decode(np.asarray(part).tolist()) for part in encoded.texts()]


def _file(content, name="text.txt"):
    def make(folder):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return [folder / name]

    return make


def _folder(**contents):
    def make(folder):
        for name, content in contents.items():
            path = folder / "texts" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return [folder / "texts"]

    return make


def _pattern(folder):
    _folder(**{"a.txt": b"one\n", "b.md": b"two\n", "deep__c.txt": b"three\n"})(folder)
    return [folder / "texts" / "**" / "*.txt"]


def _link(folder):
    (folder / "real.txt").write_text("through a link")
    (folder / "link.txt").symlink_to(folder / "real.txt")
    return [folder / "link.txt"]


def _loop(folder):
    made = _folder(**{"a.txt": b"one\n", "inner__b.txt": b"two\n"})(folder)
    (folder / "texts" / "inner" / "again").symlink_to(folder / "texts")
    return made


def _two(first, second):
    def make(folder):
        return [*_file(first, "first.txt")(folder), *_file(second, "second.txt")(folder)]

    return make


def _pipe(folder):
    path = folder / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(b"out of a pipe",), daemon=True).start()
    return [path]


def _same_twice(folder):
    (one,) = _file("again\n")(folder)
    return [one, one]


READ = {
    "ASCII": (_file("plain\n"), ["plain\n"]),
    "two bytes, three, four": (_file("\u00e9\u4e16\U0001f600"), ["\u00e9\u4e16\U0001f600"]),
    "a byte order mark": (_file(b"\xef\xbb\xbfmarked"), ["marked"]),
    "two byte order marks": (_file(b"\xef\xbb\xbf\xef\xbb\xbfx"), ["\ufeffx"]),
    "a mark in the middle": (_file("a\ufeffb"), ["a\ufeffb"]),
    "NUL": (_file(b"a\0b"), ["a\0b"]),
    "CR": (_file("one\rtwo\r"), ["one\rtwo\r"]),
    "CR LF": (_file("one\r\ntwo\r\n"), ["one\r\ntwo\r\n"]),
    "no newline at the end": (_file("end"), ["end"]),
    "newlines only": (_file("\n\n\n"), ["\n\n\n"]),
    "spaces only": (_file("   \t "), ["   \t "]),
    "one character": (_file("x"), ["x"]),
    "one kind of character": (_file("aaaa"), ["aaaa"]),
    "accents that combine": (_file("e\u0301 \u00e9"), ["e\u0301 \u00e9"]),
    "right to left": (_file("\u05e9\u05dc\u05d5\u05dd \u202e!"), ["\u05e9\u05dc\u05d5\u05dd \u202e!"]),
    "line separators": (_file("a\u2028b\u2029c\x0bd\x0ce\x85f"), ["a\u2028b\u2029c\x0bd\x0ce\x85f"]),
    "the last code point": (_file("\U0010ffff\ufffe"), ["\U0010ffff\ufffe"]),
    "control characters": (_file("\x01\x1b[31m\x7f"), ["\x01\x1b[31m\x7f"]),
    "a character over the edge of a block": (
        _file("x" * ((1 << 20) - 1) + "\u4e16y"),
        ["x" * ((1 << 20) - 1) + "\u4e16y"],
    ),
    "a line of 1.5 MB": (_file("word " * 300_000), ["word " * 300_000]),
    "a name with spaces": (_file("x y", "a name with spaces.txt"), ["x y"]),
    "a name in another script": (_file("x y", "\u4e16\u754c.txt"), ["x y"]),
    "a name with a newline": (_file("x y", "a\nb.txt"), ["x y"]),
    "a link": (_link, ["through a link"]),
    "a pipe": (_pipe, ["out of a pipe"]),
    "a folder": (_folder(b=b"two", a=b"one\n"), ["one\ntwo"]),
    "a folder in a circle": (_loop, ["one\ntwo\n"]),
    "a folder with others": (_folder(a=b"one\n", b=b"\xff\xfe", c=b"a\0b", d=b"", e=b"two\n"), ["one\ntwo\n"]),
    "a folder with hidden files": (_folder(**{"a": b"one\n", ".b": b"no", ".git__c": b"no"}), ["one\n"]),
    "a pattern": (_pattern, ["one\nthree\n"]),
    "two files": (_two("one", "two"), ["one\ntwo"]),
    "two files with ends": (_two("one\n", "two\n"), ["one\ntwo\n"]),
    "one file twice": (_same_twice, ["again\nagain\n"]),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_read(tmp_path, case):
    make, wanted = READ[case]
    assert _text(make(tmp_path)) == wanted


ENCODE = """
import sys
import numpy as np
from unrolled.data import encode, found

def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))

with found([sys.argv[1]]) as places:
    before = peak()
    encoded = encode(places, sys.argv[2], 300, "concatenated")
    (ids,) = encoded.texts()
    for place in (0, len(ids) // 2, len(ids) - 21):
        print(ascii(encoded.vocabulary.decode(np.asarray(ids[place : place + 21]).tolist())))
    print(len(ids), peak() - before)
"""


@pytest.mark.proof
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("tokens", ["characters", "bytes"])
def test_a_line_of_a_gigabyte(tmp_path, tokens):
    """No newline to cut it at, and characters over the edges of blocks: it is encoded in 128 MB of memory at most."""
    path, unit, count = tmp_path / "text.txt", "the\u4e16 ", 153_391_690
    with path.open("wb") as file:
        for _ in range(count // 10_690):
            file.write(unit.encode() * 10_690)
        file.write(unit.encode() * (count % 10_690))
    assert path.stat().st_size >= 1 << 30
    try:
        child = subprocess.run(
            [sys.executable, "-c", ENCODE, path, tokens], stdout=subprocess.PIPE, text=True, check=True, timeout=1000,
            env={**os.environ, "UNROLLED_CACHE": str(tmp_path / "cache")},
        )  # fmt: skip
    finally:
        path.unlink()
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    *read, last = child.stdout.splitlines()
    symbols = unit.encode() if tokens == "bytes" else unit
    length, memory = map(int, last.split())
    assert length == len(symbols) * count
    assert memory < 128 << 20
    for place, text in zip((0, length // 2, length - 21), read, strict=True):
        wanted = (symbols * 6)[place % len(symbols) :][:21]
        assert text == ascii(wanted.decode("utf-8", "replace") if tokens == "bytes" else wanted)


PAIRS = {"tokens": "pairs", "vocab_size": 300}
OTHERWISE = {
    "bytes of any kind": (_file(bytes(range(256))), {"tokens": "bytes"}, None),
    "bytes of a compressed file": (_file(gzip.compress(b"x" * 99)), {"tokens": "bytes"}, None),
    "bytes with a mark": (_file(b"\xef\xbb\xbfx"), {"tokens": "bytes"}, ["\ufeffx"]),
    "words": (_file("the cat  sat, the\ncat\n" * 5), {"tokens": "words"}, ["the cat  sat, the\ncat\n" * 5]),
    "words of one symbol": (_file("aaaa"), {"tokens": "words"}, ["aaaa"]),
    "pairs": (_file("the cat sat, the\ncat\n" * 5), PAIRS, ["the cat sat, the\ncat\n" * 5]),
    "pairs of anything": (_file("\0\U0001f600\r\n \u0301"), PAIRS, ["\0\U0001f600\r\n \u0301"]),
    "two in proportion": (_two("one", "two, longer"), {"mix": "proportional"}, ["one", "two, longer"]),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERWISE)
def test_what_is_read_in_other_ways(tmp_path, case):
    make, options, wanted = OTHERWISE[case]
    paths = make(tmp_path)
    got = _text(paths, **options)
    if wanted is None:
        wanted = [paths[0].read_bytes().decode("utf-8", "replace")]
    assert got == wanted


def _vanished(folder):
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    return [folder / "gone.txt"]


def _circle(folder):
    (folder / "circle.txt").symlink_to(folder / "circle.txt")
    return [folder / "circle.txt"]


def _unreadable(folder):
    """A file whose reading fails: memory of a process that cannot be reached."""
    return ["/proc/self/mem"]


def _device(folder):
    return ["/dev/zero"]


def _socket(folder):
    path = folder / "s"
    made = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(folder)  # a socket's name is short
    try:
        made.bind("s")
    finally:
        os.chdir(here)
        made.close()
    return [path]


def _empty_pipe(folder):
    path = folder / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(b"",), daemon=True).start()
    return [path]


def _empty_folder(folder):
    (folder / "texts").mkdir()
    return [folder / "texts"]


ANOTHER = (
    "is not UTF-8 text: byte {} in line {}. Convert it to UTF-8 (--task text can read it as bytes: --tokens bytes)"
)
REFUSED = {
    "Latin-1": (_file("caf\u00e9\n".encode("latin-1")), "PLACE/text.txt " + ANOTHER.format("0xe9", 1)),
    "Latin-1 further down": (_file(b"a\nb\ncaf\xe9 x\n"), "PLACE/text.txt " + ANOTHER.format("0xe9", 3)),
    "Windows-1252": (_file("\u201cquote\u201d".encode("cp1252")), "PLACE/text.txt " + ANOTHER.format("0x93", 1)),
    "UTF-16": (_file("text".encode("utf-16")), "PLACE/text.txt " + ANOTHER.format("0xff", 1)),
    "UTF-16, the other way": (_file(b"\xfe\xff\0t"), "PLACE/text.txt " + ANOTHER.format("0xfe", 1)),
    "UTF-32": (_file("text".encode("utf-32")), "PLACE/text.txt " + ANOTHER.format("0xff", 1)),
    "Shift-JIS": (_file("\u4e16".encode("shift-jis")), "PLACE/text.txt " + ANOTHER.format("0x90", 1)),
    "a lone surrogate": (_file(b"a\xed\xa0\x80b"), "PLACE/text.txt " + ANOTHER.format("0xed", 1)),
    "an overlong slash": (_file(b"\xc0\xaf"), "PLACE/text.txt " + ANOTHER.format("0xc0", 1)),
    "beyond the last code point": (_file(b"\xf4\x90\x80\x80"), "PLACE/text.txt " + ANOTHER.format("0xf4", 1)),
    "a character that is cut": (_file(b"ab\n\xe4\xb8"), "PLACE/text.txt " + ANOTHER.format("0xe4", 2)),
    "a byte that only goes on": (_file(b"\x80"), "PLACE/text.txt " + ANOTHER.format("0x80", 1)),
    "cut over the edge of a block": (
        _file(b"\n" * ((1 << 20) - 1) + b"\xe4(x"),
        "PLACE/text.txt " + ANOTHER.format("0xe4", 1 << 20),
    ),
    "a compressed file": (_file(gzip.compress(b"x")), "PLACE/text.txt " + ANOTHER.format("0x8b", 1)),
    "empty": (_file(""), "PLACE/text.txt is empty: there is nothing to read in it"),
    "only a byte order mark": (_file(b"\xef\xbb\xbf"), "PLACE/text.txt is empty: there is nothing to read in it"),
    "an empty one of two": (_two("one", ""), "PLACE/second.txt is empty: there is nothing to read in it"),
    "an empty pipe": (_empty_pipe, "PLACE/pipe is empty: there is nothing to read in it"),
    "no such file": (
        lambda folder: [folder / "text.txt"],
        "there is no file, folder or corpus PLACE/text.txt.",
    ),
    "a typo": (
        lambda folder: [_file("x")(folder)[0].with_name("test.txt")],
        "there is no file, folder or corpus PLACE/test.txt. Did you mean 'text.txt'?",
    ),
    "a file in a file": (
        lambda folder: [_file("x")(folder)[0] / "inner.txt"],
        "there is no file, folder or corpus PLACE/text.txt/inner.txt.",
    ),
    "no name": (
        lambda folder: [""],
        "an empty name was given in the place of a text: name a file, a folder, a pattern or '-'",
    ),
    "a name with NUL": (lambda folder: ["a\0b"], "'a\\x00b' cannot be the name of a file: embedded null byte"),
    "a name that is too long": (lambda folder: ["x" * 5000], "x" * 5000 + " cannot be read: File name too long"),
    "a link to nothing": (_vanished, "PLACE/gone.txt is a symbolic link that leads to no file"),
    "a link in a circle": (_circle, "PLACE/circle.txt is a symbolic link that leads to no file"),
    "a file that cannot be read": (_unreadable, "/proc/self/mem cannot be read: Input/output error"),
    "a device": (_device, "/dev/zero is a device, not a file: name a text file or a folder"),
    "a socket": (_socket, "PLACE/s is a device, not a file: name a text file or a folder"),
    "an empty folder": (
        _empty_folder,
        "PLACE/texts is a folder without files: name a text file, or a folder that holds some",
    ),
    "a folder of hidden files": (
        _folder(**{".a": b"x"}),
        "PLACE/texts is a folder without files: name a text file, or a folder that holds some",
    ),
    "a folder without text": (
        _folder(a=b"\xff", b=b""),
        "PLACE/texts: none of its 2 files is UTF-8 text. Name a text file, or use --tokens bytes on one file",
    ),
    "a pattern of nothing": (lambda folder: [folder / "*.txt"], "no file fits the pattern PLACE/*.txt"),
    "a pattern that is broken": (lambda folder: [folder / "[a"], "no file fits the pattern PLACE/[a"),
    "standard input twice": (
        lambda folder: ["-", "-"],
        "standard input ('-') can be read only once: name it once",
    ),
}  # fmt: skip


def test_there_are_enough():
    assert len(READ) + len(OTHERWISE) + len(REFUSED) >= 45


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path, case):
    make, message = REFUSED[case]
    with pytest.raises(DataError) as refused:
        _text(make(tmp_path))
    assert str(refused.value).replace(str(tmp_path), "PLACE") == message


def test_no_permission(tmp_path, monkeypatch):
    """(The tests may run as root, who may read everything: so the system's refusal is played.)"""
    (path,) = _file("secret")(tmp_path)
    real = io.open

    def refusing(file, *arguments, **options):
        if str(file) == str(path):
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *arguments, **options)

    monkeypatch.setattr(io, "open", refusing)
    with pytest.raises(DataError, match=re.escape(f"{path} cannot be read: Permission denied")):
        _text([path])


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO("typed \u00e9".encode())))
    assert _text(["-"]) == ["typed \u00e9"]
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="standard input is closed"):
        _text(["-"])


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    from unrolled.data import encoding

    (path,) = _file("first")(tmp_path)
    real = encoding._vocabulary

    def meanwhile(*arguments, **options):
        made = real(*arguments, **options)
        path.write_text("other")
        return made

    monkeypatch.setattr(encoding, "_vocabulary", meanwhile)
    with pytest.raises(DataError, match=r"text.txt changed while it was read: wait until it is complete"):
        _text([path])
    path.unlink()
    monkeypatch.undo()
    with pytest.raises(DataError, match="there is no file"):
        _text([path])


SMALL = {"hidden_size": 3, "batch_size": 2, "seq_length": 4, "steps": 2, "samples": 0, "cell": "rnn"}
TOO_LITTLE = {
    "one kind of symbol": ("aaaa" * 99, {}, r"holds only one kind of character, 'a': there is nothing to learn"),
    "shorter than a chunk": ("abcdefghij", {"val_frac": 0.3}, "the text has 7 symbols; one chunk of 2 streams"),
    "nothing to hold out": ("ab" * 9, {"val_frac": 0.01}, "the last 0.01 of 18 symbols, held out for validation"),
    "streams too short": ("ab" * 4, {"split": "streams", "val_frac": 0.3}, "the text has 1 chunks in each stream"),
    "no cache": ("ab" * 99, {"UNROLLED_CACHE": "/dev/null/cache"}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_LITTLE)
def test_what_is_too_little_to_train(tmp_path, monkeypatch, case):
    content, options, message = TOO_LITTLE[case]
    path = tmp_path / "text.txt"
    path.write_text(content)
    if "UNROLLED_CACHE" in options:
        monkeypatch.setenv("UNROLLED_CACHE", options["UNROLLED_CACHE"])
        options = {}
    config = TextConfig(**SMALL | options, data=[str(path)])
    if message is None:
        train(config, tmp_path / "run")
        return
    with pytest.raises(UnrolledError, match=message):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
