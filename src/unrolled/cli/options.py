"""The options of `unrolled train`, made from those of every kind of task: each name, type and default is said once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from unrolled.runs import KINDS

LENGTHS = ("steps", "epochs", "minutes")
_PANELS = {
    "Data": (
        "task",
        "data",
        "tokens",
        "target_tokens",
        "text_column",
        "label_column",
        "source_column",
        "target_column",
        "image_column",
        "image_folder",
        "image_size",
        "image_channels",
        "vocab_size",
        "lower",
        "max_length",
        "val_frac",
        "split_seed",
        "frame_size",
        "frame_channels",
    ),
    "Model": ("cell", "hidden_size", "num_layers", "embedding_size", "dropout"),
    "Length": LENGTHS,
    "Samples": ("samples", "sample_length", "sample_temperature"),
    "Machine": ("precision", "device", "seed"),
}
_ARGUMENTS = ("data",)


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose last parameter is `**options` one option for each that a kind of task has.

    An option that was not given is None: the configuration file or the default holds.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    fields: dict[str, dict[str, FieldInfo]] = {}
    for kind in KINDS.values():
        for name, field in kind.config.model_fields.items():
            fields.setdefault(name, {})[kind.name] = field
    made = [_parameter(name, of_kinds) for name, of_kinds in fields.items()]
    made.sort(key=lambda one: one.name not in _ARGUMENTS)
    parameters = [*made, *(one.replace(kind=one.KEYWORD_ONLY) for one in own)]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _parameter(name: str, of_kinds: dict[str, FieldInfo]) -> inspect.Parameter:
    """The parameter for a field, of one kind of task or of several."""
    annotation: Any
    field = next(iter(of_kinds.values()))
    if name in _ARGUMENTS:
        annotation = Annotated[list[str] | None, typer.Argument(help=field.description, show_default=False)]
    else:
        panel = next((panel for panel, names in _PANELS.items() if name in names), "Training")
        option = typer.Option(help=_help(of_kinds), rich_help_panel=panel, show_default=False)
        annotation = Annotated[_plain([one.annotation for one in of_kinds.values()]) | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _plain(annotations: list[Any]) -> Any:
    """The type of a field without its None; of choices, those of all kinds of tasks."""
    choices = [one for annotation in annotations if get_origin(annotation) is Literal for one in get_args(annotation)]
    if choices:
        return Literal[tuple(dict.fromkeys(choices))]
    members = [one for one in get_args(annotations[0]) if one is not type(None)]
    return members[0] if type(None) in get_args(annotations[0]) else annotations[0]


def _help(of_kinds: dict[str, FieldInfo]) -> str:
    """What it is, and its default; where kinds differ, that of each; where only some have it, which."""
    described = next((one.description for one in of_kinds.values() if one.description), None)
    defaults = {kind: one.default for kind, one in of_kinds.items() if one.default not in (None, kind)}
    told = ", ".join(f"{kind} {default}" for kind, default in defaults.items())
    if len(of_kinds) == len(KINDS) and len(set(defaults.values())) == 1:
        told = f"{next(iter(defaults.values()))}"
    default = f"default: {told}" if told else ""
    only = "" if len(of_kinds) == len(KINDS) or told else f"{' and '.join(of_kinds)} only"
    return "; ".join(part for part in (described, default, only) if part)
