"""Corpora of sequences with a class. Each is made of a package that others made; nothing of them stands here."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from unrolled.data.fetching import MEASURE, Corpus, pip

_AEON = "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409"
_VOWELS = "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd"
_VOWELS_TEST = "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462"
_POWER = "341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c"
_POWER_TEST = "26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144"
_VADER = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"


def _movie_reviews(folder: Path) -> Iterator[str]:
    """Sentences with the mean of twenty people's ratings from -4 to 4: its sign is the class."""
    source = pip("vaderSentiment==3.3.2", _VADER, folder, binary=False)
    with tarfile.open(source) as outer:
        inner = outer.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
        assert inner is not None, "the archive is pinned by its hash"
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:
            file = archive.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
            assert file is not None, "the archive is pinned by its hash"
            lines = file.read().decode("utf-8", "replace").splitlines()
    yield "label\ttext\n"
    for line in lines:
        _, rating, text = line.split("\t", 2)
        yield f"{'positive' if float(rating) > 0 else 'negative'}\t{' '.join(text.split())}\n"


def _series(name: str) -> Callable[[Path], Iterator[str]]:
    """One of aeon's time series, as it is."""

    def make(folder: Path) -> Iterator[str]:
        with zipfile.ZipFile(pip("aeon==1.6.0", _AEON, folder)) as archive:
            yield archive.read(f"aeon/datasets/data/{name.partition('_')[0]}/{name}.ts").decode()

    return make


def _of_aeon(name: str, what: str, file: str, sha256: str) -> Corpus:
    return Corpus(
        name=name,
        what=what,
        origin="PyPI, aeon 1.6.0",
        licence="BSD-3-Clause; the series are of the UCR and UEA archives",
        size="7 MB",
        sha256=sha256,
        make=_series(file),
        ending=".ts",
        use=MEASURE if name.endswith("-test") else "unrolled train {name} --task classify",
    )


LABELLED = (
    Corpus(
        name="movie-reviews",
        what="10,605 sentences of movie reviews, positive or negative",
        origin="PyPI, vaderSentiment 3.3.2",
        licence="MIT; of Hutto & Gilbert 2014, from reviews collected by Pang & Lee 2004",
        size="2.5 MB",
        sha256="b15bbc22849afc3c0393985ef85948b8f084ee65bfa97a0b89d0fabe326a2054",
        make=_movie_reviews,
        ending=".tsv",
        use="unrolled train {name} --task classify",
    ),
    *(
        _of_aeon(name, what, file, sha256)
        for name, what, file, sha256 in (
            ("japanese-vowels", "270 spoken vowels of nine speakers, 12 channels", "JapaneseVowels_TRAIN", _VOWELS),
            ("japanese-vowels-test", "370 more, to measure by", "JapaneseVowels_TEST", _VOWELS_TEST),
            ("italy-power", "67 days of electricity, winter or summer", "ItalyPowerDemand_TRAIN", _POWER),
            ("italy-power-test", "1,029 more, to measure by", "ItalyPowerDemand_TEST", _POWER_TEST),
        )
    ),
)
