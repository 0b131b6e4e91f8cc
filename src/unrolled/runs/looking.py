"""The verb "look": what is to be seen inside a run that is trained, or inside anybody's model. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unrolled.data import Named, as_names
from unrolled.errors import ConfigError
from unrolled.inspection import Account, Sentence, sentences
from unrolled.runs.folder import RunFolder
from unrolled.runs.history import History, history_of
from unrolled.runs.loading import loaded
from unrolled.runs.reporting import check_place, write_report
from unrolled.runs.strangers import look_at, names_a_model
from unrolled.runs.tasks import Asked

REPORT = "report.html"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Looked:
    """What was seen in a run, or a model, while it ran over so many steps.

    name: of what was looked at. text: what it read, in words. steps: how many characters, or steps. folder: where the
    report goes if nobody says. told, pictures: of what it learned, see `runs.tasks.kind.Seen`.
    """

    name: str
    text: str
    steps: int
    account: Account
    history: History = field(default_factory=History)
    folder: Path = Path()
    told: Sequence[Sentence] = ()
    pictures: Callable[[], Mapping[str, Any]] = dict

    @property
    def sentences(self) -> list[Sentence]:
        """What there is to say, in words, each with its figures."""
        return [*self.told, *sentences(self.account)]

    @property
    def figures(self) -> dict[str, Any]:
        """The pictures, by what they show: plotly's, each of which draws itself in a notebook."""
        from unrolled.inspection.figures import curves, figures_of  # (plotly is slow to import, and seldom needed)

        by_step = {
            "The loss while it was trained": (self.history.losses, f"nats per {self.history.unit}"),
            "How far its predictions were from n-gram models' meanwhile": (self.history.divergences, "nats"),
        }
        drawn = {name: curves(*one) for name, one in by_step.items() if one[0]}
        return {**self.pictures(), **figures_of(self.account), **drawn}

    def report(self) -> str:
        """All of it as one HTML page, with pictures, that needs no network."""
        from unrolled.inspection.report import report

        facts = [f"{self.steps:,} {self.account.step}s: {self.text}", *self.history.facts, f"{date.today():%d %B %Y}"]
        return report(self.account, self.name, facts, self.figures, self.history.samples, self.sentences)

    def write(self, path: str | PathLike[str] | None = None) -> Path:
        """Write the report to a file, else to report.html in the run's folder (a model's: here). An older one goes.

        Raises:
            ConfigError: it cannot be written, or something else lies there.
        """
        place = self.folder / REPORT if path is None else Path(path)
        check_place(place)  # (before the report is made)
        write_report(place, self.report())
        return place


def look(
    path: str | PathLike[str],
    places: Named = (),
    *,
    characters: int = 100_000,
    labels: Mapping[str, Any] = MappingProxyType({}),
    best: bool = False,
    average: int = 0,
    say: Say = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
    **options: Any,
) -> Looked:
    """Look inside a run while it reads: cells that track something, gates, gradients, and what it has learned.

    Args:
        path: of the run; or `file.py:function`, a function that returns a model, what to call it with, and if it likes
            a mapping of labels (a column for each step; "text": the steps in letters).
        places: files, folders or patterns that a run reads; none: what was held out of its own data.
        characters: how many it reads at most; of examples (`--task classify` and others): how many steps, of which
            20,000 at most can be kept.
        labels: of your own, for a language model, see `inspection.labels_of`; also the path of a file with a number for
            each character.
        best: the weights that were best on what is held out.
        average: the mean of the weights of so many of the last checkpoints, see `load`.
        say: is told what is going on.
        warn: is told what is to be known of the run.
        options: in the place of those that a run was trained with, where they say how it is used: `beam=1`.

    Raises:
        RunError: not a run, or one whose numbers are not finite. ConfigError: symbols of a text that are no characters,
            nothing was held out and nothing is given, an option that is none of such a look, or the function or its
            model fails. DataError: too little text.
    """
    if names_a_model(path):
        if places or labels or best or average or options:
            raise ConfigError(
                f"{path} is a model, not a run: a text, labels, --best, --average and options of a use are for runs"
            )
        seen, steps = look_at(str(path), say)
        return Looked(str(path), "what it was called with", steps, seen)
    path = Path(path)
    run = loaded(path, best=best, average=average, warn=warn)
    folder = RunFolder.at(path)
    asked = Asked(as_names(places), characters, labels, say)
    own = partial(folder.data, run.identity)
    kind = run.identity.kind
    found = kind.look(run.used(options, reads=bool(asked.places), to_look=True), run.about, own, run.model, asked)
    return Looked(
        path.name or str(path), found.name, found.steps, found.account, history_of(run, folder), path,
        found.told, found.pictures,
    )  # fmt: skip
