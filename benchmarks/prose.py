r"""Prose wrapped at a fixed width, from what Python always brings along: for a network that has to count.

    python -m benchmarks.prose FILE [--width 60]
    unrolled train FILE --steps 1500 --val-frac 0.15 --cell min_gru --seq-length 128 --batch-size 32 \
        --hidden-size 192 --num-layers 2 --dropout 0.2 --samples 0 -o RUN
    unrolled look RUN

The text is that of `pydoc_data.topics`: its paragraphs of at least 200 characters with few signs of code among them.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from pathlib import Path
from pydoc_data.topics import topics

_LEAST = 200  # characters of a paragraph
_SIGNS = frozenset("=()[]{}<>:;_|")
_MOST_SIGNS = 0.04


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("file", type=Path)
    made.add_argument("--width", type=int, default=60)
    options = made.parse_args()
    paragraphs = [" ".join(one.split()) for one in re.split(r"\n\s*\n", "\n\n".join(topics.values()))]
    wrapped = [textwrap.fill(one, options.width) for one in paragraphs if _is_prose(one)]
    options.file.write_text("\n\n".join(wrapped) + "\n", encoding="utf-8")
    print(f"{options.file}: {options.file.stat().st_size:,} bytes of {len(wrapped):,} paragraphs")


def _is_prose(paragraph: str) -> bool:
    signs = sum(one in _SIGNS for one in paragraph)
    return len(paragraph) >= _LEAST and signs < _MOST_SIGNS * len(paragraph) and "::=" not in paragraph


if __name__ == "__main__":
    main()
