"""A run's folder: what lies in it, and reading and writing it. No pickle; knows no training loop.

config.json          the options (RunConfig)
cell.json            the graph of the cell: a run is read back without the source that wrote the cell
tokenizer.json       the vocabulary
model.safetensors    the weights
state.json           where training stands
state.safetensors    the optimiser's tensors, the states carried along the streams, the random generator
metrics.jsonl        one line an event
samples/             what the model wrote, by step
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from unrolled.data import Vocabulary
from unrolled.equations import Graph
from unrolled.errors import ConfigError, GraphError, RunError, did_you_mean
from unrolled.models import LanguageModel, LanguageModelConfig
from unrolled.runs.config import RunConfig, validated

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A run that was read back: its options, its vocabulary and its model."""

    path: Path
    config: RunConfig
    vocabulary: Vocabulary
    model: LanguageModel


class RunFolder:
    """Writes a run's folder, file by file; each file is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, *, overwrite: bool = False) -> RunFolder:
        """A new folder for a run, in the place of an older run only with `overwrite`.

        Raises:
            RunError: something else lies there, or it cannot be made.
        """
        try:
            if path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir())):
                _make_room(path, overwrite)
            (path / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"the run's folder {path} cannot be made: {error.strerror}") from error
        return cls(path)

    def write_identity(self, config: RunConfig, vocabulary: Vocabulary, graph: Graph) -> None:
        """What does not change while the run lasts."""
        options = {"format": FORMAT, **config.model_dump(mode="json", exclude_none=True)}
        self._write("cell.json", graph.to_json())
        self._write("tokenizer.json", vocabulary.model_dump_json())
        self._write("config.json", json.dumps(options, indent=1))

    def write_weights(self, model: LanguageModel) -> None:
        """The weights."""
        self._write_tensors("model.safetensors", model.state_dict())

    def write_state(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Where training stands."""
        self._write_tensors("state.safetensors", tensors)
        self._write("state.json", json.dumps(state, indent=1))

    def write_sample(self, step: int, text: str) -> None:
        """What the model wrote after so many steps."""
        self._write(f"samples/step-{step:07d}.txt", text)

    def log(self, event: Mapping[str, Any]) -> None:
        """One line more in metrics.jsonl."""
        with _writing(self.path), (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    def _write_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        self._write(name, safetensors.torch.save({key: value.contiguous() for key, value in tensors.items()}))

    def _write(self, name: str, content: str | bytes) -> None:
        target = self.path / name
        temporary = target.with_name(target.name + ".new")
        with _writing(self.path):
            temporary.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
            temporary.replace(target)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"the run in {path} cannot be written: {error.strerror}. What was saved before is whole"
        ) from error


def load(path: str | PathLike[str], device: str = "cpu") -> Run:
    """Read a run back, ready to write and to be evaluated. No code of its cell is executed.

    Raises:
        RunError: not a run, one that was never saved, or a damaged one.
    """
    path = Path(path)
    if not path.is_dir():
        near = did_you_mean(path.name, [one.name for one in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise RunError(f"there is no run {path}.{near}")
    if not (path / "config.json").is_file():
        raise RunError(f"{path} is not a run: it has no config.json. Runs are made by 'unrolled train'")
    options = _read_json(path / "config.json")
    if options.pop("format", None) != FORMAT:
        raise RunError(f"{path}/config.json is not of format {FORMAT}: this is no run, or one of another version")
    config = validated(RunConfig, options, f"{path}/config.json", RunError)
    vocabulary = validated(Vocabulary, _read_json(path / "tokenizer.json"), f"{path}/tokenizer.json", RunError)
    try:
        graph = Graph.from_json(_read(path / "cell.json"))
    except GraphError as error:
        raise RunError(f"{path}/cell.json: {error}") from error
    model = build_model(config, vocabulary, graph)
    _load_weights(model, path / "model.safetensors")
    return Run(path, config, vocabulary, model.to(device).eval())


def build_model(config: RunConfig, vocabulary: Vocabulary, graph: Graph) -> LanguageModel:
    """The model that the options describe, with fresh weights.

    Raises:
        ConfigError: it would need more memory than this machine has.
    """
    sizes = LanguageModelConfig(
        vocab_size=len(vocabulary),
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        dropout=config.dropout,
    )
    dtype: torch.dtype = getattr(torch, config.precision)
    _check_memory(sizes, graph, dtype)
    return LanguageModel(sizes, graph).to(dtype=dtype)


_COPIES = 4  # of the weights while training: themselves, their gradients, and two moments of AdamW


def _check_memory(sizes: LanguageModelConfig, graph: Graph, dtype: torch.dtype) -> None:
    """Count the parameters of a model that takes no memory, before one is made that does."""
    smaller = "Give a smaller --hidden-size, --num-layers or --embedding-size"
    try:
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in LanguageModel(sizes, graph).parameters())
    except RuntimeError as error:
        raise ConfigError(f"a model of these sizes cannot be made: {error}. {smaller}") from error
    needed = count * dtype.itemsize * _COPIES
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ConfigError(
            f"training {count:,} parameters takes at least {needed / 2**30:,.0f} GiB, this machine has"
            f" {memory / 2**30:,.0f}. {smaller}"
        )


_FILES = (
    "config.json", "cell.json", "tokenizer.json", "model.safetensors", "state.json", "state.safetensors",
    "metrics.jsonl", "samples/step-*.txt",
)  # fmt: skip


def _make_room(path: Path, overwrite: bool) -> None:
    """Delete the files of an older run, and nothing else."""
    if path.is_symlink() or not all((path / name).is_file() for name in ("config.json", "cell.json", "tokenizer.json")):
        raise RunError(f"{path} exists and is not a run: choose another place with -o")
    if not overwrite:
        raise RunError(f"{path} holds a run already: choose another place with -o, or replace it with --overwrite")
    own = {file for name in _FILES for pattern in (name, name + ".new") for file in path.glob(pattern)}
    others = [file for file in path.rglob("*") if file not in own and file != path / "samples"]
    if others:
        raise RunError(
            f"{path} holds more than a run ({others[0]}): it is not overwritten. Choose another place with -o"
        )
    for file in own:
        file.unlink()


def _load_weights(model: LanguageModel, path: Path) -> None:
    if not path.is_file():
        raise RunError(f"the run has no weights: {path} is missing. It was stopped before it was saved; train it again")
    try:
        weights = safetensors.torch.load(_read(path))
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(wanted.keys() | weights.keys()):
        got = tuple(weights[name].shape) if name in weights else None
        if got != wanted.get(name):
            raise RunError(f"{path} does not fit config.json: {name} has shape {got}, wanted {wanted.get(name)}")
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise RunError(f"{path} holds weights that are not finite numbers")
    model.load_state_dict(weights)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"the run is incomplete: {path} cannot be read: {error.strerror}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    if not isinstance(values, dict):
        raise RunError(f"{path} is damaged: it is not a JSON object")
    return values
