"""The help of commands whose options depend on the kind of task: it tells those of one kind. Makes no options."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand, TyperOption

from unrolled.cli.options import help_of
from unrolled.runs import DEFAULT, KINDS, kind_of
from unrolled.runs.tasks import AnyKind

_OPTION = "--task"


class OfOneTask(TyperCommand):
    """A command whose help is about the kind of task that `--task` names, else the default one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As ever; the help is asked for in here."""
        ctx.meta[_OPTION] = _task_in(args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Tell the options of one kind of task.

        Raises:
            ConfigError: there is no such task.
        """
        told = copy.copy(self)
        kind = kind_of(ctx.meta[_OPTION] or DEFAULT)
        told.params = list(_told(self.params, kind))
        others = ", ".join(name for name in KINDS if name != kind.name)
        told.epilog = (
            f"These are the options of --task {kind.name}. 'unrolled {self.name} --task NAME --help' tells those of"
            f" another one: {others}."
        )
        super(OfOneTask, told).format_help(ctx, formatter)


def _task_in(args: Sequence[str]) -> str | None:
    """What is called the task, before anything is checked: as ever, the last one counts."""
    task = None
    for one, following in itertools.zip_longest(args, args[1:]):
        name, sign, value = one.partition("=")
        if name == _OPTION:
            task = value if sign else following
    return task


def _told(parameters: Sequence[Any], kind: AnyKind) -> Iterator[Any]:
    """The argument and the options of that kind, each with its own help; and those of no kind."""
    for one in parameters:
        helps = help_of(one.name)
        if not helps:
            yield one
        elif kind.name in helps:
            told = copy.copy(one)
            told.help = helps[kind.name] if isinstance(one, TyperOption) else kind.reads
            yield told
