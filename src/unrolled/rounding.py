"""Numbers as people read them. Knows nothing of what they measure."""

from __future__ import annotations

_LONG = 1e6  # from here on digits behind the point say nothing, and those before it are too many to be read


def rounded(value: float, digits: int = 4) -> str:
    """A number with so many digits behind the point; a very large one in powers of ten: `"0.9823"`, `"3.2e+18"`."""
    return f"{value:.{digits}f}" if abs(value) < _LONG else f"{value:.3g}"
