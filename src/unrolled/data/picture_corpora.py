"""Named corpora of images: icons with captions, handwritten digits. Knows where they come from."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from unrolled.data.digits import LEARNED, digits_of, of_digits, packed
from unrolled.data.fetching import MEASURE, Corpus, pip
from unrolled.data.images import Pixels, image_of
from unrolled.errors import ConfigError

_MATERIAL = "2115af67ee680e1398bdd0ea02e517721e4bba88b342503a93f97ea8eb3de51c"
_ICONS = "material/templates/.icons/material/"
_SIDE = 32  # pixels
_OFTEN = 5  # times that each word of a caption stands in captions
_ICONS_TEST = 500


def _icons(part: slice) -> Callable[[Path], Iterator[bytes]]:
    """Icons whose file names use no rare word, in an order that is drawn once; the name is the caption."""

    def make(folder: Path) -> Iterator[bytes]:
        with zipfile.ZipFile(pip("mkdocs-material==9.8.1", _MATERIAL, folder)) as archive:
            files = sorted(one for one in archive.namelist() if one.startswith(_ICONS) and one.endswith(".svg"))
            named = {one: PurePosixPath(one).stem.split("-") for one in files}
            counts = Counter(word for words in named.values() for word in words)
            common = [one for one, words in named.items() if min(counts[word] for word in words) >= _OFTEN]
            order = np.random.default_rng(0).permutation(len(common))[part]
            chosen = [common[place] for place in order]
            x = np.concatenate([_drawn(archive.read(one).decode()) for one in chosen])
        yield packed(x, np.array([" ".join(named[one]) for one in chosen]))

    return make


def _drawn(svg: str) -> Pixels:
    """A drawing as pixels, black on white, `[1, height, width]`."""
    try:
        import resvg_py
    except ImportError as error:
        raise ConfigError("drawings become pixels by the library resvg: pip install 'unrolled[images]'") from error
    png = resvg_py.svg_to_bytes(svg_string=svg, background="#ffffff", skip_system_fonts=True, width=_SIDE, height=_SIDE)
    return image_of(bytes(png), "an icon", (1, _SIDE, _SIDE))


def _digits(part: slice) -> Callable[[Path], Iterator[bytes]]:
    def make(folder: Path) -> Iterator[bytes]:
        images, labels = digits_of(folder)
        yield packed(images[part], labels[part])

    return make


def _of_icons(name: str, what: str, part: slice, use: str) -> Corpus:
    return Corpus(
        name=name,
        what=what,
        origin="PyPI, mkdocs-material 9.8.1",
        licence="Apache-2.0; Material Design Icons of Google and of pictogrammers.com",
        size="9.3 MB",
        sha256=None,  # (another version of the library that draws may round other pixels)
        make=_icons(part),
        ending=".npz",
        use=use,
    )


PICTURES = (
    _of_icons("icons", "4,365 icons with captions", slice(_ICONS_TEST, None), "unrolled train {name} --task caption"),
    _of_icons("icons-test", "500 others, to measure by", slice(_ICONS_TEST), MEASURE),
    of_digits("digits", "4,000 handwritten digits", _digits(slice(LEARNED)), "unrolled train {name} --task draw"),
    of_digits("digits-test", "1,000 others, to measure by", _digits(slice(LEARNED, None)), MEASURE),
)
