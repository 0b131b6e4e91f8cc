"""The lecture's cells in JAX, by `lax.scan`: forward and backward in one compiled function.

Imports JAX, an extra: only who has looked for it imports this. The products of x stand before the scan. Knows our
parameters by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import torch
from jax import Array
from jax import numpy as jnp
from jax.nn import sigmoid

from benchmarks.measure import Answer
from benchmarks.work import Work

Arrays = Mapping[str, Array]
# a step's states and its share of x's product, to the states after it; the first is the output
Step = Callable[[Arrays, Array], tuple[Array, ...]]


def _lstm(p: Arrays, x: Array) -> tuple[Array, Step]:
    def step(s: Arrays, of_x: Array) -> tuple[Array, ...]:
        i, f, o, g = jnp.split(of_x + s["h"] @ p["weight_i_h"].T, 4, axis=-1)
        c = sigmoid(f) * s["c"] + sigmoid(i) * jnp.tanh(g)
        return sigmoid(o) * jnp.tanh(c), c

    return x @ p["weight_i_x"].T + p["bias_i_x"] + p["bias_i_h"], step


def _gru(p: Arrays, x: Array) -> tuple[Array, Step]:
    def step(s: Arrays, of_x: Array) -> tuple[Array, ...]:
        r_x, z_x, n_x = jnp.split(of_x, 3, axis=-1)
        r_h, z_h, n_h = jnp.split(s["h"] @ p["weight_r_h"].T + p["bias_r_h"], 3, axis=-1)
        z = sigmoid(z_x + z_h)
        return ((1 - z) * jnp.tanh(n_x + sigmoid(r_x + r_h) * n_h) + z * s["h"],)

    return x @ p["weight_r_x"].T + p["bias_r_x"], step


def _rnn(p: Arrays, x: Array) -> tuple[Array, Step]:
    def step(s: Arrays, of_x: Array) -> tuple[Array, ...]:
        return (jnp.tanh(of_x + s["h"] @ p["weight_h_h"].T),)

    return x @ p["weight_h_x"].T + p["bias_h_x"] + p["bias_h_h"], step


CELLS = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}


def jax_scan(name: str, work: Work) -> tuple[Callable[[], Any], Callable[[Any], Answer]]:
    """The work of a cell, to be timed; and what turns its result into an answer. JAX has threads of its own."""
    given = {key: _array(value) for key, value in {"x": work.x, **work.parameters}.items()}
    before = {key: _array(value) for key, value in work.state.items()}
    of_output = _array(work.of_output)

    def forward(arrays: Arrays) -> tuple[Array, Arrays]:
        of_x, step = CELLS[name](arrays, arrays["x"])

        def body(carried: Arrays, now: Array) -> tuple[Arrays, Array]:
            after = step(carried, now)
            return dict(zip(before, after, strict=True)), after[0]

        last, output = jax.lax.scan(body, before, of_x)
        return output, last

    @jax.jit
    def both(arrays: Arrays) -> tuple[Array, Arrays, Arrays]:
        output, back, last = jax.vjp(forward, arrays, has_aux=True)
        return output, last, back(of_output)[0]

    return lambda: jax.block_until_ready(both(given)), _answer


def _array(value: torch.Tensor) -> Array:
    return jnp.asarray(value.detach().numpy())


def _answer(result: tuple[Array, Arrays, Arrays]) -> Answer:
    output, last, gradients = result
    named = {"output": output, **{f"last {key}": value for key, value in last.items()}}
    named |= {f"gradient of {key}": value for key, value in gradients.items()}
    return {key: torch.from_numpy(np.array(value)) for key, value in named.items()}
