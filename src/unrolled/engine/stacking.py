"""Layers as one program: one over the other, or in a whole model that reads the symbols that it writes.

Knows programs, no tensors. One step of a model's loop: a symbol is chosen by the logits, its row is looked up in a
table, the layers take one step each, and the read-out makes the next logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unrolled.engine.barriers import set_barriers
from unrolled.engine.homes import Buffer, Home
from unrolled.engine.phases import Phase
from unrolled.engine.programs import (
    A_CONSTANT,
    IN_BUFFER,
    Choice,
    Instruction,
    Lookup,
    Matrix,
    Operand,
    Product,
    Program,
    Stage,
    StageKind,
)


@dataclass(frozen=True)
class Layer:
    """A layer's forward program without gradients, the state that is its output, if one is, and its parameters."""

    program: Program
    output_state: str | None
    parameters: int


@dataclass(frozen=True)
class Chosen:
    """How a symbol is chosen, as native/unrolled.h says."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


def chained(layers: Sequence[Layer], input_size: int) -> tuple[Program, int]:
    """The program of layers one over the other, and the number of the buffer with the last one's output.

    Its buffers: `input`; the layers' own, the number of the layer standing before the name of a state; and the
    parameters, by their places in one list.
    """
    stack = _Stack()
    value = stack.layers(layers, stack.buffer(Buffer("input", "", "history", input_size)))
    set_barriers(stack.program)
    return stack.program, value


def stacked(layers: Sequence[Layer], input_size: int, symbols: int, chosen: Chosen) -> Program:
    """The program of a model.

    Its buffers: `ids` and `numbers` (see UnrolledChoice), `logits`, `table` [symbols, input_size]; and those of
    `chained`, the read-out's matrix [symbols, width] and its bias being the last parameters.
    """
    stack = _Stack()
    program, buffer = stack.program, stack.buffer
    logits = buffer(Buffer("logits", "", "step", symbols))
    ids, numbers = buffer(Buffer("ids", "", "history", 1)), buffer(Buffer("numbers", "", "history", 1))
    table, value = buffer(Buffer("table", "", "step", input_size)), buffer(Buffer("made", "input", "step", input_size))
    program.choices.append(Choice(logits, symbols, numbers, ids, chosen.top_k, chosen.temperature, chosen.top_p))
    program.lookups.append(Lookup(ids, table, symbols, value, input_size))
    program.stages += [Stage(StageKind.CHOICE, Phase.LOOP, 0), Stage(StageKind.LOOKUP, Phase.LOOP, 0)]
    stack.read_out(stack.layers(layers, value), logits)
    set_barriers(program)
    return program


class _Stack:
    """A program that grows by layers, each reading what the one before gives out."""

    def __init__(self) -> None:
        self.program = Program()
        self.parameters = 0

    def buffer(self, buffer: Buffer) -> int:
        """The number of a buffer."""
        if buffer not in self.program.buffers:
            self.program.buffers.append(buffer)
        return self.program.buffers.index(buffer)

    def layers(self, layers: Sequence[Layer], value: int) -> int:
        """Write the stages of all layers; the buffer of the last one's output."""
        for number, layer in enumerate(layers):
            value = self._layer(number, layer, value)
        return value

    def read_out(self, value: int, logits: int) -> None:
        """Write a product of a buffer, plus a bias, into another."""
        width, symbols = self.program.buffers[value].width, self.program.buffers[logits].width
        matrix = self.program.matrix(Matrix(self.parameters, symbols, width, False, 1))
        bias = self.buffer(Buffer("parameter", self.parameters + 1, "vector", symbols))
        self.program.stages.append(Stage(StageKind.PRODUCT, Phase.LOOP, len(self.program.products)))
        self.program.products.append(Product(Home(value, 0), matrix, Home(logits, 0), Home(bias, 0)))

    def _layer(self, number: int, layer: Layer, value: int) -> int:
        buffers = [
            value if one.kind == "input" else self.buffer(self._renamed(number, one)) for one in layer.program.buffers
        ]
        copy = _Copy(layer.program, self.program, buffers, self.parameters)
        for phase in Phase:
            for stage in layer.program.stages:
                if stage.phase == phase:
                    self.program.stages.append(copy.stage(stage))
        self.parameters += layer.parameters
        return next(
            buffers[at]
            for at, one in enumerate(layer.program.buffers)
            if (one.kind, one.name) in (("output", ""), ("after", layer.output_state))
        )

    def _renamed(self, number: int, buffer: Buffer) -> Buffer:
        """A layer's buffer among all; what is read within its own step only is not kept for all steps."""
        if buffer.kind == "parameter":
            assert isinstance(buffer.name, int)
            return replace(buffer, name=self.parameters + buffer.name)
        span = "step" if buffer.kind in ("made", "output") and buffer.span == "history" else buffer.span
        return replace(buffer, name=f"{number} {buffer.name}", span=span)


class _Copy:
    """Stages of one program, as stages of another that has its buffers under other numbers."""

    def __init__(self, source: Program, target: Program, buffers: Sequence[int], first_slot: int) -> None:
        self.source = source
        self.target = target
        self.buffers = buffers
        self.first_slot = first_slot
        target.registers = max(target.registers, source.registers)
        target.widest = max(target.widest, source.widest)

    def stage(self, stage: Stage) -> Stage:
        phase = Phase.ONCE if stage.phase == Phase.ONCE else Phase.LOOP
        if stage.kind == StageKind.PRODUCT:
            self.target.products.append(self._product(self.source.products[stage.first]))
            return Stage(StageKind.PRODUCT, phase, len(self.target.products) - 1)
        first = len(self.target.instructions)
        lines = self.source.instructions[stage.first : stage.first + stage.length]
        self.target.instructions += [self._instruction(one) for one in lines]
        return stage._replace(phase=phase, first=first)

    def _product(self, product: Product) -> Product:
        matrix = self.source.matrices[product.matrix]
        number = self.target.matrix(matrix._replace(slot=self.first_slot + matrix.slot))
        init = None if product.init is None else self._home(product.init)
        return Product(self._home(product.value), number, self._home(product.destination), init)

    def _home(self, home: Home) -> Home:
        return Home(self.buffers[home.buffer], home.column)

    def _instruction(self, one: Instruction) -> Instruction:
        operands = tuple(self._operand(operand) for operand in one.operands)
        return one._replace(result=self._operand(one.result), operands=operands)

    def _operand(self, operand: Operand) -> Operand:
        if operand.kind == IN_BUFFER:
            return operand._replace(number=self.buffers[operand.number])
        if operand.kind == A_CONSTANT:
            return operand._replace(number=self.target.constant(self.source.constants[operand.number]))
        return operand
