"""Models as people write them: each with recurrent layers of torch's within, and something to call it with."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

B, T, D, H, V = 3, 7, 5, 6, 11


class PackedTagger(nn.Module):
    """A packed, bidirectional, batch_first LSTM in a wrapper."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(V, D)
        self.encoder = nn.LSTM(D, H, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * H, 3)

    def forward(self, ids, lengths):
        packed = pack_padded_sequence(self.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        output, (h, _) = self.encoder(packed)
        padded, _ = pad_packed_sequence(output, batch_first=True)
        return self.head(padded), h


class EncoderDecoder(nn.Module):
    """A GRU reads, a GRUCell writes what it is told."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(D, H)
        self.decoder = nn.GRUCell(D, H)
        self.read_out = nn.Linear(H, V)

    def forward(self, x, y):
        _, h = self.encoder(x)
        h, told = h[0], []
        for one in y:
            h = self.decoder(one, h)
            told.append(self.read_out(h))
        return torch.stack(told)


class CellLoop(nn.Module):
    """An LSTMCell in a loop, two of them one on the other."""

    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(D, H), nn.LSTMCell(H, H)])

    def forward(self, x):
        states = [None] * len(self.cells)
        for one in x:
            for place, cell in enumerate(self.cells):
                states[place] = cell(one, states[place])
                one = states[place][0]
        return one


class TiedLanguageModel(nn.Module):
    """The embedding is the read-out."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(V, H)
        self.rnn = nn.LSTM(H, H, num_layers=2, batch_first=True)
        self.read_out = nn.Linear(H, V, bias=False)
        self.read_out.weight = self.embedding.weight

    def forward(self, ids, state=None):
        output, state = self.rnn(self.embedding(ids), state)
        return self.read_out(output), state


class ScaledLSTM(nn.LSTM):
    """A class derived from torch's."""

    def forward(self, x, hx=None):
        output, state = super().forward(2 * x, hx)
        return output + 1, state


class Twice(nn.Module):
    """One GRU at two places."""

    def __init__(self):
        super().__init__()
        self.first = nn.GRU(D, D)
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x)[0])[0]


class Listener(nn.Module):
    """Convolutions, a GRU over the frames, the mean over time."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(D, 8, 3, padding=1)
        self.rnn = nn.GRU(8, H, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * H, 2)

    def forward(self, x):
        frames = self.convolution(x.transpose(1, 2)).relu().transpose(1, 2)
        return self.head(self.rnn(frames)[0].mean(dim=1))


class RNNCellLoop(nn.Module):
    """The plainest cell, without biases, over one sequence without a batch."""

    def __init__(self):
        super().__init__()
        self.cell = nn.RNNCell(D, H, bias=False, nonlinearity="relu")

    def forward(self, x):
        h = torch.zeros(H, dtype=x.dtype)
        for one in x:
            h = self.cell(one, h)
        return h


class First(nn.Module):
    """What an nn.Sequential needs behind a recurrent layer."""

    def forward(self, pair):
        return pair[0]


def _normed():
    layer = nn.LSTM(D, H)
    return weight_norm(layer, "weight_hh_l0")


def _ids(*shape):
    return torch.randint(V, shape)


def _x(*shape):
    return torch.randn(*shape, dtype=torch.float64)


# name -> how it is made, and what it is called with.
MODELS = {
    "LSTM": (lambda: nn.LSTM(D, H, 2), lambda: (_x(T, B, D),)),
    "LSTM with a state": (lambda: nn.LSTM(D, H), lambda: (_x(T, B, D), (_x(1, B, H), _x(1, B, H)))),
    "LSTM with projections": (lambda: nn.LSTM(D, H, 2, proj_size=4), lambda: (_x(T, B, D),)),
    "bidirectional RNN with relu": (lambda: nn.RNN(D, H, 2, "relu", bidirectional=True), lambda: (_x(T, B, D),)),
    "GRU without a batch": (lambda: nn.GRU(D, H, batch_first=True), lambda: (_x(T, D),)),
    "packed tagger": (PackedTagger, lambda: (_ids(B, T), torch.tensor([4, 7, 2]))),
    "encoder and decoder": (EncoderDecoder, lambda: (_x(T, B, D), _x(4, B, D))),
    "LSTMCells in a loop": (CellLoop, lambda: (_x(T, B, D),)),
    "tied language model": (TiedLanguageModel, lambda: (_ids(B, T),)),
    "derived class": (lambda: ScaledLSTM(D, H), lambda: (_x(T, B, D),)),
    "one layer at two places": (Twice, lambda: (_x(T, B, D),)),
    "listener": (Listener, lambda: (_x(B, T, D),)),
    "RNNCell without biases": (RNNCellLoop, lambda: (_x(T, D),)),
    "sequential": (lambda: nn.Sequential(nn.GRU(D, H), First(), nn.Linear(H, 2)), lambda: (_x(T, B, D),)),
    "weight norm": (_normed, lambda: (_x(T, B, D),)),
}
