"""The options of `unrolled train`, made from those of every kind of task: each name, type and default is said once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from unrolled.runs import KINDS

LENGTHS = ("steps", "epochs", "minutes")
_PANELS = {
    "Data": ("task", "data", "tokens", "val_frac"),
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
    fields = {name: field for kind in reversed([*KINDS.values()]) for name, field in kind.config.model_fields.items()}
    made = [_parameter(name, field) for name, field in fields.items()]
    made.sort(key=lambda one: one.name not in _ARGUMENTS)
    parameters = [*made, *(one.replace(kind=one.KEYWORD_ONLY) for one in own)]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    annotation: Any
    if name in _ARGUMENTS:
        annotation = Annotated[list[str] | None, typer.Argument(help=field.description, show_default=False)]
    else:
        panel = next((panel for panel, names in _PANELS.items() if name in names), "Training")
        option = typer.Option(help=_help(field), rich_help_panel=panel, show_default=False)
        annotation = Annotated[_plain(field.annotation) | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _plain(annotation: Any) -> Any:
    """The type of a field without its None."""
    members = [one for one in getattr(annotation, "__args__", ()) if one is not type(None)]
    return members[0] if type(None) in getattr(annotation, "__args__", ()) else annotation


def _help(field: FieldInfo) -> str:
    default = "" if field.default is None else f"default: {field.default}"
    return "; ".join(part for part in (field.description, default) if part)
