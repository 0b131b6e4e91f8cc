"""What a run is asked to do, as data: the options of `unrolled train`, or a file of them. Trains nothing."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from unrolled.data import as_names
from unrolled.errors import ConfigError, UnrolledError, did_you_mean
from unrolled.training import TrainingConfig


def _named(data: Any) -> Any:
    """Names of data, see `as_names`; what is none is left to the check of types."""
    try:
        return tuple(as_names(data))
    except TypeError:
        return data


class RunConfig(TrainingConfig):
    """What every run has, whatever it learns: data, a recurrent network, training."""

    task: str = Field(description="what is learned")
    data: Annotated[tuple[str, ...], BeforeValidator(_named)] = Field(
        default=(), strict=False, description="files, folders, globs, '-'; none: the default corpus"
    )
    val_frac: float = Field(default=0.05, ge=0, lt=1, description="share of the data held out; 0: none")
    cell: str = "gru_v3"
    hidden_size: int = Field(
        default=256, ge=1, le=1_000_000, description="units; larger by itself where a text and the time allow (README)"
    )
    num_layers: int = Field(default=1, ge=1, le=1_000, description="one on the other")
    embedding_size: int = Field(default=64, ge=0, le=1_000_000, description="0: one-hot")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    init: Literal["cell", "uniform", "normal"] = Field(
        default="cell",
        description="initial values where the cell states none: its default, U(-0.08, 0.08) (char-rnn), or N(0, 0.01)"
        " and zeros (min-char-rnn)",
    )
    save_minutes: float = Field(default=5.0, gt=0, le=1e6, description="saved at every evaluation, and so often")
    keep: int = Field(default=2, ge=2, le=50, description="how many checkpoints are kept, of the newest: see --average")
    device: str = Field(default="cpu", description="torch's name of it")


_LARGEST = 1 << 16  # bytes of a file of options
KEPT = "kept"  # in a validation's context: see `validated`
_MOST_TOLD = 10  # of the things that are wrong with one

Model = TypeVar("Model", bound=BaseModel)


def validated(
    kind: type[Model], values: Mapping[str, Any], what: str, error: type[UnrolledError], kept: Collection[str] = ()
) -> Model:
    """The values as a model of that kind.

    `kept`: names of those that somebody wrote down, with all others, when other defaults may have held: where they have
    no effect they may be what they are.

    Raises:
        error: a value is unknown, missing or wrong; says which, and what was wanted.
    """
    try:
        return kind.model_validate(values, context={KEPT: frozenset(kept)})
    except ValidationError as refused:
        told = [f"{what}: {_told(one, kind)}" for one in refused.errors(include_url=False)]
        more = [f"... and {len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
        raise error("\n".join(told[:_MOST_TOLD] + more)) from None


def read_config(path: Path) -> dict[str, Any]:
    """The options in a JSON or TOML file (by its ending); `hidden-size` and `hidden_size` are the same.

    A run's own config.json is such a file.

    Raises:
        ConfigError: no such file, or not a file of options.
    """
    is_toml = path.suffix.lower() == ".toml"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        text = content.decode("utf-8-sig")
        values = tomllib.loads(text) if is_toml else json.loads(text, object_pairs_hook=without_doubles)
    except OSError as error:
        raise ConfigError(f"the options in {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if is_toml else "JSON"
        raise ConfigError(f"{path} is not {kind}: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path} holds {type(values).__name__}, wanted options with names: {{"hidden_size": 128}}')
    values.pop("format", None)  # of a run
    return {name.replace("-", "_"): value for name, value in values.items()}


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object that these pairs make, for `json.loads`; ValueError if a key stands twice."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return values


def _told(refused: Any, kind: type[BaseModel]) -> str:
    name = shortened(".".join(map(str, refused["loc"])))
    if refused["type"] == "extra_forbidden":
        return f"there is no option {name!r}." + did_you_mean(name, kind.model_fields)
    message = refused["msg"].removeprefix("Value error, ")
    return f"{name} = {shortened(repr(refused['input']))}: {message}" if name else message


def shortened(text: str, most: int = 200) -> str:
    """The text, or its beginning and three dots."""
    return text if len(text) <= most else f"{text[:most]}..."
