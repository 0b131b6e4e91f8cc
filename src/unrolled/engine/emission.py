"""From a scheduled tape to the stages of a program, as tuples of numbers. Knows the words of native/unrolled.h."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from unrolled.engine.homes import Buffer, Home, Homes
from unrolled.engine.phases import ALIASES, PRODUCTS, SUMS, Phase, Schedule
from unrolled.equations.tape import Tape
from unrolled.equations.width import Width

OPERATIONS = (
    "copy", "negative", "absolute", "exp", "log", "sqrt", "sin", "cos", "sigmoid", "tanh", "relu", "softplus",
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "greater", "greater_equal", "less",
    "less_equal", "sigmoid_gradient", "tanh_gradient",
    "where", "rows_where", "multiply_add", "normalised", "normalised_gradient",
)  # fmt: skip
_CODES = {name: code for code, name in enumerate(OPERATIONS)}
_WHOLE_ROWS = ("normalised", "normalised_gradient")


class Operand(NamedTuple):
    """Where an instruction finds a value: `kind` 0 nothing, 1 a register, 2 a buffer, 3 a constant."""

    kind: int = 0
    number: int = 0
    column: int = 0


class Instruction(NamedTuple):
    """result = operation(operands) over `width` columns."""

    operation: int
    width: int
    result: Operand
    operands: tuple[Operand, ...]
    number: float


class Product(NamedTuple):
    """destination = init + value times a matrix; places are numbers of buffers and columns."""

    value: Home
    matrix: int
    destination: Home
    init: Home | None


class Matrix(NamedTuple):
    """A parameter that products multiply with; its columns are cut into `parts` for the threads."""

    slot: int
    rows: int
    columns: int
    transposed: bool
    parts: int


class Sum(NamedTuple):
    """destination = the sum over rows and steps of gradient times value; without a gradient, of value."""

    gradient: Home | None
    rows: int
    value: Home
    columns: int
    destination: Home


class Stage(NamedTuple):
    """`kind` 0 a segment of instructions, 1 a product, 2 a sum."""

    kind: int
    phase: int
    first: int
    length: int
    sliced: int
    barrier: bool


@dataclass
class Program:
    """What the engine runs."""

    buffers: list[Buffer] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    registers: int = 1
    widest: int = 1
    in_place: set[int] = field(default_factory=set)  # buffers of carried values that need not be kept for all steps
    homes: dict[int, Home] = field(default_factory=dict)
    kept: dict[int, Home] = field(default_factory=dict)


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
        self._set_barriers()
        self.program.in_place = {
            buffer for leaf, result in self.carried.items() if (pair := self._pair(leaf, result)) for buffer in pair
        }
        return self.program

    # ---- phases and stages ----

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
        shape = Matrix(slot, rows, columns, transposed, 1)
        if shape not in self.program.matrices:
            self.program.matrices.append(shape)
        product = Product(
            self.homes.of[value], self.program.matrices.index(shape), self.homes.of[place],
            self.homes.of[init[0]] if init else None,
        )  # fmt: skip
        self.program.stages.append(Stage(1, phase, len(self.program.products), 0, 0, True))
        self.program.products.append(product)

    def _sum(self, place: int) -> None:
        node = self.tape.nodes[place]
        homes = self.homes.of
        if node.operation == "outer":
            gradient, value = node.operands
            one = Sum(homes[gradient], self.homes.width(gradient), homes[value], self.homes.width(value), homes[place])
        else:
            (value,) = node.operands
            one = Sum(None, 1, homes[value], self.homes.width(value), homes[place])
        self.program.stages.append(Stage(2, Phase.AFTER, len(self.program.sums), 0, 0, False))
        self.program.sums.append(one)

    # ---- segments ----

    def _segment(self, phase: Phase, places: list[int], copies: list[tuple[int, Buffer]]) -> None:
        steps = [self._written(place) for place in places]
        lines = [line for group in steps for line in group]
        lines += [_Line("copy", buffer.width, Home(self.homes.buffer(buffer), 0), (place,)) for place, buffer in copies]
        if not lines:
            return
        lines = self._fused(lines)
        registers = _Registers(lines)
        first = len(self.program.instructions)
        for line in lines:
            operands = tuple(self._operand(one, registers) for one in line.operands)
            result = self._operand(line.result, registers)
            padded = operands + (Operand(),) * (3 - len(operands))
            self.program.instructions.append(
                Instruction(_CODES[line.operation], line.width, result, padded, line.number)
            )
            self.program.widest = max(self.program.widest, line.width)
        self.program.registers = max(self.program.registers, registers.count)
        widths = {line.width for line in lines}
        is_sliced = len(widths) == 1 and not any(line.operation in _WHOLE_ROWS for line in lines)
        sliced = widths.pop() if is_sliced else 0
        self.program.stages.append(Stage(0, phase, first, len(lines), sliced, True))

    def _written(self, place: int) -> list[_Line]:
        """The lines that compute a node."""
        node, homes = self.tape.nodes[place], self.homes
        result: Home | int = homes.of.get(place, place)
        if node.operation in ALIASES:
            return []
        if node.operation == "concat":
            return self._joined(place)
        if node.operation == "pad":
            assert isinstance(result, Home)
            zero = self._zero()
            start = homes.resolve(node.attributes["start"])
            (piece,) = node.operands
            return [
                _Line("copy", homes.width(place), result, (zero,)),
                _Line("copy", homes.width(piece), Home(result.buffer, result.column + start), (piece,)),
            ]
        number = node.attributes.get("eps", 0.0)
        return [_Line(node.operation, homes.width(place), result, node.operands, number)]

    def _joined(self, place: int) -> list[_Line]:
        """Copies of the pieces that do not lie in their place yet."""
        home = self.homes.of[place]
        lines, column = [], home.column
        for piece in self.tape.nodes[place].operands:
            there = Home(home.buffer, column)
            if self.homes.of.get(piece) != there:
                lines.append(_Line("copy", self.homes.width(piece), there, (piece,)))
            column += self.homes.width(piece)
        return lines

    def _zero(self) -> Operand:
        return Operand(3, self._constant(0.0))

    def _constant(self, value: float) -> int:
        if value not in self.program.constants:
            self.program.constants.append(value)
        return self.program.constants.index(value)

    def _fused(self, lines: list[_Line]) -> list[_Line]:
        """A product of two values that only one sum needs becomes part of it."""
        multiplied = {line.result: line for line in lines if line.operation == "multiply" and type(line.result) is int}
        uses: dict[object, int] = {}
        for line in lines:
            for operand in line.operands:
                uses[operand] = uses.get(operand, 0) + 1
        gone: set[object] = set()
        made = []
        for line in lines:
            if line.operation == "add":
                a, b = line.operands
                for factor, other in ((a, b), (b, a)):
                    if factor in multiplied and uses[factor] == 1 and factor != other:
                        gone.add(factor)
                        line = line._replace(operation="multiply_add", operands=(*multiplied[factor].operands, other))
                        break
            made.append(line)
        return [line for line in made if line.result not in gone or isinstance(line.result, Home)]

    def _operand(self, one: object, registers: _Registers) -> Operand:
        if isinstance(one, Operand):
            return one
        if isinstance(one, Home):
            return Operand(2, one.buffer, one.column)
        assert isinstance(one, int)
        node = self.tape.nodes[one]
        if node.operation == "number":
            return Operand(3, self._constant(node.attributes["value"]))
        if one in self.homes.of:
            home = self.homes.of[one]
            return Operand(2, home.buffer, home.column)
        return Operand(1, registers.of(one))

    # ---- carried values ----

    def _pair(self, leaf: int, result: int) -> tuple[int, int] | None:
        """The buffers of a carried value as the step begins and as it ends, if the second may lie over the first.

        So it is if the first was read, by elements, when the second is written, and no other phase reads either.
        """
        begins, ends = self.homes.of[leaf], self.homes.of.get(result)
        if ends is None or self.homes.buffers[ends.buffer].kind != "gradient state before":
            return None
        reads = [use for use in self._uses(begins.buffer) if not use.writes]
        writes = [use for use in self._uses(ends.buffer) if use.writes]
        others = [use for use in self._uses(ends.buffer) if not use.writes]
        if len(writes) != 1 or others or any(use.phase != Phase.LOOP or use.is_whole for use in (*reads, *writes)):
            return None
        return (begins.buffer, ends.buffer) if all(use.when <= writes[0].when for use in reads) else None

    def _uses(self, buffer: int) -> list[_Use]:
        """Every read and write of a buffer, but a product's of the sum that it adds to in place."""
        found: list[_Use] = []
        for number, stage in enumerate(self.program.stages):
            if stage.kind == 0:
                for line in range(stage.first, stage.first + stage.length):
                    found += _uses_of_line(self.program.instructions[line], buffer, stage.phase, (number, line))
            elif stage.kind == 1:
                found += _uses_of_product(self.program.products[stage.first], buffer, stage.phase, (number, 0))
            else:
                one = self.program.sums[stage.first]
                read = [one.value, *([] if one.gradient is None else [one.gradient])]
                found += [_Use(stage.phase, (number, 0), False, True) for home in read if home.buffer == buffer]
        return found

    # ---- threads ----

    def _set_barriers(self) -> None:
        """Where all threads have to meet, if each has a range of units.

        Everywhere but between a product and the segment that goes on with the same units.
        """
        places = [at for at, stage in enumerate(self.program.stages) if stage.phase == Phase.LOOP]
        for order, at in enumerate(places):
            stage = self.program.stages[at]
            if stage.kind == 0 and stage.sliced:
                group = self._products_before(places, order)
                if group and all(self._cut(one, stage.sliced) for one in group):
                    self.program.stages[at] = stage._replace(barrier=False)

    def _products_before(self, places: list[int], order: int) -> list[int]:
        """The products directly before a segment of the loop, around its end, too."""
        group = []
        for back in range(1, len(places)):
            at = places[order - back]
            if self.program.stages[at].kind != 1:
                break
            group.append(at)
        return group

    def _cut(self, at: int, width: int) -> bool:
        """Cut a product's columns into parts as wide as a segment; whether that is possible."""
        product = self.program.products[self.program.stages[at].first]
        matrix = self.program.matrices[product.matrix]
        wide = matrix.columns if matrix.transposed else matrix.rows
        if wide % width or matrix.parts not in (1, wide // width):
            return False
        self.program.matrices[product.matrix] = matrix._replace(parts=wide // width)
        return True


class _Use(NamedTuple):
    """A read or a write of a buffer: in which phase, when, and whether as a whole, by all threads."""

    phase: int
    when: tuple[int, int]
    writes: bool
    is_whole: bool


def _uses_of_line(one: Instruction, buffer: int, phase: int, when: tuple[int, int]) -> list[_Use]:
    reads = [operand for operand in one.operands if operand.kind == 2 and operand.number == buffer]
    writes = [one.result] if one.result.kind == 2 and one.result.number == buffer else []
    return [_Use(phase, when, False, False)] * len(reads) + [_Use(phase, when, True, False)] * len(writes)


def _uses_of_product(one: Product, buffer: int, phase: int, when: tuple[int, int]) -> list[_Use]:
    found = [_Use(phase, when, False, True)] if one.value.buffer == buffer else []
    if one.init == one.destination:
        return found
    if one.init is not None and one.init.buffer == buffer:
        found.append(_Use(phase, when, False, False))
    if one.destination.buffer == buffer:
        found.append(_Use(phase, when, True, False))
    return found


class _Line(NamedTuple):
    """An instruction before registers are given out: values are places of nodes, or homes."""

    operation: str
    width: int
    result: Home | int
    operands: tuple[object, ...]
    number: float = 0.0


class _Registers:
    """A register for each value of a segment, from its computation to its last use."""

    def __init__(self, lines: list[_Line]) -> None:
        last = {operand: number for number, line in enumerate(lines) for operand in line.operands}
        self._of: dict[int, int] = {}
        free: list[int] = []
        ends: dict[int, list[int]] = {}
        self.count = 0
        for number, line in enumerate(lines):
            free += ends.pop(number, [])  # an operand's register can hold the result
            if type(line.result) is int:
                register = free.pop() if free else self.count
                self.count = max(self.count, register + 1)
                self._of[line.result] = register
                ends.setdefault(last.get(line.result, number + 1), []).append(register)

    def of(self, place: int) -> int:
        return self._of[place]
