"""What reaches the terminal besides a command's results. Knows no command, imports nothing that is slow."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """Without the control characters that would steer the terminal."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}" for one in text)


_MOST = 4000  # characters of a message


def complain(kind: str, message: object) -> None:
    """`error: ...` or `warning: ...` where errors go."""
    text = printable(f"{kind}: {message}")
    print(text if len(text) <= _MOST else f"{text[:_MOST]}...", file=sys.stderr)
