"""Models: recurrent layers with what stands before and behind them. Knows ids and tensors, no files."""

from unrolled.models.attender import Attender, Looks
from unrolled.models.beholder import Beholder, BeholderConfig, Sight
from unrolled.models.captioner import Captioner, CaptionerConfig
from unrolled.models.classifier import Classifier, ClassifierConfig
from unrolled.models.deep_classifier import DeepClassifier, DeepClassifierConfig
from unrolled.models.drawer import Drawer, DrawerConfig, Drawing
from unrolled.models.front import FrontConfig
from unrolled.models.glimpser import Aim, Glimpser, GlimpserConfig, Looked
from unrolled.models.language_model import LanguageModel, LanguageModelConfig
from unrolled.models.memory import Memory
from unrolled.models.mode import evaluating
from unrolled.models.sequences import SequenceConfig, SequenceModel
from unrolled.models.tagger import Tagger
from unrolled.models.targets import ended, given_before, parted
from unrolled.models.teller import ATTENDS, Entry, Teller, TellerConfig
from unrolled.models.translator import Translator, TranslatorConfig
from unrolled.models.viewer import Viewer, ViewerConfig
from unrolled.models.window_glimpser import WindowGlimpser, WindowGlimpserConfig
from unrolled.models.writer import Context, Writer, WriterConfig

__all__ = [
    "ATTENDS", "Aim", "Attender", "Beholder", "BeholderConfig", "Captioner", "CaptionerConfig", "Classifier",
    "ClassifierConfig", "Context", "DeepClassifier", "DeepClassifierConfig", "Drawer", "DrawerConfig", "Drawing",
    "Entry", "FrontConfig", "Glimpser", "GlimpserConfig", "LanguageModel", "LanguageModelConfig", "Looked", "Looks",
    "Memory", "SequenceConfig", "SequenceModel", "Sight", "Tagger", "Teller", "TellerConfig", "Translator",
    "TranslatorConfig", "Viewer", "ViewerConfig", "WindowGlimpser", "WindowGlimpserConfig", "Writer", "WriterConfig",
    "ended", "evaluating", "given_before", "parted",
]  # fmt: skip
