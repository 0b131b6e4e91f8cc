"""Models: recurrent layers with what stands before and behind them. Knows ids and tensors, no files."""

from unrolled.models.classifier import Classifier, ClassifierConfig
from unrolled.models.front import FrontConfig
from unrolled.models.language_model import LanguageModel, LanguageModelConfig
from unrolled.models.mode import evaluating
from unrolled.models.sequences import SequenceConfig, SequenceModel
from unrolled.models.tagger import Tagger

__all__ = [
    "Classifier", "ClassifierConfig", "FrontConfig", "LanguageModel", "LanguageModelConfig", "SequenceConfig",
    "SequenceModel", "Tagger", "evaluating",
]  # fmt: skip
