"""A recurrent stack in ONNX: layers on each other, in one or both directions. Knows no cells and no tasks."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.exporting import native
from unrolled.exporting.equation import Equation
from unrolled.exporting.lengths import Lengths
from unrolled.exporting.loop import States, loop, step
from unrolled.exporting.sheet import Port, Sheet
from unrolled.layers import Recurrent

CAME, GOES = "state_", "next_"  # before the name of a state, as it comes in and as it goes out


@dataclass(frozen=True)
class Layers:
    """A stack whose layers are known as equations; `written_as`: what each one's loop is in ONNX, "LSTM" or "Scan"."""

    equations: tuple[tuple[Equation, ...], ...]
    natives: tuple[tuple[native.Native | None, ...], ...]

    @property
    def states(self) -> list[Port]:
        """The states `[L, B, width]` of all layers, by the names that the cell gives them."""
        first = self.equations[0][0]
        count = sum(map(len, self.equations))
        return [Port(one.name, "float32", (count, "B", first.state_width(one.name))) for one in first.graph.states]

    @property
    def written_as(self) -> dict[str, str]:
        """What each layer's loop is, by the layer's name."""
        return {
            equation.name.rstrip("."): "Scan" if found is None else found.operator
            for equations, natives in zip(self.equations, self.natives, strict=True)
            for equation, found in zip(equations, natives, strict=True)
        }


def layers_of(rnn: Recurrent, first: int = 0) -> Layers:
    """The layers of a stack; `first`: the number of the first of them."""
    equations = tuple(
        tuple(
            Equation(direction, f"layer{first + place}{side}")
            for direction, side in zip(layer, (".", ".reverse."), strict=False)
        )
        for place, layer in enumerate(rnn.stack())
    )
    return Layers(equations, tuple(tuple(map(native.native_of, layer)) for layer in equations))


def sequence(sheet: Sheet, layers: Layers, x: str, lengths: Lengths) -> tuple[str, States]:
    """All steps of x `[T, B, D]` -> the output `[T, B, directions * width]`, and the states `[L, B, width]`."""
    final: list[States] = []
    for equations, natives in zip(layers.equations, layers.natives, strict=True):
        outputs = []
        for place, (equation, found) in enumerate(zip(equations, natives, strict=True)):
            if found is None:
                output, states = loop(sheet, equation, x, lengths, reverse=place == 1)
            else:
                output, states = native.write_native(sheet, found, equation, x, lengths, reverse=place == 1)
            outputs.append(output)
            final.append(states)
        x = outputs[0] if len(outputs) == 1 else sheet.call("Concat", *outputs, axis=-1)
    return x, _stacked(sheet, final)


def one_step(sheet: Sheet, layers: Layers, x: str, states: States, first: int = 0) -> tuple[str, States]:
    """One step of x `[B, D]` from states `[L, B, width]`, forwards -> the output `[B, width]` and the states.

    `first`: where the states of these layers begin.
    """
    final: list[States] = []
    for place, (equation,) in enumerate(layers.equations, first):
        index = sheet.call("Squeeze", sheet.whole(place))
        before = {name: sheet.call("Gather", value, index, axis=0) for name, value in states.items()}
        x, after = step(sheet, equation, x, before)
        final.append(after)
    return x, _stacked(sheet, final)


def states_in(sheet: Sheet, layers: Layers) -> States:
    """Inputs for the states."""
    return {one.name: sheet.input(CAME + one.name, one.numbers, one.shape) for one in layers.states}


def states_out(sheet: Sheet, layers: Layers, states: States) -> None:
    """Outputs for the states."""
    for one in layers.states:
        sheet.output(GOES + one.name, states[one.name], one.numbers, one.shape)


def carried(layers: Layers) -> dict[str, str]:
    """Which output of a step is which input of the next."""
    return {GOES + one.name: CAME + one.name for one in layers.states}


def _stacked(sheet: Sheet, final: list[States]) -> States:
    first = sheet.whole(0)
    return {
        name: sheet.call("Concat", *(sheet.call("Unsqueeze", states[name], first) for states in final), axis=0)
        for name in final[0]
    }
