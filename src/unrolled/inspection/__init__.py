"""Looking into recurrent networks. Knows layers and models; nothing else knows that it is there."""

from unrolled.inspection.account import Account, account
from unrolled.inspection.addresses import Found, Place, find
from unrolled.inspection.alignment import Alignment, looking
from unrolled.inspection.any_model import account_of
from unrolled.inspection.backprop import BackwardSignal, backward_signals
from unrolled.inspection.canvases import Costs, Growing, nearest
from unrolled.inspection.checkpoints import Checkpoint
from unrolled.inspection.clipping import Clipping, Cut, clippings
from unrolled.inspection.depth import Layer, depth_gradients, gradients_by_layer
from unrolled.inspection.divergence import divergences
from unrolled.inspection.flow import Activation, Fate, fates
from unrolled.inspection.gaze import Gaze, Gazing, gazing
from unrolled.inspection.intervening import Change, Clamp, Scale, Shift, intervene
from unrolled.inspection.labels import Label, labels_of
from unrolled.inspection.ngram import NGrams
from unrolled.inspection.opening import close, open  # noqa: A004 (what it does)
from unrolled.inspection.tracing import Recorder, Trace, names_of, trace
from unrolled.inspection.values import Values
from unrolled.inspection.words import Sentence, sentences
from unrolled.layers import Initialised

__all__ = [
    "Account", "Activation", "Alignment", "BackwardSignal", "Change", "Checkpoint", "Clamp", "Clipping", "Costs",
    "Cut", "Fate", "Found", "Gaze", "Gazing", "Growing", "Initialised", "Label", "Layer", "NGrams", "Place",
    "Recorder", "Scale", "Sentence", "Shift", "Trace", "Values", "account", "account_of", "backward_signals",
    "clippings", "close", "depth_gradients", "divergences", "fates", "find", "gazing", "gradients_by_layer",
    "intervene", "labels_of", "looking", "names_of", "nearest", "open", "sentences", "trace",
]  # fmt: skip
