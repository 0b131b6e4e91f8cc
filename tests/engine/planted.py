"""The engine called as its contract forbids, to see that the sanitizers would tell; and, named "none", as it allows.

python -m tests.engine.planted overflow|undefined|race|none
"""

from __future__ import annotations

import sys
from threading import Thread

import torch

import tests.engine.sanitized  # noqa: F401 (the library that is asked)
from unrolled import cells
from unrolled.engine import Program
from unrolled.engine.compiled import Variant, compiled
from unrolled.engine.native import Sequences


def _at_once(*calls):
    threads = [Thread(target=call) for call in calls]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def main(fault: str) -> None:
    graph = cells.lstm().graph
    made = Sequences(compiled(graph, 40, 64, Variant()), torch.float32)
    parameters = [torch.randn(shape) for shape in Program(graph, 40, 64).parameter_shapes()]
    state = {name: torch.randn(8, 64) for name in ("h", "c")}

    def run(threads=2):
        return made.forward(torch.randn(50, 8, 40), state, parameters, {}, reverse=False, threads=threads)

    match fault:
        case "overflow":  # a matrix that ends too early
            parameters[0] = parameters[0].view(-1)[:-8].clone()
            run()
        case "undefined":  # a level that does not exist
            made._forward._library.unrolled_packed_size(made._forward._matrices[0], 0, 77)
        case "race":  # two runs over the same memory
            program = made._forward
            once = program.run
            program.run = lambda *a, **k: _at_once(lambda: once(*a, **k), lambda: once(*a, **k))
            run(threads=1)
        case "none":
            _at_once(*[run] * 4)


if __name__ == "__main__":
    main(sys.argv[1])
    print("ended")
