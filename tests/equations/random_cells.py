"""Random cells, written as source: reassignment, tuples, loops, helpers, closures, every kind of expression."""

from __future__ import annotations

import textwrap

from hypothesis import strategies as st

from unrolled import ops

NAMES = ("a", "b", "u", "v")
HOW_OFTEN = ("step", "sequence")
UNARY = ("tanh", "sigmoid", "-", "abs", "softplus")

expressions = st.recursive(
    st.sampled_from((*NAMES, "h", "c")),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(UNARY), inner).map(lambda e: f"{e[0]}({e[1]})"),
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda e: f"({e[0]} {e[1]} {e[2]})"),
        inner.map(lambda e: f"(0.5 * {e})"),
        inner.map(lambda e: f"where({e} > 0, {e}, 0.1)"),
        inner.map(lambda e: f"helper({e})"),
        inner.map(lambda e: f"(lambda a: 1 - a)({e})"),
        inner.map(lambda e: f"linear({e})"),
        inner.map(lambda e: f"norm({e})"),
        st.tuples(inner, st.sampled_from(HOW_OFTEN)).map(lambda e: f"dropout({e[0]}, 0.3, per={e[1]!r})"),
        st.tuples(inner, inner, st.sampled_from(HOW_OFTEN)).map(
            lambda e: f"zoneout({e[0]}, {e[1]}, 0.4, per={e[2]!r})"
        ),
    ),
    max_leaves=4,
)
targets = st.sampled_from((*NAMES, "h", "c"))
pairs = st.lists(targets, min_size=2, max_size=2, unique=True).map(", ".join)
statements = st.one_of(
    st.tuples(targets, expressions).map(lambda s: f"{s[0]} = {s[1]}"),
    st.tuples(pairs, expressions, expressions).map(lambda s: f"{s[0]} = {s[1]}, {s[2]}"),
    st.tuples(pairs, expressions).map(lambda s: f"{s[0]} = affine({s[1]}, h, parts=2)"),
    st.tuples(pairs, expressions).map(lambda s: f"{s[0]} = split(concat({s[1]}, c), 2)"),
    st.tuples(targets, expressions).map(lambda s: f"for k in range(3): {s[0]} = k * {s[1]}"),
    st.tuples(targets, expressions).map(lambda s: f"{s[0]} += {s[1]}"),
    st.tuples(pairs, targets).map(lambda s: f"for {s[1]} in ({s[0]}): a = tanh({s[1]})"),
    st.tuples(targets, expressions).map(lambda s: f"gates = [sigmoid({s[0]}), {s[1]}]"),
    st.tuples(targets, pairs).map(lambda s: f"gates = [tanh({s[0]}) for {s[0]} in ({s[1]})]; {s[0]} = gates[1]"),
    targets.map(lambda s: f"{s} = closure(); v = closure() + {s}"),
)
programs = st.lists(statements, min_size=1, max_size=7)
returns = st.one_of(st.just("return h, c"), expressions.map(lambda e: f"return {e} + h, c"))

PRELUDE = """
def helper(a):
    b = tanh(a)
    a = b * 0.5
    return a

def program(x, h, c):
    a, b = affine(x, h, parts=2)
    u, v = tanh(a), sigmoid(b)
    def closure():
        return u * 0.25
"""


def source_of(body: list[str], last: str) -> str:
    return PRELUDE + textwrap.indent("\n".join(body), "    ") + f"\n    {last}\n"


def defined(source: str, extra: dict[str, object]):
    namespace = {name: getattr(ops, name) for name in ops.__all__} | extra
    exec(compile(source, "<random program>", "exec"), namespace)
    return namespace["program"]
