"""Models: recurrent layers with what stands before and behind them. Knows ids and tensors, no files."""

from unrolled.models.classifier import Classifier, ClassifierConfig
from unrolled.models.front import FrontConfig
from unrolled.models.language_model import LanguageModel, LanguageModelConfig
from unrolled.models.mode import evaluating
from unrolled.models.tagger import Tagger, TaggerConfig

__all__ = [
    "Classifier", "ClassifierConfig", "FrontConfig", "LanguageModel", "LanguageModelConfig", "Tagger", "TaggerConfig",
    "evaluating",
]  # fmt: skip
