"""Showing a training run: live in a terminal, line by line elsewhere, or as JSON. Knows events, decides nothing."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn
from rich.text import Text

from unrolled.cli.terminal import printable
from unrolled.rounding import rounded
from unrolled.runs import AlreadyDone, Listener, Prepared, RunEvent, Sampled, Warned, named
from unrolled.training import Evaluated, Finished, Planned, Stepped

_LINE_EVERY = 10.0  # seconds
_SMOOTHING = 0.95


@contextmanager
def showing(console: Console, *, as_json: bool) -> Iterator[Listener]:
    """A listener that shows each event in the way that fits where the output goes."""
    if as_json:
        yield show_json
    elif console.is_terminal:
        yield from _live(console)
    else:
        yield _Lines(console).show


def show_json(event: RunEvent) -> None:
    """One object a line."""
    print(json.dumps(named(event)), flush=True)


def nats_and_bits(nats: float, unit: str) -> str:
    """`1.802 nats (2.600 bits) per character`."""
    return f"{rounded(nats, 3)} nats ({rounded(nats / math.log(2), 3)} bits) per {unit}"


class _Lines:
    """One line an event; of the steps, one every ten seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.unit = "character"
        self.path = ""
        self.total: int | None = None
        self.smooth: float | None = None
        self._last_line = time.monotonic()

    def show(self, event: RunEvent) -> None:
        """Print what there is to say of an event."""
        match event:
            case Prepared():
                self.unit, self.path = event.unit, event.path
                self._print_prepared(event)
            case Planned():
                self.total = event.total
            case Stepped():
                self.smooth = _smoothed(self.smooth, event.loss)
                if time.monotonic() - self._last_line >= _LINE_EVERY:
                    self._last_line = time.monotonic()
                    self._line(self.status(event))
            case Evaluated():
                scores = "".join(f", {name} {rounded(score)}" for name, score in event.scores.items())
                self._line(f"step {event.step:,}: held out {nats_and_bits(event.loss, self.unit)}{scores}", "bold")
            case Sampled():
                self.print_sample(event)
            case Finished():
                self._print_finished(event)
            case Warned():
                self._line(f"warning: {event.message}", "yellow")
            case AlreadyDone():
                self._line(
                    f"nothing to do: all {event.step:,} steps of {event.path} are done. --steps N trains it further"
                )

    def status(self, event: Stepped) -> str:
        """Where training stands, in a line; the loss is a running mean over the last steps."""
        assert self.smooth is not None
        step = f"step {event.step:,}" + (f" of {self.total:,}" if self.total else "")
        return (
            f"{step}: {nats_and_bits(self.smooth, self.unit)}, {event.tokens_per_second:,.0f} {self.unit}s/s,"
            f" {event.elapsed:.0f} s"
        )

    def print_sample(self, event: Sampled) -> None:
        """A sample with a head line, indented."""
        self._line(f"-- {event.what} after {event.step:,} steps --", "cyan")
        for line in event.text.split("\n"):
            self._line("   " + line)

    def _print_prepared(self, event: Prepared) -> None:
        self._line(f"{event.task:<8} " + event.words.replace("\n", f"\n{'':<8} "))
        self._line(f"model    {event.cell}, {event.parameters:,} parameters")
        self._line(f"engine   {event.engine}")
        self._line(f"run      {event.path}" + (f", from step {event.step:,} on" if event.step else ""))

    def _print_finished(self, event: Finished) -> None:
        ends = {
            "done": "training is done",
            "patience": "nothing got better, so training ends",
            "time": "the time is over, before all steps were made",
            "interrupted": "stopped, and saved",
        }
        learned = "" if self.smooth is None else f", {nats_and_bits(self.smooth, self.unit)} in training (running mean)"
        self._line(f"{ends[event.reason]}: {event.step:,} steps in {event.elapsed:.0f} s{learned}", "bold")
        if event.reason == "time":
            steps = f" --steps {2 * event.step}" if self.total is None else ""
            self._line(f"to go on: unrolled resume {shlex.quote(self.path)}{steps}")

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(Text(printable(text), style=style), soft_wrap=True)


def _live(console: Console) -> Iterator[Listener]:
    """A line and a bar that move, and above them what stays: the evaluations and the samples."""
    bar = Progress(BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    task = bar.add_task("", total=None)
    status = Text(no_wrap=True, overflow="ellipsis")
    lines = _Lines(console)

    def listen(event: RunEvent) -> None:
        match event:
            case Stepped():
                lines.smooth = _smoothed(lines.smooth, event.loss)
                status.plain = lines.status(event)
                bar.update(task, completed=event.step, total=lines.total)
            case Sampled():
                title = f"{event.what} after {event.step:,} steps"
                console.print(Panel(Text(printable(event.text)), title=title, title_align="left", border_style="cyan"))
            case _:
                lines.show(event)

    with Live(Group(status, bar), console=console, refresh_per_second=8, transient=True):
        yield listen


def _smoothed(before: float | None, loss: float) -> float:
    return loss if before is None else _SMOOTHING * before + (1 - _SMOOTHING) * loss
