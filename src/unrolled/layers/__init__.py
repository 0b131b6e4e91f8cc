"""Recurrent layers as nn.Modules: a cell over a sequence. Knows no tasks and no text."""

from unrolled.layers.attention import Attention, Scoring
from unrolled.layers.convolution import Blocks, ImageEncoder, ImageGrid, Normalised
from unrolled.layers.deep import Deep, Initialised, initialise
from unrolled.layers.drop_in import GRU, LSTM, RNN
from unrolled.layers.drop_in_cells import GRUCell, LSTMCell, RNNCell
from unrolled.layers.filterbank import Filterbank, Window
from unrolled.layers.pooling import Pool, Pooling
from unrolled.layers.recurrent import Recurrent, check_lengths
from unrolled.layers.sensor import Sensor, Sums
from unrolled.layers.stepper import Stepper
from unrolled.layers.watching import Watchable, is_watched, watching
from unrolled.layers.wobble import wobbled

__all__ = [
    "GRU", "LSTM", "RNN", "Attention", "Blocks", "Deep", "Filterbank", "GRUCell", "ImageEncoder", "ImageGrid",
    "Initialised", "LSTMCell", "Normalised", "Pool", "Pooling", "RNNCell", "Recurrent", "Scoring", "Sensor",
    "Stepper", "Sums", "Watchable", "Window", "check_lengths", "initialise", "is_watched", "watching", "wobbled",
]  # fmt: skip
