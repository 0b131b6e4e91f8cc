"""Names: which local name of the cell's function stands for which value. Reads frames; needs no source text.

At every symbolic operation the tracer shows the locals of the cell's frame; the frame is kept and shown
once more after the function has returned. The last binding of a name has the plain name (`i` is the gate
after its sigmoid), earlier ones are numbered (`i@1` was the first), and `@0` is an argument as it came in:
`c@0` is the state c as the step begins.

From Python 3.12 on the variables of comprehensions show up among the locals while they run, before that they do
not. So that a cell has the same names everywhere, a local that shares its name with such a variable is looked
at only before the function runs and after it.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType

from unrolled.equations.symbol import Symbol


class Bindings:
    """What each local name was bound to, in order: a history of nodes for each name."""

    def __init__(self, arguments: Mapping[str, Symbol], code: CodeType) -> None:
        self.arguments = frozenset(arguments)
        self.histories: dict[str, list[int]] = {}
        self._shared = _comprehension_variables(code)
        self._note(arguments)

    def observe(self, local_values: Mapping[str, object]) -> None:
        """Note which names are bound to another value than before, while the function runs."""
        self._note({name: value for name, value in local_values.items() if name not in self._shared})

    def close(self, local_values: Mapping[str, object]) -> None:
        """Note the last bindings, and forget the names that were deleted."""
        self._note(local_values)
        kept = self.arguments | set(local_values) | {name for name, _ in _symbols(local_values)}
        self.histories = {name: history for name, history in self.histories.items() if name in kept}

    def name_of(self, node: int) -> str | None:
        """The name now bound to a node, if any."""
        return next((name for name, history in self.histories.items() if history[-1] == node), None)

    def resolve(self, returned: Mapping[str, int]) -> dict[str, int]:
        """Every name with its node, in the order of the nodes; `returned` are the states as the step ends.

        A returned value takes its state's name, whatever the function called it besides; the state as the step
        begins is always `@0`, even if it is handed on unchanged.
        """
        names = dict(returned) | {f"{state}@0": self.histories[state][0] for state in returned}
        for name, history in self.histories.items():
            first = 0 if name in self.arguments else 1
            for number, node in enumerate(history, first):
                is_last = number == first + len(history) - 1
                plain = is_last and names.get(name, node) == node
                names[name if plain else f"{name}@{number}"] = node
        return dict(sorted(names.items(), key=lambda item: item[1]))

    def _note(self, local_values: Mapping[str, object]) -> None:
        for name, symbol in _symbols(local_values):
            history = self.histories.setdefault(name, [])
            if not history or history[-1] != symbol.node:
                history.append(symbol.node)


def frame_of(code: CodeType) -> FrameType | None:
    """The running frame of that code: the outermost one, where the function calls itself."""
    frame: FrameType | None = sys._getframe(1)
    found = None
    while frame is not None:
        if frame.f_code is code:
            found = frame
        frame = frame.f_back
    return found


def permuted(returned: Mapping[str, int], bindings: Bindings) -> list[str]:
    """The states whose values were returned in each other's places, by the names they are bound to.

    Handing an old value on (`return new, h1` for states h1, h2: a delay line) is no permutation.
    """
    bound = {name: bindings.histories[name][-1] for name in returned}
    source = {
        name: name if bound[name] == node else next((other for other in bound if bound[other] == node), name)
        for name, node in returned.items()
    }
    crossed = [name for name in returned if source[name] != name]
    while any(source[name] not in crossed for name in crossed):
        crossed = [name for name in crossed if source[name] in crossed]
    return crossed


def _comprehension_variables(code: CodeType) -> frozenset[str]:
    """The variables of comprehensions in a function: inlined (Python 3.12 on), or in code of their own."""
    found = {str(one.argval) for one in dis.get_instructions(code) if one.opname == "LOAD_FAST_AND_CLEAR"}
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and inner.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>"):
            found.update(inner.co_varnames, inner.co_cellvars, _comprehension_variables(inner))
    return frozenset(found)


def _symbols(local_values: Mapping[str, object]) -> Iterator[tuple[str, Symbol]]:
    """The symbols among the locals, and those inside a tuple, list or dict: `gates[0]` is called `gates_0`."""
    inside = []
    for name, value in local_values.items():
        if isinstance(value, Symbol):
            yield name, value
        elif isinstance(value, tuple | list):
            inside += [(f"{name}_{place}", one) for place, one in enumerate(value)]
        elif isinstance(value, dict):
            inside += [(f"{name}_{key}", one) for key, one in value.items() if f"_{key}".isidentifier()]
    for name, value in inside:
        if isinstance(value, Symbol) and name not in local_values:
            yield name, value
