"""The options of `unrolled train`, made from those of every kind of task: each name, type and default is said once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from unrolled.runs import KINDS
from unrolled.runs.tasks import AnyKind

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
        "image_fit",
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
    made = [_parameter(name, of_kinds) for name, of_kinds in _run_fields().items()]
    made.sort(key=lambda one: one.name not in _ARGUMENTS)
    return _with(command, lambda own: [*made, *own])


def help_of(name: str) -> dict[str, str]:
    """What an option of a run is, and its default, by the kinds of tasks that have it; none: it is no such option."""
    return {kind: _help(field, kind) for kind, field in _run_fields().get(name, {}).items()}


def with_use_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose last parameter is `**options` one for each that a kind has a use for once it is trained.

    An option that was not given is None: what the run was trained with holds.
    """
    return _with_options_of(command, lambda kind: kind.used_with)


def with_look_options(command: Callable[..., None]) -> Callable[..., None]:
    """The same, for a command that looks into a run."""
    return _with_options_of(command, lambda kind: kind.looked_with)


def _with_options_of(command: Callable[..., None], names: Callable[[AnyKind], Iterable[str]]) -> Callable[..., None]:
    fields = _fields(lambda kind: sorted(names(kind)))
    made = [_parameter(name, of_kinds, is_use=True) for name, of_kinds in fields.items()]
    return _with(command, lambda own: [*own, *made])


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given. Whole numbers are so: kinds differ in which ones they take."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in options.items()
        if value is not None
    }


@cache
def _run_fields() -> dict[str, dict[str, FieldInfo]]:
    return _fields(lambda kind: kind.config.model_fields)


def _fields(names: Callable[[AnyKind], Iterable[str]]) -> dict[str, dict[str, FieldInfo]]:
    """Of each option by these names, the field of each kind of task that has it."""
    fields: dict[str, dict[str, FieldInfo]] = {}
    for kind in KINDS.values():
        for name in names(kind):
            fields.setdefault(name, {})[kind.name] = kind.config.model_fields[name]
    return fields


def _with(
    command: Callable[..., None], order: Callable[[list[inspect.Parameter]], list[inspect.Parameter]]
) -> Callable[..., None]:
    """The command with other parameters in the place of its `**options`, by its own ones."""
    signature = inspect.signature(command, eval_str=True)
    own = [
        one.replace(kind=one.KEYWORD_ONLY) for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD
    ]
    parameters = order(own)
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _parameter(name: str, of_kinds: dict[str, FieldInfo], *, is_use: bool = False) -> inspect.Parameter:
    """The parameter for a field, of one kind of task or of several. `is_use`: its default is what was trained with."""
    annotation: Any
    field = next(iter(of_kinds.values()))
    if name in _ARGUMENTS:
        annotation = Annotated[list[str] | None, typer.Argument(help=field.description, show_default=False)]
    else:
        common = "Training" if len(of_kinds) == len(KINDS) else "Of this task"
        panel = next((panel for panel, names in _PANELS.items() if name in names), common)
        panel, told = ("Use", _use_help(name, of_kinds)) if is_use else (panel, field.description)
        option = typer.Option(help=told, rich_help_panel=panel, show_default=False)
        annotation = Annotated[_plain([one.annotation for one in of_kinds.values()]) | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _plain(annotations: list[Any]) -> Any:
    """The type of a field without its None; of choices, those of all kinds of tasks; of numbers, any."""
    choices = [one for annotation in annotations if get_origin(annotation) is Literal for one in get_args(annotation)]
    if choices:
        return Literal[tuple(dict.fromkeys(choices))]
    plain = [_without_none(one) for one in annotations]
    return float if float in plain else plain[0]


def _without_none(annotation: Any) -> Any:
    members = get_args(annotation)
    return next(one for one in members if one is not type(None)) if type(None) in members else annotation


def _use_help(name: str, of_kinds: dict[str, FieldInfo]) -> str:
    described = next((one.description for one in of_kinds.values() if one.description), None)
    is_forgotten = any(name in KINDS[kind].forgets for kind in of_kinds)
    default = () if is_forgotten else ("default: as it was trained",)
    return "; ".join([*filter(None, [described]), f"--task {' and '.join(of_kinds)}", *default])


def _help(field: FieldInfo, kind: str) -> str:
    default = "" if field.default in (None, kind) else f"default: {field.default}"
    return "; ".join(part for part in (field.description, default) if part)
