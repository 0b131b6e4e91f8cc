"""What became of plain and residual networks, in numbers, in words, and as a page. Trains nothing."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from unrolled.inspection import Sentence
from unrolled.runs.reporting import write_report

_GOOD = 0.9  # of the images: it is told when so many were right


@dataclass(frozen=True)
class Learnt:
    """What became of one network.

    rate: its learning rate. gradients: the norm of dL/dW in each layer before training, relative to the last layer's,
    from the first on; of the first images that are learned, in float64. steps: after which it was measured.
    accuracies: the share of the others that was right then. nats: their loss, in the mean.
    """

    name: str
    rate: float
    gradients: tuple[float, ...]
    steps: tuple[int, ...]
    accuracies: tuple[float, ...]
    nats: tuple[float, ...]

    @property
    def good_after(self) -> int | None:
        """The step after which nine of ten were right, when that was measured first; None: never."""
        return next((step for step, one in zip(self.steps, self.accuracies, strict=True) if one >= _GOOD), None)

    def sentences(self) -> list[Sentence]:
        """What there is to say of it, with the figures."""
        share = f"before training, the gradient in the first of its {len(self.gradients)} layers is"
        when = f"never {_GOOD:.0%}" if self.good_after is None else f"{_GOOD:.0%} after {self.good_after:,}"
        right = f"after {self.steps[-1]:,} steps {self.accuracies[-1]:.1%} of the others are right; {when}"
        return [
            Sentence(self.name, f"{share} {self.gradients[0]:.2g} of the last's", {"gradient": self.gradients[0]}),
            Sentence(self.name, right, {"accuracy": self.accuracies[-1], "good_after": self.good_after}),
        ]


@dataclass(frozen=True)
class Depth:
    """Networks of so many layers, side by side. `facts`: what they learned, and how, in a line each."""

    layers: int
    facts: tuple[str, ...]
    learnt: tuple[Learnt, ...]

    @property
    def sentences(self) -> list[Sentence]:
        """What there is to say of each."""
        return [told for one in self.learnt for told in one.sentences()]

    @property
    def figures(self) -> dict[str, Any]:
        """The pictures, by what they show: plotly's, each of which draws itself in a notebook."""
        from unrolled.inspection.depth_figures import gradients  # (plotly is slow to import)
        from unrolled.inspection.figures import curves

        right = {one.name: (one.steps, one.accuracies) for one in self.learnt}
        losses = {one.name: (one.steps, one.nats) for one in self.learnt}
        return {
            "The gradient in each layer, before training": gradients({one.name: one.gradients for one in self.learnt}),
            "How many of the others are right": curves(right, "share of the images"),
            "Their loss": curves(losses, "nats per image"),
        }

    def write(self, path: str | PathLike[str]) -> Path:
        """Write all of it to a file: a page with pictures that needs no network.

        Raises:
            ConfigError: it cannot be written, or something that is no report lies there.
        """
        from unrolled.inspection.page import page

        title = f"{self.layers} layers: y = F(x), y = x + F(x)"
        write_report(Path(path), page(title, self.facts, self.sentences, self.figures))
        return Path(path)
