"""Functions that torch.compile calls and does not look into. Knows nothing of what they do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import CodeType
from typing import Any, ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def opaque(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function under `torch.compiler.disable`, which is asked only where the compiler is loaded already.

    (It would load it, for seconds, for everyone.)
    """
    disabled: list[Callable[Arguments, Result]] = []

    @wraps(function)
    def called(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        if "torch._dynamo" not in sys.modules:
            return function(*arguments, **options)
        if not disabled:
            disabled.append(torch.compiler.disable(function))  # type: ignore[no-untyped-call]
        return disabled[0](*arguments, **options)

    called._torchdynamo_disable = True  # type: ignore[attr-defined]  # what a caller that is compiled looks for
    _leave_alone(called.__code__)  # type: ignore[attr-defined]
    return called


def _leave_alone(code: CodeType) -> None:
    """Tell the interpreter's hook, which is there before the compiler is, that this code is not to be compiled."""
    hook: Any = torch._C._dynamo.eval_frame
    if hasattr(hook, "set_code_exec_strategy"):
        action = hook._FrameAction
        hook.set_code_exec_strategy(code, hook._FrameExecStrategy(action.SKIP, action.DEFAULT))
    else:  # (torch before 2.7)
        hook.skip_code(code)
