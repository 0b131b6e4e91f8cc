"""From a scheduled tape to the stages of a program. Knows phases and homes, no threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from unrolled.engine.barriers import set_barriers
from unrolled.engine.carrying import in_place
from unrolled.engine.homes import Buffer, Home, Homes
from unrolled.engine.lines import Line, Registers, with_multiply_add
from unrolled.engine.overlays import overlays
from unrolled.engine.phases import ALIASES, PRODUCTS, SUMS, Phase, Schedule
from unrolled.engine.programs import (
    A_CONSTANT,
    CODES,
    IN_BUFFER,
    IN_REGISTER,
    Instruction,
    Matrix,
    Operand,
    Product,
    Program,
    Stage,
    StageKind,
    Sum,
)
from unrolled.equations.tape import Tape
from unrolled.equations.width import Width

_WHOLE_ROWS = ("normalised", "normalised_gradient")


def emit(
    tape: Tape,
    resolve: Callable[[Width], int],
    *,
    given: Mapping[int, tuple[Buffer, int]],
    results: Sequence[tuple[int, Buffer]],
    carried: Mapping[int, int],
    kept: set[int],
    slots: Mapping[int, int],
) -> Program:
    """The program of a tape.

    Args:
        tape: what is computed, as `fusion.fused` writes it.
        resolve: a width in units.
        given: leaves, with the buffers and columns where they lie.
        results: values, and the buffers in which they have to be in the end.
        carried: leaf -> the value that it is in the next step of the loop.
        kept: values of which all steps are kept, wherever.
        slots: leaves that are parameters, with their slots.
    """
    return _Emission(tape, resolve, given, results, carried, kept, slots).run()


class _Emission:
    def __init__(
        self,
        tape: Tape,
        resolve: Callable[[Width], int],
        given: Mapping[int, tuple[Buffer, int]],
        results: Sequence[tuple[int, Buffer]],
        carried: Mapping[int, int],
        kept: set[int],
        slots: Mapping[int, int],
    ) -> None:
        self.tape = tape
        self.schedule = Schedule(tape, carried.keys(), carried.values())
        settled: dict[int, Buffer] = {}
        self.copies: list[tuple[int, Buffer]] = []
        for place, buffer in results:
            if place in settled or not self.schedule.is_computed(place) or tape.nodes[place].operation in ALIASES:
                self.copies.append((place, buffer))
            else:
                settled[place] = buffer
        self.carried = carried
        self.homes = Homes(self.schedule, resolve, given, settled, kept, {place for place, _ in self.copies})
        self.slots = slots
        self.program = Program(buffers=self.homes.buffers, homes=self.homes.of)

    def run(self) -> Program:
        for phase in Phase:
            self._phase(phase)
        for leaf, result in self.carried.items():
            self.program.in_place |= in_place(self.program, leaf, result)
        set_barriers(self.program)
        self.program.over = overlays(self.program)
        return self.program

    def _phase(self, phase: Phase) -> None:
        schedule, nodes = self.schedule, self.tape.nodes
        places = [at for at in range(len(nodes)) if schedule.phase[at] == phase and schedule.is_computed(at)]
        sums = [at for at in places if nodes[at].operation in SUMS]
        rest = [at for at in places if nodes[at].operation not in SUMS]
        if phase == Phase.FINAL:
            for at in sums:
                self._sum(at)
        copies = [(place, buffer) for place, buffer in self.copies if self._phase_of_copy(place) == phase]
        last = max((schedule.stage[at] for at in rest), default=0)
        for stage in range(last + 1):
            here = [at for at in rest if schedule.stage[at] == stage]
            for at in here:
                if nodes[at].operation in PRODUCTS:
                    self._product(phase, at)
            pointwise = [at for at in here if nodes[at].operation not in PRODUCTS]
            self._segment(phase, pointwise, copies if stage == last else [])

    def _phase_of_copy(self, place: int) -> Phase:
        phase = self.schedule.phase[place]
        if self.tape.is_vector(place) and self.schedule.is_computed(place):
            return phase
        return Phase.AFTER if phase == Phase.AFTER else Phase.LOOP

    def _product(self, phase: Phase, place: int) -> None:
        node = self.tape.nodes[place]
        value, matrix, *init = node.operands
        transposed = node.operation == "product_transposed"
        slot = self.slots[matrix]
        wide, deep = self.homes.width(place), self.homes.width(value)
        rows, columns = (deep, wide) if transposed else (wide, deep)
        number = self.program.matrix(Matrix(slot, rows, columns, transposed, 1))
        start = self.homes.of[init[0]] if init else None
        product = Product(self.homes.of[value], number, self.homes.of[place], start)
        self.program.stages.append(Stage(StageKind.PRODUCT, phase, len(self.program.products)))
        self.program.products.append(product)

    def _sum(self, place: int) -> None:
        node = self.tape.nodes[place]
        homes = self.homes.of
        if node.operation == "outer":
            rows, columns = node.operands
            if self.homes.width(columns) == 1:  # lies in memory as a row does, and a row is computed faster
                rows, columns = columns, rows
            one = Sum(homes[rows], self.homes.width(rows), homes[columns], self.homes.width(columns), homes[place])
        else:
            (value,) = node.operands
            one = Sum(None, 1, homes[value], self.homes.width(value), homes[place])
        self.program.stages.append(Stage(StageKind.SUM, Phase.AFTER, len(self.program.sums)))
        self.program.sums.append(one)

    def _segment(self, phase: Phase, places: list[int], copies: list[tuple[int, Buffer]]) -> None:
        steps = [self._written(place) for place in places]
        lines = [line for group in steps for line in group]
        lines += [Line("copy", buffer.width, Home(self.homes.buffer(buffer), 0), (place,)) for place, buffer in copies]
        if not lines:
            return
        lines = with_multiply_add(lines)
        registers = Registers(lines)
        first = len(self.program.instructions)
        for line in lines:
            operands = tuple(self._operand(one, registers) for one in line.operands)
            result = self._operand(line.result, registers)
            padded = operands + (Operand(),) * (3 - len(operands))
            self.program.instructions.append(
                Instruction(CODES[line.operation], line.width, result, padded, line.number)
            )
            self.program.widest = max(self.program.widest, line.width)
        self.program.registers = max(self.program.registers, registers.count)
        widths = {line.width for line in lines}
        is_sliced = len(widths) == 1 and not any(line.operation in _WHOLE_ROWS for line in lines)
        sliced = widths.pop() if is_sliced else 0
        self.program.stages.append(Stage(StageKind.SEGMENT, phase, first, len(lines), sliced))

    def _written(self, place: int) -> list[Line]:
        """The lines that compute a node."""
        node, homes = self.tape.nodes[place], self.homes
        result: Home | int = homes.of.get(place, place)
        if node.operation in ALIASES:
            return []
        if node.operation == "concat":
            return self._joined(place)
        if node.operation == "pad":
            assert isinstance(result, Home)
            zero = Operand(A_CONSTANT, self.program.constant(0.0))
            start = homes.resolve(node.attributes["start"])
            (piece,) = node.operands
            return [
                Line("copy", homes.width(place), result, (zero,)),
                Line("copy", homes.width(piece), Home(result.buffer, result.column + start), (piece,)),
            ]
        number = node.attributes.get("eps", 0.0)
        return [Line(node.operation, homes.width(place), result, node.operands, number)]

    def _joined(self, place: int) -> list[Line]:
        """Copies of the pieces that do not lie in their place yet."""
        home = self.homes.of[place]
        lines, column = [], home.column
        for piece in self.tape.nodes[place].operands:
            there = Home(home.buffer, column)
            if self.homes.of.get(piece) != there:
                lines.append(Line("copy", self.homes.width(piece), there, (piece,)))
            column += self.homes.width(piece)
        return lines

    def _operand(self, one: object, registers: Registers) -> Operand:
        if isinstance(one, Operand):
            return one
        if isinstance(one, Home):
            return Operand(IN_BUFFER, one.buffer, one.column)
        assert isinstance(one, int)
        node = self.tape.nodes[one]
        if node.operation == "number":
            return Operand(A_CONSTANT, self.program.constant(node.attributes["value"]))
        if one in self.homes.of:
            home = self.homes.of[one]
            return Operand(IN_BUFFER, home.buffer, home.column)
        return Operand(IN_REGISTER, registers.of(one))
