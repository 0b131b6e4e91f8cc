"""What a benchmark writes: tables in Markdown and JSON, and nothing at all if an answer was wrong. Measures nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import Machine
from benchmarks.measure import WrongAnswerError

Row = dict[str, Any]


@dataclass
class Report:
    """Tables, single figures by their names, and remarks."""

    title: str
    command: str
    figures: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """Add a table; every row has the same columns, the empty ones None. One without rows is left out."""
        if rows:
            self.tables[title] = list(rows)

    def markdown(self) -> str:
        """The whole as a page."""
        parts = [f"# {self.title}", f"`{self.command}`"]
        parts += [f"## {title}\n\n{_table(rows)}" for title, rows in self.tables.items()]
        for title, facts in (("Figures", self.figures), ("Machine", self.machine)):
            if facts:
                parts.append(
                    f"## {title}\n\n" + "\n".join(f"- {name}: {_cell(value)}" for name, value in facts.items())
                )
        parts += self.remarks
        return "\n\n".join(parts) + "\n"

    def json(self) -> str:
        """The whole as JSON, with the numbers as they were measured."""
        return json.dumps(vars(self), indent=1)


def _table(rows: Sequence[Row]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[name]) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    """Three digits are as many as a measurement has."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def parser(about: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="tiny sizes, one round: to see that it works")
    made.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="the cases whose names have all these words"
    )
    made.add_argument("--rounds", type=int, help="how often everyone is measured (5; one if quick)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    made.add_argument("--seed", type=int, default=1, help="of weights and inputs")
    return made


def is_wanted(case: str, options: argparse.Namespace) -> bool:
    """Whether the options ask for the case of that name: `lstm H=512 B=50`."""
    return set(options.only) <= set(case.split())


def progress(case: str) -> None:
    """Tell which case begins; on the other stream, so that the report stays what it is."""
    print(f"... {case}", file=sys.stderr, flush=True)


def report(module: str, title: str, options: argparse.Namespace, measure: Callable[[Report], None]) -> None:
    """Measure, then print the report and write the files that were asked for.

    Exits with an error, and without any figure, if an answer was wrong.
    """
    if options.rounds is None:
        options.rounds = 1 if options.quick else 5
    torch.manual_seed(options.seed)
    machine = Machine()
    made = Report(title, _command(module, options))
    try:
        measure(made)
    except WrongAnswerError as error:
        sys.exit(f"an answer is wrong, so nothing is reported: {error}")
    made.machine = machine.facts()
    made.remarks = machine.warnings() + made.remarks
    print(made.markdown())
    for path, text in ((options.json, made.json()), (options.markdown, made.markdown())):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def _command(module: str, options: argparse.Namespace) -> str:
    """The command that measures this again."""
    words = ["python", "-m", f"benchmarks.{module}"]
    for name, value in vars(options).items():
        if name in ("json", "markdown") or value is None or value is False or value == []:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += map(str, value) if isinstance(value, list) else [str(value)]
    return " ".join(words)
