"""Which engine runs: the wish of the user, and what stands in its way. Knows tensors' properties, no equations."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from unrolled.engine.blocks import Blocks
from unrolled.engine.library import library, why_missing
from unrolled.errors import ConfigError, did_you_mean

Engine = Literal["auto", "native", "reference"]
_DTYPES = (torch.float32, torch.float64)
_wishes = Blocks[Engine]("unrolled.engine.choice")


def use_engine(engine: Engine) -> AbstractContextManager[None]:
    """Have layers run on that engine as long as a block lasts.

    Args:
        engine: "native"; "reference" (torch, step by step); or "auto": native where it can, else reference.

    Raises:
        ConfigError: there is no such engine, or the native one cannot be used.
    """
    return _wishes.saying(_checked(engine, "use_engine"))


def wish() -> Engine:
    """What the user wants: `use_engine`, else the environment variable UNROLLED_ENGINE, else "auto".

    Raises:
        ConfigError: the variable names no engine, or the native one, which is not there.
    """
    asked = _wishes.open()
    return asked[-1] if asked else _checked(os.environ.get("UNROLLED_ENGINE") or "auto", "UNROLLED_ENGINE")


def _checked(engine: str, where: str) -> Engine:
    known = get_args(Engine)
    if engine not in known:
        raise ConfigError(
            f"{where}: there is no engine {engine!r}: {', '.join(known)}.{did_you_mean(str(engine), known)}"
        )
    if engine == "native" and library() is None:
        raise ConfigError(f"{where}: {why_missing()}. Use the engine 'auto' or 'reference'")
    return engine  # type: ignore[return-value]


def autocast_dtype(x: Tensor) -> torch.dtype | None:
    """The type in which `torch.autocast` wants matrices multiplied for an input like x; None: as it is."""
    is_cast = x.device.type == "cpu" and x.dtype != torch.float64 and torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if is_cast else None


def obstacle(x: Tensor, others: Sequence[Tensor], masks: Iterable[Tensor | None] = ()) -> str:
    """Why the engine cannot run on these tensors, and with these masks of other types; empty if it can."""
    if library() is None:
        return why_missing()
    strange = (_strange(one, x.dtype) for one in (x, *others))
    far = (elsewhere(one) for one in masks if one is not None)
    return next(filter(None, strange), "") or next(filter(None, far), "") or _at_work()


def elsewhere(tensor: Tensor) -> str:
    """Why a tensor's numbers are not those in the memory at its address; empty if they are."""
    if type(tensor) not in (Tensor, nn.Parameter):
        return f"a tensor is a {type(tensor).__name__}"
    if tensor.device.type != "cpu":
        return f"a tensor is on {tensor.device}"
    if tensor.layout != torch.strided or torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return "a tensor's numbers do not lie in memory as they are"
    return ""


def _strange(tensor: Tensor, dtype: torch.dtype) -> str:
    """What the engine cannot read in a tensor; empty if it can."""
    if type(tensor) not in (Tensor, nn.Parameter):
        return f"a tensor is a {type(tensor).__name__}"
    if tensor.device.type != "cpu":
        return f"a tensor is on {tensor.device}"
    if tensor.dtype != dtype:
        return "the tensors are of different types"
    if tensor.layout != torch.strided or tensor.is_neg() or tensor._is_zerotensor():
        return "a tensor's numbers do not lie in memory as they are"
    return "" if dtype in _DTYPES else f"the tensors are {dtype}"


def _at_work() -> str:
    """What torch is doing that it could not do through the engine; empty if nothing."""
    if torch._C._are_functorch_transforms_active():
        return "a transform of torch.func is at work"
    if torch.autograd.forward_ad._current_level >= 0:
        return "derivatives are computed forwards"
    if torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") != torch.bfloat16:
        return f"autocast is on, to {torch.get_autocast_dtype('cpu')}"
    if torch._C._is_tracing():
        return "the layer is traced"
    return ""
