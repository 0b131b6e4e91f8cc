"""All steps of a drawing without windows as one equation, which the engine runs at once. Knows no pixels' meaning.

Step by step, each network packs its weights anew and adds up their gradients at each step; in one equation that is done
once for all steps. And W [x, x - sigmoid(c), h] is (W_1 + W_2) x - W_2 sigmoid(c) + W_3 h: what the encoder's matrices
make of the image is the same at all steps, and is computed once, wherever a cell multiplies its input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.engine import Program, State
from unrolled.equations import Graph, Joining, Width, products_of_input, within
from unrolled.layers import Recurrent

_D = Width(input=1)  # of the whole: the numbers in z


@dataclass(frozen=True)
class _Base:
    """What an encoder's matrix makes of an image: which parameter it is, and the state that holds it."""

    slot: int
    name: str


class WholeDrawing:
    """The equation of a drawer's step, from noise to the canvas, and the parameters that it takes from the drawer.

    Args:
        encoder, decoder: the layers.
        latent: from the encoder's output to the means and the log-deviations of z.
        write: from the decoder's output to what is added to the canvas.
    """

    def __init__(self, encoder: Recurrent, decoder: Recurrent, latent: nn.Linear, write: nn.Linear) -> None:
        self._encoder, self._decoder = encoder, decoder
        self._latent, self._write = latent, write
        self._pixels = write.out_features
        self._bases = [_Base(slot, f"image_{slot}") for slot in products_of_input(encoder.graph)]
        self._program = Program(self._equation(), decoder.input_size, decoder.hidden_size)

    def run(self, images: Tensor, blank: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Canvases after each step `[T, B, P]`, means and log-deviations `[T, B, Z]`.

        Of images `[B, P]`, drawn from a blank canvas `[P]` with noise `[T, B, Z]`.
        """
        given, bases = self._parameters(images)
        state: State = {
            one.name: images.new_zeros(len(images), self._program.resolve(one.width))
            for one in self._program.graph.states
        }
        state |= {**bases, "canvas": blank.expand(len(images), -1)}
        output, _ = self._program.run(noise, state, given)
        canvas, mean, log_deviation = torch.split(output, [self._pixels, *[noise.shape[2]] * 2], dim=2)
        return canvas, mean, log_deviation

    def _equation(self) -> Graph:
        made = Joining()
        noise, pixels = made.leaf("input", _D), Width(units=self._pixels)
        canvas, hidden = made.state("canvas", pixels), made.state("hidden", self._top(self._decoder, _D))
        seen = made.apply("concat", made.apply("negative", made.apply("sigmoid", canvas)), hidden)
        whole = pixels + pixels + self._top(self._decoder, _D)
        bases = {
            one.slot: (seen, made.state(one.name, within(self._encoder.graph.parameters[one.slot].rows, whole)))
            for one in self._bases
        }
        found = made.joined(self._encoder.graph, bases, whole, "encoder0")
        width = within(self._encoder.graph.output_width, whole)
        for layer in range(1, self._encoder.num_layers):
            found = made.joined(self._encoder.graph, found, width, f"encoder{layer}")
            width = within(self._encoder.graph.output_width, width)
        latent = made.linear(found, _D * 2)
        mean, log_deviation = (made.apply("part", latent, start=str(_D * place), width=str(_D)) for place in range(2))
        drawn, width = mean + made.apply("exp", log_deviation) * noise, _D
        for layer in range(self._decoder.num_layers):
            drawn = made.joined(self._decoder.graph, drawn, width, f"decoder{layer}")
            width = within(self._decoder.graph.output_width, width)
        canvas = canvas + made.linear(drawn, pixels)
        made.becomes("canvas", canvas)
        made.becomes("hidden", drawn)
        return made.written("drawing", made.apply("concat", canvas, latent))

    def _top(self, layers: Recurrent, width: Width) -> Width:
        """How wide the output of the last layer is, above an input of that width."""
        for _ in range(layers.num_layers):
            width = within(layers.graph.output_width, width)
        return width

    def _parameters(self, images: Tensor) -> tuple[list[Tensor], State]:
        """The values of all parameters in their order, and what the encoder's matrices make of the images."""
        bases: State = {}
        first, *above = ([*parameters] for _, parameters in self._encoder.layers())
        for one in self._bases:
            matrix = first[one.slot]
            image, others = matrix[:, : self._pixels], matrix[:, self._pixels :]  # W_1; W_2 and W_3
            bases[one.name] = images @ (image + others[:, : self._pixels]).T
            first[one.slot] = others
        layers = [*first, *(one for layer in above for one in layer)]
        of_decoder = [one for _, parameters in self._decoder.layers() for one in parameters]
        ends = [[one.weight, one.bias] for one in (self._latent, self._write)]
        return [*layers, *ends[0], *of_decoder, *ends[1]], bases


def can_be_whole(encoder: Recurrent, decoder: Recurrent) -> bool:
    """Whether these layers can stand in one equation: they have no noise, and the encoder only multiplies its input."""
    return not encoder.graph.noise and not decoder.graph.noise and bool(products_of_input(encoder.graph))
