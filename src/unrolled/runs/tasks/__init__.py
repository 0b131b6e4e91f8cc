"""The kinds of work, by the name that `--task` gives them. Each is one object; a new one is added here."""

from collections.abc import Mapping
from typing import Any

from unrolled.errors import ConfigError, did_you_mean
from unrolled.runs.tasks.caption import CaptionKind
from unrolled.runs.tasks.caption_config import CaptionConfig
from unrolled.runs.tasks.classify import ClassifyConfig, ClassifyKind
from unrolled.runs.tasks.draw import DrawKind
from unrolled.runs.tasks.draw_config import DrawConfig
from unrolled.runs.tasks.glimpse import GlimpseKind
from unrolled.runs.tasks.glimpse_config import GlimpseConfig
from unrolled.runs.tasks.kind import About, Asked, DataFile, Gathered, Kind, Observer, Prediction, Score, ShouldStop
from unrolled.runs.tasks.tag import TagConfig, TagKind
from unrolled.runs.tasks.text import AboutText, TextKind, text_model, text_task
from unrolled.runs.tasks.text_config import TextConfig
from unrolled.runs.tasks.translate import TranslateKind
from unrolled.runs.tasks.translate_config import TranslateConfig

AnyKind = Kind[Any, Any, Any]

_ALL: tuple[AnyKind, ...] = (
    TextKind(), ClassifyKind(), TagKind(), TranslateKind(), CaptionKind(), GlimpseKind(), DrawKind(),
)  # fmt: skip
KINDS: Mapping[str, AnyKind] = {kind.name: kind for kind in _ALL}
DEFAULT = TextKind.name


def kind_of(task: object) -> AnyKind:
    """The kind of that name.

    Raises:
        ConfigError: there is none.
    """
    if not isinstance(task, str) or task not in KINDS:
        near = did_you_mean(task, KINDS) if isinstance(task, str) else ""
        raise ConfigError(f"there is no task {task!r}: {', '.join(KINDS)} are there.{near}")
    return KINDS[task]


__all__ = [
    "DEFAULT", "KINDS", "About", "AboutText", "AnyKind", "Asked", "CaptionConfig", "CaptionKind", "ClassifyConfig",
    "ClassifyKind", "DataFile", "DrawConfig", "DrawKind", "Gathered", "GlimpseConfig", "GlimpseKind", "Kind",
    "Observer", "Prediction", "Score", "ShouldStop", "TagConfig", "TagKind", "TextConfig", "TextKind",
    "TranslateConfig", "TranslateKind", "kind_of", "text_model", "text_task",
]  # fmt: skip
