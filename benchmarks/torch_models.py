"""Our language models over again in plain PyTorch, with the same weights: the peers of sampling and of training.

Knows our names for the parameters of an LSTM, and torch's order of its gates.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unrolled import LanguageModel

Hidden = tuple[Tensor, Tensor]
_ARRAYS = {"weight_ih": "weight_i_x", "weight_hh": "weight_i_h", "bias_ih": "bias_i_x", "bias_hh": "bias_i_h"}


class TorchModel(nn.Module):
    """Embedding or one-hot, `nn.LSTM`, a linear read-out."""

    def __init__(self, ours: LanguageModel) -> None:
        super().__init__()
        sizes = ours.config
        self.symbols = sizes.vocab_size
        self.embedding = None if ours.embedding is None else _like(ours.embedding)
        inputs = sizes.embedding_size or sizes.vocab_size
        self.rnn = nn.LSTM(inputs, sizes.hidden_size, sizes.num_layers)
        self.read_out = _like(ours.read_out)
        _fill(self.rnn, ours)

    def inputs(self, ids: Tensor) -> Tensor:
        """What the LSTM reads."""
        if self.embedding is None:
            return F.one_hot(ids, self.symbols).to(self.read_out.weight.dtype)
        embedded: Tensor = self.embedding(ids)
        return embedded

    def forward(self, ids: Tensor, state: Hidden | None = None) -> tuple[Tensor, Hidden]:
        """Logits `[T, B, V]` of ids `[T, B]`, and the states."""
        hidden, state = self.rnn(self.inputs(ids), state)
        return self.read_out(hidden), state

    def step(self, ids: Tensor, state: Hidden | None) -> tuple[Tensor, Hidden]:
        """Logits `[B, V]` of ids `[B]`, by the layer, called on a sequence of one step."""
        logits, state = self(ids.unsqueeze(0), state)
        return logits.squeeze(0), state


class TorchCells(nn.Module):
    """The same by `nn.LSTMCell`s, one for each layer: faster than `nn.LSTM` where there is one step at a time."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        self.model = model
        layer = model.rnn
        self.cells = nn.ModuleList(
            nn.LSTMCell(layer.hidden_size if place else layer.input_size, layer.hidden_size)
            for place in range(layer.num_layers)
        )
        for place, one in enumerate(self.cells):
            one.load_state_dict({name: getattr(layer, f"{name}_l{place}") for name in _ARRAYS})

    def step(self, ids: Tensor, state: list[Hidden] | None) -> tuple[Tensor, list[Hidden]]:
        """Logits `[B, V]` of ids `[B]`."""
        hidden, after = self.model.inputs(ids), []
        for place, one in enumerate(self.cells):
            after.append(one(hidden, None if state is None else state[place]))
            hidden = after[-1][0]
        return self.model.read_out(hidden), after


def _like(module: nn.Module) -> nn.Module:
    """A copy of an embedding or a read-out, with parameters of its own."""
    weight = module.weight.detach()
    if isinstance(module, nn.Embedding):
        return nn.Embedding.from_pretrained(weight.clone(), freeze=False)
    copied = nn.Linear(weight.shape[1], weight.shape[0])
    copied.load_state_dict(module.state_dict())
    return copied


@torch.no_grad()
def _fill(layer: nn.LSTM, ours: LanguageModel) -> None:
    """Ours: i f o g. Torch's: i f g o."""
    for place in range(layer.num_layers):
        for theirs, name in _ARRAYS.items():
            i, f, o, g = ours.get_parameter(f"rnn.layer{place}.{name}").chunk(4)
            getattr(layer, f"{theirs}_l{place}").copy_(torch.cat([i, f, g, o]))
