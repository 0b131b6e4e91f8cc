"""Symbols: what a cell's function is handed while it is traced. Knows Python's operators, not their meaning.

A symbol stands for a value at one time step. Every operator asks its tracer for a new symbol; whatever the
language has no word for (branching, indexing, torch and numpy functions) raises an EquationError.
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

from unrolled.equations.width import Width
from unrolled.errors import AttributeEquationError, EquationError


class Tracer(Protocol):
    """Who made a symbol, and turns operations on it into more of them."""

    def apply(self, operation: str, *operands: Any, **attributes: Any) -> Symbol:
        """The symbol of an operation's result."""


class Symbol:
    """A value of the equation: a node of the graph that its owner traces, and its width."""

    __slots__ = ("node", "owner", "width")

    def __init__(self, owner: Tracer, node: int, width: Width | None) -> None:
        self.owner = owner
        self.node = node
        self.width = width

    def __repr__(self) -> str:
        return f"<value {self.width or 1} wide>"

    def __add__(self, other: Any) -> Symbol:
        return self.owner.apply("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self.owner.apply("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self.owner.apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self.owner.apply("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self.owner.apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self.owner.apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self.owner.apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.owner.apply("divide", other, self)

    def __pow__(self, other: Any) -> Symbol:
        return self.owner.apply("power", self, other)

    def __rpow__(self, other: Any) -> Symbol:
        return self.owner.apply("power", other, self)

    def __neg__(self) -> Symbol:
        return self.owner.apply("negative", self)

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self.owner.apply("absolute", self)

    def __gt__(self, other: Any) -> Symbol:
        return self.owner.apply("greater", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return self.owner.apply("greater_equal", self, other)

    def __lt__(self, other: Any) -> Symbol:
        return self.owner.apply("less", self, other)

    def __le__(self, other: Any) -> Symbol:
        return self.owner.apply("less_equal", self, other)

    def __eq__(self, other: object) -> NoReturn:
        raise EquationError("two values are compared for equality: the language has >, >=, < and <=, for where(...)")

    __ne__ = __eq__
    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        raise EquationError(
            "a value is used as True or False (if, while, and, or, not, max, min): it differs at every step and"
            " unit. Use where(condition, a, b), maximum(a, b) or minimum(a, b)"
        )

    def __matmul__(self, other: Any) -> NoReturn:
        raise EquationError("@ is not of the language: linear(value) and affine(value, ...) hold their own matrices")

    __rmatmul__ = __matmul__

    def __getitem__(self, key: object) -> NoReturn:
        raise EquationError("a value is indexed: cut it into equal parts with split(value, parts)")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise EquationError("a part of a value is assigned: a value does not change. Make another: concat, where")

    __delitem__ = __getitem__

    def __iter__(self) -> NoReturn:
        raise EquationError(
            "one value is unpacked or looped over: affine(..., parts=n) and split(value, n) give n values"
        )

    def __len__(self) -> NoReturn:
        raise EquationError("len() of a value: its width is known only once a layer has sizes")

    def _number(self, *_: object) -> NoReturn:
        raise EquationError(
            "a value is used as a plain number (float, int, round, math.*): it has none while the cell is traced."
            " Use the functions of unrolled.ops"
        )

    __float__ = __int__ = __index__ = __round__ = __floor__ = __ceil__ = __trunc__ = __complex__ = _number

    def _unknown_operator(self, *_: object) -> NoReturn:
        raise EquationError("this operator is not of the language: it has + - * / ** and comparisons")

    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = _unknown_operator
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _unknown_operator
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __invert__ = _unknown_operator

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python and libraries ask for protocols: they must hear "no"
            raise AttributeError(name)
        raise AttributeEquationError(
            f"a value has no attribute {name!r}: it is not a tensor. Use the functions of unrolled.ops"
        )

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a value is no function."""
        raise EquationError("a value is called as if it were a function")

    # What torch and numpy call when one of their functions or arrays meets a symbol.

    @classmethod
    def __torch_function__(cls, function: Any, *_: object, **__: object) -> NoReturn:
        _foreign("torch", function)

    def __array_ufunc__(self, function: Any, *_: object, **__: object) -> NoReturn:
        _foreign("numpy", function)

    def __array_function__(self, function: Any, *_: object, **__: object) -> NoReturn:
        _foreign("numpy", function)


def _foreign(library: str, function: Any) -> NoReturn:
    name = getattr(function, "__name__", str(function))
    raise EquationError(
        f"{library}'s {name} met a value of the cell: use the functions of unrolled.ops, and weight() for an array"
    )
