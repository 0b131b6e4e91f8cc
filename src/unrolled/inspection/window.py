"""n-NN: a network with one hidden layer that sees the last n symbols. Knows arrays of ids; a baseline beside n-grams.

Karpathy, Johnson & Fei-Fei 2015 (Visualizing and Understanding Recurrent Networks), section 4.3: tanh, over the
one-hot vectors of n symbols one behind the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unrolled.errors import ConfigError, DataError
from unrolled.inspection.ngram import Floats, checked_ids

_BATCH = 256
_RATE = 4e-3  # of Adam; it falls to zero, evenly
_AT_ONCE = 4096  # symbols


class WindowNet(nn.Module):
    """The probability of a symbol after the n before it: softmax(W tanh(sum of n embeddings + b) + c).

    A matrix times n one-hot vectors one behind the other is the sum of n of its columns, so there is a row of a table
    for each symbol at each place. A place before the text begins has the vector of zeros.
    """

    def __init__(self, n: int, vocab_size: int, hidden: int) -> None:
        """Initial values come from torch's default generator.

        Args:
            n: how many symbols it sees: those that an n-gram model of the order n + 1 sees.
            vocab_size: V.
            hidden: units of the hidden layer.

        Raises:
            ConfigError: one of them is below 1.
        """
        super().__init__()
        for name, value in {"n": n, "vocab_size": vocab_size, "hidden": hidden}.items():
            if value < 1:
                raise ConfigError(f"{name}={value}: give a whole number from 1 on")
        self.n, self.vocab_size = n, vocab_size
        self.table = nn.EmbeddingBag(n * vocab_size + 1, hidden, mode="sum", padding_idx=n * vocab_size)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.read_out = nn.Linear(hidden, vocab_size)
        with torch.no_grad():
            self.table.weight.mul_(n**-0.5)  # of n of them the sum has the variance 1

    def forward(self, before: Tensor) -> Tensor:
        """Logits `[B, V]` of the symbol after each of `before` `[B, n]`: ids, or -1 where the text has not begun."""
        rows = before + self.vocab_size * torch.arange(self.n)
        rows = torch.where(before < 0, self.n * self.vocab_size, rows)
        logits: Tensor = self.read_out((self.table(rows) + self.bias).tanh())
        return logits

    def before(self, ids: Tensor) -> Tensor:
        """What stands before each symbol of a text `[N]`, `[N, n]`, a view; -1 where the text has not begun."""
        return torch.cat([ids.new_full((self.n,), -1), ids]).unfold(0, self.n, 1)[: len(ids)]

    @torch.no_grad()
    def distributions(self, ids: Any) -> Floats:
        """The probabilities of all symbols before each symbol of a text `[N]`, `[N, V]`; the first ones see fewer.

        Raises:
            DataError: a symbol that is not among the V.
        """
        before = self.before(torch.from_numpy(checked_ids(ids, self.vocab_size)))
        parts = [self(piece).double().softmax(dim=-1) for piece in torch.split(before, _AT_ONCE)]
        found: Floats = torch.cat(parts).numpy()
        return found

    def probabilities(self, ids: Any) -> Floats:
        """The probability of each symbol of a text `[N]` after those before it, `[N]`; the first ones have fewer.

        Raises:
            DataError: a symbol that is not among the V.
        """
        ids = checked_ids(ids, self.vocab_size)
        chosen: Floats = self.distributions(ids)[np.arange(len(ids)), ids]
        return chosen


def fit(ids: Any, n: int, vocab_size: int, hidden: int = 128, *, steps: int = 2000, seed: int = 0) -> WindowNet:
    """A network that has learned a text `[N]`: so many updates by Adam, of 256 places each.

    The same numbers give the same network; torch's default generator stays as it is.

    Raises:
        ConfigError: n, a size or the steps are below 1.
        DataError: no symbol, or one that is not among the V.
    """
    if steps < 1:
        raise ConfigError(f"steps={steps}: give a whole number from 1 on")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = WindowNet(n, vocab_size, hidden)
    targets = torch.from_numpy(checked_ids(ids, vocab_size))
    if not len(targets):
        raise DataError("there is no text to learn")
    chance = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    before = net.before(targets)
    with torch.enable_grad():
        for _ in range(steps):
            places = torch.randint(len(targets), (_BATCH,), generator=chance)
            optimizer.zero_grad()
            F.cross_entropy(net(before[places]), targets[places]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            falling.step()
    return net
