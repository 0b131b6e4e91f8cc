"""Models: recurrent layers with what stands before and behind them. Knows ids and tensors, no files."""

from unrolled.models.classifier import Classifier, ClassifierConfig
from unrolled.models.front import FrontConfig
from unrolled.models.language_model import LanguageModel, LanguageModelConfig
from unrolled.models.memory import Memory
from unrolled.models.mode import evaluating
from unrolled.models.sequences import SequenceConfig, SequenceModel
from unrolled.models.tagger import Tagger
from unrolled.models.translator import Translator, TranslatorConfig
from unrolled.models.writer import Context, Writer, WriterConfig

__all__ = [
    "Classifier", "ClassifierConfig", "Context", "FrontConfig", "LanguageModel", "LanguageModelConfig", "Memory",
    "SequenceConfig", "SequenceModel", "Tagger", "Translator", "TranslatorConfig", "Writer", "WriterConfig",
    "evaluating",
]  # fmt: skip
